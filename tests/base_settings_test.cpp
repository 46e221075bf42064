// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <map>
#include <string>

#include "base/settings.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

std::map<std::string, std::string> environment;

const char* get(const char* name) {
  const auto it = environment.find(name);
  return it == environment.end() ? nullptr : it->second.c_str();
}

}  // namespace

TEST_CASE("nothing is on because a variable is unset") {
  environment.clear();
  const auto settings = read_settings(get);
  REQUIRE(settings);
  CHECK_FALSE(settings->shared_cache_dir);
  CHECK_FALSE(settings->checked);
  CHECK(settings->cache_dir.empty());
  CHECK(settings->compile == CompileMode::kOn);
}

TEST_CASE("an unknown word in a variable is an error that names variable, value and what is allowed") {
  const std::pair<const char*, const char*> bad[] = {{"SINTER_CHECKED", "yes please"}, {"SINTER_COMPILE", ""}, {"SINTER_LOG", "verbose"},
                                                     {"SINTER_WORKERS", "-1"}, {"SINTER_SIGNATURES", "some"},       {"SINTER_AMD_COMPILER", "hipcc"}};
  for (const auto& [name, value] : bad) {
    environment = {{name, value}};
    const auto settings = read_settings(get);
    REQUIRE_FALSE(settings);
    CHECK(settings.error().code == ErrorCode::kInvalidRequest);
    CHECK_THAT(settings.error().message, Contains(name) && Contains(std::string("'") + value + "'") && Contains("allowed"));
  }
}

TEST_CASE("bundles are separated by colons, and empty places are none") {
  const auto bundles = [](const char* value) {
    environment = {{"SINTER_BUNDLES", value}};
    return read_settings(get)->bundles;
  };
  CHECK(bundles("").empty());
  CHECK(bundles("/a") == std::vector<std::string>{"/a"});
  CHECK(bundles(":/a/x.sinter::b:") == std::vector<std::string>{"/a/x.sinter", "b"});
}

TEST_CASE("what must be signed is nothing until somebody says so") {
  environment = {{"HOME", "/home/a"}};
  CHECK(read_settings(get)->signatures == SignaturePolicy::kNone);
  CHECK(read_settings(get)->trusted_keys == "/home/a/.config/sinter/trusted");
  CHECK(read_settings(get)->signing_key.empty());
  for (const auto& [word, policy] : {std::pair{"none", SignaturePolicy::kNone}, std::pair{"signed", SignaturePolicy::kSigned},
                                     std::pair{"all", SignaturePolicy::kAll}}) {
    environment["SINTER_SIGNATURES"] = word;
    CHECK(read_settings(get)->signatures == policy);
    CHECK(signature_policy_name(policy) == word);
  }
  environment["XDG_CONFIG_HOME"] = "/x";
  CHECK(read_settings(get)->trusted_keys == "/x/sinter/trusted");
  environment["SINTER_TRUSTED_KEYS"] = "/keys";
  CHECK(read_settings(get)->trusted_keys == "/keys");
}

TEST_CASE("AITER_ENABLE_VSKIP takes 0 and 1, changes nothing while it is unset, and refuses any other word") {
  environment.clear();
  CHECK_FALSE(read_settings(get)->vskip.has_value());
  environment = {{"AITER_ENABLE_VSKIP", "0"}};
  CHECK(read_settings(get)->vskip == false);
  environment = {{"AITER_ENABLE_VSKIP", "1"}};
  CHECK(read_settings(get)->vskip == true);
  for (const char* word : {"", "on", "off", "true", "false", "00", "2", " 1"}) {
    environment = {{"AITER_ENABLE_VSKIP", word}};
    const auto settings = read_settings(get);
    REQUIRE_FALSE(settings);
    CHECK_THAT(settings.error().message, Contains("AITER_ENABLE_VSKIP") && Contains("allowed: 0, 1"));
  }
}

TEST_CASE("the cache directory follows SINTER_CACHE_DIR, then XDG_CACHE_HOME, then HOME") {
  environment = {{"HOME", "/home/a"}};
  CHECK(read_settings(get)->cache_dir == "/home/a/.cache/sinter");
  environment["XDG_CACHE_HOME"] = "/x";
  CHECK(read_settings(get)->cache_dir == "/x/sinter");
  environment["SINTER_CACHE_DIR"] = "/c";
  CHECK(read_settings(get)->cache_dir == "/c");
  environment["SINTER_CACHE_DIR"] = "";
  CHECK(read_settings(get)->cache_dir.empty());
}
