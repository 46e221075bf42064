// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/support/bundles.h"
#include "tests/support/fake_compiler.h"

namespace sinter {
namespace {

using namespace testing;

/// Writes a bundle with one kernel, whose key has another value in one field than what was compiled. Gives its path.
std::string bundle_with(const CompiledCode& compiled, const std::string& directory, std::string_view field,
                        const std::string& value) {
  auto fields = compiled.key.fields;
  const auto changed = std::find_if(fields.begin(), fields.end(), [&](const KeyField& f) { return f.name == field; });
  REQUIRE(changed != fields.end());
  changed->value = value;
  CodeObject code = *compiled.code;
  if (field == "compiler") {
    code.compiler = value;
  }
  std::vector<EntryRow> rows{*seal_entry(make_cache_key(std::move(fields)), code, {.writer = "test"})};
  fs::create_directories(directory);
  auto written = write_bundle(source_of(std::move(rows)), {.directory = directory, .name = "moe", .arch = "x86-64-v3"});
  REQUIRE(written);
  return written->path;
}

Settings with_bundle(const FakeMachine& machine, const std::string& bundle) {
  Settings settings = machine.settings();
  settings.bundles = {bundle};
  return settings;
}

TEST_CASE("a bundle's kernel goes before compiling, whichever compiler made it") {
  const FakeMachine builder, server;
  const auto compiled = FakeProcess(builder).get(1);
  REQUIRE(compiled);
  const std::string bundle = bundle_with(*compiled, builder.path("b"), "compiler", "fake llvm 0.9");
  FakeProcess process(with_bundle(server, bundle));

  const auto found = process.get(1);
  REQUIRE(found);
  CHECK(found->origin == CodeOrigin::kBundle);
  CHECK(found->code->code == compiled->code->code);
  CHECK(server.log().empty());
  REQUIRE(process.get(2));
  CHECK(process.cache().counters().misses == 1);

  // Once the compiler here is known, the key that it would give is looked up first: still a hit, and no miss.
  FakeProcess later(with_bundle(server, bundle));
  CHECK(later.get(1)->origin == CodeOrigin::kBundle);
  CHECK(later.cache().counters().misses == 0);
  CHECK(later.cache().counters().bundle_hits == 1);
  CHECK(server.logged("ok") == 1);
}

TEST_CASE("a bundle's kernel of another template is compiled again") {
  const FakeMachine builder, server;
  const auto compiled = FakeProcess(builder).get(1);
  REQUIRE(compiled);
  const std::string bundle = bundle_with(*compiled, builder.path("b"), "template_digest", std::string(64, '0'));
  FakeProcess process(with_bundle(server, bundle));

  const auto found = process.get(1);
  REQUIRE(found);
  CHECK(found->origin == CodeOrigin::kCompiled);
  CHECK(server.logged("ok") == 1);
}

}  // namespace
}  // namespace sinter
