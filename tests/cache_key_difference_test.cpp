// SPDX-License-Identifier: Apache-2.0
#include "cache/key_difference.h"

#include <catch2/catch.hpp>

using namespace sinter;

TEST_CASE("two keys differ in the fields whose values differ and in those that only one has", "[cache]") {
  const std::vector<KeyField> left = {{"spec", "a"}, {"compiler", "x"}, {"only left", "1"}};
  const std::vector<KeyField> right = {{"spec", "a"}, {"compiler", "y"}, {"only right", "2"}};
  const std::vector<KeyDifference> expected = {{"compiler", "x", "y"}, {"only left", "1", ""}, {"only right", "", "2"}};
  CHECK(key_differences(left, right) == expected);
  CHECK(key_differences(left, left).empty());
}

TEST_CASE("the first difference is a field of the wanted key; keys that differ in form alone are of another schema",
          "[cache]") {
  const CacheKey wanted = make_cache_key({{"spec", "a"}, {"compiler", "x"}});
  CHECK(first_difference(wanted, make_cache_key({{"spec", "a"}, {"compiler", "y"}})) == "compiler");
  CHECK(first_difference(wanted, make_cache_key({{"spec", "a"}})) == "compiler");
  CHECK(first_difference(wanted, make_cache_key({{"compiler", "x"}, {"spec", "a"}})) == "schema");
  CHECK(first_difference(wanted, make_cache_key({{"spec", "a"}, {"compiler", "x"}, {"compiler", "x"}})) == "schema");
  CHECK(first_difference(wanted, make_cache_key({{"spec", "a"}, {"compiler", "x"}, {"more", "1"}})) == "schema");
}

TEST_CASE("specs differ by the parts of their names", "[cache]") {
  CHECK(spec_distance("gemm_none_n16_k32", "gemm_none_n16_k32") == 0);
  CHECK(spec_distance("gemm_none_n16_k32", "gemm_none_n32_k32") == 1);
  CHECK(spec_distance("gemm_none_n16", "gemm_none_n16_k32") == 1);
  CHECK(spec_distance("", "a_b") == 2);
}

TEST_CASE("the nearest key is the one with the fewest differences, and never the wanted one", "[cache]") {
  const CacheKey wanted = make_cache_key({{"spec", "a"}, {"compiler", "x"}, {"params", "1"}});
  const CacheKey one = make_cache_key({{"spec", "a"}, {"compiler", "y"}, {"params", "1"}});
  const CacheKey two = make_cache_key({{"spec", "a"}, {"compiler", "y"}, {"params", "2"}});
  const std::vector<CacheKey> keys = {wanted, two, one};
  REQUIRE(nearest_key(wanted, keys) != nullptr);
  CHECK(nearest_key(wanted, keys)->digest == one.digest);
  CHECK(nearest_key(wanted, std::vector<CacheKey>{wanted}) == nullptr);
}
