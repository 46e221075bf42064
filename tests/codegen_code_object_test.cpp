// SPDX-License-Identifier: Apache-2.0
#include "codegen/code_object.h"

#include <catch2/catch.hpp>

namespace sinter {
namespace {

CodeFacts sample_facts() {
  CodeFacts facts;
  facts.target = "gfx942";
  facts.features = "xnack=any sramecc=any";
  facts.entry = "kernel";
  facts.registers = 128;
  facts.setvskip_count = 0;
  facts.matrix_instructions = {"v_mfma_f32_32x32x16_fp8_fp8"};
  return facts;
}

}  // namespace

TEST_CASE("facts survive their JSON, unknown ones included") {
  for (const CodeFacts& facts : {CodeFacts{}, sample_facts()}) {
    const Result<CodeFacts> again = code_facts_from_json(to_json(facts));
    REQUIRE(again);
    CHECK(*again == facts);
  }
}

TEST_CASE("equal facts have one JSON text, without white space") {
  const std::string json = to_json(sample_facts());
  CHECK(json == to_json(sample_facts()));
  CHECK(json.substr(0, 58) == R"({"target":"gfx942","features":"xnack=any sramecc=any","ent)");
  CHECK(json.find("\"registers\":128,\"accumulation_registers\":-1,") != std::string::npos);
}

TEST_CASE("JSON that the writer would not have written is an error") {
  const std::string good = to_json(sample_facts());
  CHECK_FALSE(code_facts_from_json(""));
  CHECK_FALSE(code_facts_from_json("[]"));
  CHECK_FALSE(code_facts_from_json("{}"));
  CHECK_FALSE(code_facts_from_json(good + " "));
  CHECK_FALSE(code_facts_from_json("{\"more\":1," + good.substr(1)));
  std::string text = good;
  text.replace(text.find("128"), 3, "\"128\"");
  CHECK_FALSE(code_facts_from_json(text));
  text = good;
  text.replace(text.find("128"), 3, "1e2");
  CHECK_FALSE(code_facts_from_json(text));
  text = good;
  text.replace(text.find("[\""), 1, "[1,");
  CHECK_FALSE(code_facts_from_json(text));
  CHECK(code_facts_from_json(std::string(100000, '[')).error().code == ErrorCode::kCacheError);
}

TEST_CASE("a symbol that is no UTF-8 still has a JSON text") {
  CodeFacts facts;
  facts.entry = "k\xff";
  CHECK(code_facts_from_json(to_json(facts)));
}

}  // namespace sinter
