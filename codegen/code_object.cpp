// SPDX-License-Identifier: Apache-2.0
#include "codegen/code_object.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace sinter {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// Every field of CodeFacts with its key, in the order of the canonical text. `visit` gets (key, field).
template <class Facts, class Visit>
void for_each_field(Facts& facts, Visit visit) {
  visit("target", facts.target);
  visit("features", facts.features);
  visit("entry", facts.entry);
  visit("registers", facts.registers);
  visit("accumulation_registers", facts.accumulation_registers);
  visit("scalar_registers", facts.scalar_registers);
  visit("spilled_registers", facts.spilled_registers);
  visit("scratch_bytes", facts.scratch_bytes);
  visit("static_shared_bytes", facts.static_shared_bytes);
  visit("args_bytes", facts.args_bytes);
  visit("max_threads_per_block", facts.max_threads_per_block);
  visit("wave_size", facts.wave_size);
  visit("code_object_version", facts.code_object_version);
  visit("setvskip_count", facts.setvskip_count);
  visit("instruction_count", facts.instruction_count);
  visit("matrix_instructions", facts.matrix_instructions);
}

/// Takes `value` if it has the type of `out`; a wrong one stays behind and fails the comparison with the text.
void take(const OrderedJson& value, std::string& out) {
  if (value.is_string()) {
    out = value.get<std::string>();
  }
}

void take(const OrderedJson& value, std::int64_t& out) {
  if (value.is_number_integer()) {
    out = value.get<std::int64_t>();
  }
}

void take(const OrderedJson& value, std::vector<std::string>& out) {
  for (const OrderedJson& element : value) {
    if (element.is_string()) {
      out.push_back(element.get<std::string>());
    }
  }
}

}  // namespace

std::string to_json(const CodeFacts& facts) {
  OrderedJson json;
  for_each_field(facts, [&](const char* key, const auto& field) { json[key] = field; });
  // Bytes of a symbol that are no UTF-8 are replaced, since dump() would throw; escapes keep the text plain ASCII.
  return json.dump(-1, ' ', /*ensure_ascii=*/true, OrderedJson::error_handler_t::replace);
}

Result<CodeFacts> code_facts_from_json(std::string_view json) {
  const OrderedJson parsed = OrderedJson::parse(json, nullptr, /*allow_exceptions=*/false);
  CodeFacts facts;
  if (parsed.is_object()) {
    for_each_field(facts, [&](const char* key, auto& field) {
      if (const auto it = parsed.find(key); it != parsed.end()) {
        take(*it, field);
      }
    });
  }
  // There is one text per value of CodeFacts, so comparing texts checks types, order, spacing and unknown keys at once.
  if (!parsed.is_object() || to_json(facts) != json) {
    return make_error(ErrorCode::kCacheError,
                      fmt::format("the facts of a code object are not in canonical form: {:.200}", json));
  }
  return facts;
}

}  // namespace sinter
