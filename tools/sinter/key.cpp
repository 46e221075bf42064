// SPDX-License-Identifier: Apache-2.0

// sinter key generate | trust | list: the keys that sign bundles, and those whose signatures count.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/key_directory.h"
#include "base/read_file.h"
#include "cache/bundle_manifest.h"
#include "cache/signing_key.h"
#include "cache/trusted_keys.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

constexpr std::string_view kPublicExtension = ".pub";

struct KeyCommand {
  CommonOptions common;
  std::string name, out, file;
};

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

std::string dump(const ordered_json& value) { return value.dump(2, ' ', false, ordered_json::error_handler_t::replace); }

/// Never over a file that is there: a private key that is overwritten is gone.
Result<void> write_new_file(const std::string& path, std::string_view text, mode_t mode) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file.is_open()) {
    return invalid(errno == EEXIST ? fmt::format("{} exists and is not overwritten", path)
                                   : fmt::format("cannot write {}: {}", path, errno_text(errno)));
  }
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(file.get()) != 0) {
    return make_error(ErrorCode::kCacheError, fmt::format("cannot write {}: {}", path, errno_text(errno)));
  }
  return {};
}

// --- generate ---

struct KeyFiles {
  std::string private_key, public_key;
  KeyId id;
};

Result<KeyFiles> generate(const KeyCommand& options) {
  if (options.name.empty() == options.out.empty()) {
    return invalid("give a NAME, for a key in the user's configuration, or --out FILE");
  }
  std::string path = options.out;
  if (path.empty()) {
    const std::string directory = default_key_directory();
    if (directory.empty()) {
      return invalid("no configuration directory: HOME is not set; give --out FILE");
    }
    if (!is_bundle_name(options.name)) {
      return invalid(fmt::format("'{}' is no name of a key: letters, digits, '.', '_', '+' and '-' are", options.name));
    }
    SINTER_TRY_VOID(make_private_directories(directory));
    path = directory + "/" + options.name;
  }
  SINTER_TRY(const SigningKey key, SigningKey::generate());
  const std::string public_path = path + std::string(kPublicExtension);
  if (file_id(public_path)) {
    return invalid(fmt::format("{} exists and is not overwritten", public_path));
  }
  SINTER_TRY_VOID(write_new_file(path, key.to_pem(), 0600));
  SINTER_TRY_VOID(write_new_file(public_path, to_pem(key.public_key()), 0644));
  return KeyFiles{path, public_path, key.public_key().id()};
}

int generate_command(const KeyCommand& options) {
  const auto files = generate(options);
  if (!files) {
    return fail(files.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", dump({{"key", to_hex(files->id)}, {"private_key", files->private_key}, {"public_key", files->public_key}}));
  } else {
    fmt::print("key {}\n  sign with   {}\n  give away   {}  (sinter key trust, where its signatures shall count)\n", to_hex(files->id),
               files->private_key, files->public_key);
  }
  return kGood;
}

// --- trust ---

Result<TrustedKey> trust(const KeyCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  if (settings.trusted_keys.empty()) {
    return invalid("no directory of trusted keys: HOME is not set; set SINTER_TRUSTED_KEYS");
  }
  std::error_code ignored;
  if (std::filesystem::is_regular_file(settings.trusted_keys, ignored)) {
    return invalid(fmt::format("SINTER_TRUSTED_KEYS is the file {}, one key: name a directory to trust several", settings.trusted_keys));
  }
  SINTER_TRY(const std::string text, read_text_file(options.file));
  auto key = public_key_from_pem(text);
  if (!key) {
    return invalid(fmt::format("{} is no public key: {}", options.file, key.error().message));
  }
  SINTER_TRY_VOID(make_private_directories(settings.trusted_keys));
  SINTER_TRY_VOID(check_only_owner_writes(settings.trusted_keys));
  const std::string path = fmt::format("{}/{}{}", settings.trusted_keys, to_hex(key->id()), kPublicExtension);
  if (!file_id(path)) {
    SINTER_TRY_VOID(write_new_file(path, to_pem(*key), 0644));
  }
  return TrustedKey{*key, path};
}

int trust_command(const KeyCommand& options) {
  const auto key = trust(options);
  if (!key) {
    return fail(key.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", dump({{"key", to_hex(key->key.id())}, {"path", key->path}}));
  } else {
    fmt::print("key {} is trusted: {}\n", to_hex(key->key.id()), key->path);
  }
  return kGood;
}

// --- list ---

int list_command(const KeyCommand& options) {
  const auto settings = settings_for(options.common);
  if (!settings) {
    return fail(settings.error(), options.common.json);
  }
  const auto keys = TrustedKeys::load(settings->trusted_keys);
  if (!keys) {
    return fail(keys.error(), options.common.json);
  }
  auto array = ordered_json::array();
  for (const TrustedKey& key : keys->keys()) {
    array.push_back({{"key", to_hex(key.key.id())}, {"path", key.path}});
    if (!options.common.json) {
      fmt::print("{}  {}\n", to_hex(key.key.id()), key.path);
    }
  }
  if (options.common.json) {
    fmt::print("{}\n", dump({{"place", settings->trusted_keys}, {"policy", signature_policy_name(settings->signatures)}, {"trusted", array}}));
  } else {
    fmt::print("{} trusted keys in {}; SINTER_SIGNATURES is {}\n", keys->keys().size(), settings->trusted_keys,
               signature_policy_name(settings->signatures));
  }
  return kGood;
}

}  // namespace

void add_key(CLI::App& app, int& status) {
  auto options = std::make_shared<KeyCommand>();
  CLI::App* group = app.add_subcommand("key", "Keys that sign bundles, and keys whose signatures count");
  group->require_subcommand(1);

  CLI::App* command = group->add_subcommand("generate", "Make a key pair: a private file and a .pub to give away");
  command->add_option("name", options->name, "its name in the user's configuration");
  command->add_option("--out", options->out, "the private key's file instead")->type_name("FILE");
  command->add_flag("--json", options->common.json, "print JSON instead of text");
  command->callback([options, &status] { status = generate_command(*options); });

  command = group->add_subcommand("trust", "Let the signatures of a key count");
  command->add_option("file", options->file, "its .pub file")->required()->type_name("FILE");
  command->add_flag("--json", options->common.json, "print JSON instead of text");
  command->callback([options, &status] { status = trust_command(*options); });

  command = group->add_subcommand("list", "The trusted keys");
  command->add_flag("--json", options->common.json, "print JSON instead of text");
  command->callback([options, &status] { status = list_command(*options); });
}

}  // namespace sinter::cli
