// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_key.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

using namespace sinter;

TEST_CASE("equal fields give equal keys and every change gives another", "[cache]") {
  const std::vector<std::vector<KeyField>> different = {
      {},
      {{"a", "1"}},
      {{"a", "2"}},
      {{"b", "1"}},
      {{"a", "1"}, {"b", "2"}},
      {{"b", "2"}, {"a", "1"}},
      {{"a", "1b2"}},
      {{"a1", "b"}},
      {{"a", "1b"}},
      {{"", "a1b"}},
      {{"a1b", ""}},
  };
  std::set<Digest> digests;
  for (const auto& fields : different) {
    CHECK(make_cache_key(fields).digest == make_cache_key(fields).digest);
    digests.insert(make_cache_key(fields).digest);
  }
  CHECK(digests.size() == different.size());
}

TEST_CASE("a field is found by its name and an absent one is empty", "[cache]") {
  const CacheKey key = make_cache_key({{"arch", "gfx942"}, {"spec", "x"}});
  CHECK(key.field("arch") == "gfx942");
  CHECK(key.field("family").empty());
}

TEST_CASE("key fields survive their JSON", "[cache]") {
  const std::vector<KeyField> fields = {{"spec", "a\"b\\c\n"}, {"", ""}, {"compiler", "caf\xc3\xa9"}};
  const auto parsed = key_fields_from_json(key_fields_to_json(fields));
  REQUIRE(parsed);
  CHECK(*parsed == fields);
}

TEST_CASE("the JSON of key fields escapes every character in one way", "[cache]") {
  for (int code = 0; code < 256; ++code) {
    INFO(code);
    const std::string text = "a" + std::string(1, static_cast<char>(code)) + "b";
    for (const KeyField& field : {KeyField{"name", text}, KeyField{text, "value"}}) {
      const auto json = nlohmann::json::array({nlohmann::json::array({field.name, field.value})});
      CHECK(key_fields_to_json({field}) ==
            json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
    }
  }
  CHECK(key_fields_to_json({}) == "[]");
  CHECK(key_fields_to_json({{"a", "b"}, {"c", "d"}}) == R"([["a","b"],["c","d"]])");
}

TEST_CASE("JSON of key fields that was not written by us is refused", "[cache]") {
  for (const char* text : {"", "{}", "null", "[", "[1]", "[[\"a\"]]", "[[\"a\",1]]", "[[\"a\",\"b\",\"c\"]]",
                           "[[\"a\", \"b\"]]", "[[\"a\",\"b\"]] ", "[[\"\\u0061\",\"b\"]]", "[[\"a\",\"\xff\"]]"}) {
    INFO(text);
    const auto parsed = key_fields_from_json(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::kCacheError);
  }
}
