// SPDX-License-Identifier: Apache-2.0

// sinter cache diff KEY KEY: why two kernels are two.

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cache/key_difference.h"
#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_view.h"
#include "tools/sinter/key_text.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct DiffCommand {
  CommonOptions common;
  std::string left, right;
  std::string bundle, other_bundle;
};

/// Facts as fields, so that they are compared like a key's.
std::vector<KeyField> fact_fields(const CacheEntry& entry) {
  std::vector<KeyField> fields;
  const auto facts = ordered_json::parse(to_json(entry.object.facts), nullptr, false);
  for (const auto& [name, value] : facts.items()) {
    fields.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  fields.push_back({"code_bytes", fmt::format("{}", entry.info.code_bytes)});
  fields.push_back({"sha256", entry.sha256});
  return fields;
}

ordered_json to_json_array(const std::vector<KeyDifference>& differences) {
  auto array = ordered_json::array();
  for (const KeyDifference& difference : differences) {
    array.push_back({{"name", difference.name}, {"left", difference.left}, {"right", difference.right}});
  }
  return array;
}

int diff(const DiffCommand& options) {
  const bool json = options.common.json;
  const auto read = [&](const std::string& bundle, const std::string& key) -> Result<CacheEntry> {
    SINTER_TRY(CacheAdmin cache, open_cache(options.common, bundle));
    return cache.show(key);
  };
  const auto left = read(options.bundle, options.left);
  if (!left) {
    return fail(left.error(), json);
  }
  const auto right = read(options.other_bundle.empty() ? options.bundle : options.other_bundle, options.right);
  if (!right) {
    return fail(right.error(), json);
  }
  const auto fields = key_differences(left->key_fields, right->key_fields);
  const auto facts = key_differences(fact_fields(*left), fact_fields(*right));
  if (json) {
    fmt::print("{}\n", dump({{"left", left->info.key},
                             {"right", right->info.key},
                             {"key_fields", to_json_array(fields)},
                             {"facts", to_json_array(facts)}}));
    return kGood;
  }
  fmt::print("- {}  {}\n+ {}  {}\n\n", left->info.key.substr(0, 12), left->info.spec, right->info.key.substr(0, 12),
             right->info.spec);
  fmt::print("key fields that differ: {}\n{}",
             fields.empty() ? "none: it is one kernel" : fmt::format("{}", fields.size()), differences_text(fields));
  fmt::print("facts that differ: {}\n{}", facts.empty() ? "none" : fmt::format("{}", facts.size()),
             differences_text(facts));
  return kGood;
}

}  // namespace

void add_cache_diff(CLI::App& cache, int& status) {
  auto options = std::make_shared<DiffCommand>();
  CLI::App* command =
      cache.add_subcommand("diff", "Where two kernels differ: key fields, and what was read from their code");
  command->add_option("left", options->left, "a key, or the first digits of it")->required();
  command->add_option("right", options->right, "another key")->required();
  command->add_option("--from", options->bundle, "a bundle instead of the cache")->type_name("FILE");
  command
      ->add_option("--right-from", options->other_bundle,
                   "the bundle in which the second key is (default: where the first is)")
      ->type_name("FILE");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = diff(*options); });
}

}  // namespace sinter::cli
