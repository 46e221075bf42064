// SPDX-License-Identifier: Apache-2.0
#include "runtime/explain/aiter_report.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace sinter {

namespace {

using nlohmann::ordered_json;

ordered_json or_null(std::optional<std::int64_t> value) { return value ? ordered_json(*value) : ordered_json(nullptr); }
ordered_json or_null(std::optional<bool> value) { return value ? ordered_json(*value) : ordered_json(nullptr); }
ordered_json or_null(std::string_view text) { return text.empty() ? ordered_json(nullptr) : ordered_json(text); }

ordered_json tile_json(const AiterName& name) {
  if (!name.tile_m() && !name.tile_n()) {
    return nullptr;
  }
  return {or_null(name.tile_m()), or_null(name.tile_n())};
}

ordered_json fields_json(const AiterName& name) {
  ordered_json fields{
      {"name", plain_name(name)},
      {"form", name.grammar->id},
      {"out", or_null(name.out())},
      {"quant", or_null(name.quant())},
      {"gate", or_null(name.value(AiterPart::kGate))},
      {"vskip", or_null(name.vskip())},
      {"activation", or_null(name.value(AiterPart::kActivation))},
      {"workgroups_per_cu", or_null(name.workgroups_per_cu())},
      {"persistent", name.persistent()},
      {"tile", tile_json(name)},
      {"prefetch", or_null(name.prefetch())},
      {"stage", or_null(name.stage())},
      {"block_scales", name.has(AiterPart::kScales) || name.quant().starts_with("blockscale")},
      {"input", or_null(name.value(AiterPart::kInput))},
      {"smooth_quant", or_null(name.value(AiterPart::kSmoothQuant))},
      {"weight_before_activation", name.has(AiterPart::kTopkWeight)},
      {"atomics", or_null(name.value(AiterPart::kAtomics))},
      {"routing", or_null(name.value(AiterPart::kRouting))},
  };
  ordered_json parts = ordered_json::array();
  for (const AiterPart part : name.order) {
    const AiterWord* word = name.words[static_cast<std::size_t>(part)];
    const AiterPartInfo& info = aiter_part_info(part);
    ordered_json object{{"part", info.name}};
    if (word != nullptr) {
      object["text"] = word->text;
    } else {
      const auto& numbers = name.numbers[static_cast<std::size_t>(part)];
      object["text"] =
          fmt::format("{}{}{}", info.prefix, fmt::join(numbers.begin(), numbers.begin() + info.numbers, "x"), info.suffix);
    }
    if (word != nullptr && !word->meaning.empty()) {
      object["meaning"] = word->meaning;
    }
    parts.push_back(std::move(object));
  }
  fields["parts"] = std::move(parts);
  return fields;
}

ordered_json binary_json(const CodeFacts& facts) {
  const auto known = [](std::int64_t value) { return value == kUnknown ? ordered_json(nullptr) : ordered_json(value); };
  return {{"target", facts.target},
          {"features", facts.features},
          {"entry", facts.entry},
          {"s_setvskip", known(facts.setvskip_count)},
          {"vgprs", known(facts.registers)},
          {"agprs", known(facts.accumulation_registers)},
          {"sgprs", known(facts.scalar_registers)},
          {"lds_bytes", known(facts.static_shared_bytes)},
          {"scratch_bytes", known(facts.scratch_bytes)},
          {"args_bytes", known(facts.args_bytes)},
          {"max_threads", known(facts.max_threads_per_block)},
          {"wave_size", known(facts.wave_size)},
          {"code_object_version", known(facts.code_object_version)},
          {"matrix_instructions", facts.matrix_instructions}};
}

std::string number_or_unknown(std::int64_t value) { return value == kUnknown ? "unknown" : fmt::format("{}", value); }

// "  quant              blockscaleFp8  fp8 operands, ...".
std::string field_lines(const AiterName& name) {
  const ordered_json fields = fields_json(name);
  std::string text;
  for (const auto& [field, value] : fields.items()) {
    if (field == "name" || field == "parts") {
      continue;
    }
    const std::string shown = value.is_null() ? "-" : value.is_string() ? value.get<std::string>() : value.dump();
    text += fmt::format("  {:<24} {}\n", field, shown);
  }
  text += "  in the name's order:\n";
  for (const ordered_json& part : fields["parts"]) {
    text += fmt::format("    {:<18} {}{}{}\n", part["text"].get<std::string>(), part["part"].get<std::string>(),
                        part.contains("meaning") ? ": " : "", part.value("meaning", std::string()));
  }
  return text;
}

// Nothing is known of the shape a kernel will be asked for.
void add_quirks(AiterVerdict& verdict, std::string_view name, const DeviceCaps& caps, std::span<const Quirk> quirks) {
  for (const Quirk& quirk : quirks) {
    const QuirkMatch match = match_quirk(
        quirk, {name, caps.name, caps.driver_version, [](std::string_view) { return std::optional<std::int64_t>(); }});
    if (match == QuirkMatch::kNo) {
      continue;
    }
    std::string where;
    for (const QuirkRange& range : quirk.ranges) {
      where += fmt::format("{}{}", where.empty() ? " with " : ", ", to_string(range));
    }
    const bool denies = quirk.effect == QuirkEffect::kDeny;
    verdict.reasons.push_back(fmt::format("quirk '{}' {} it{}: {} ({})", quirk.id, denies ? "denies" : "prefers another to", where,
                                          quirk.reason, quirk.reference));
    if (denies && match == QuirkMatch::kYes) {
      verdict.answer = AiterVerdict::Answer::kCannotRun;
    }
  }
}

}  // namespace

bool AiterReport::is_honest() const {
  return std::none_of(claims.begin(), claims.end(), [](const AiterClaim& claim) { return claim.truth == AiterClaim::Truth::kFalse; });
}

AiterReport make_aiter_report(std::string_view symbol, AiterName name, const CodeFacts* facts, std::span<const DeviceCaps> devices,
                              std::span<const Quirk> quirks) {
  AiterReport report{std::string(symbol), std::move(name), facts, {}, {}};
  if (facts != nullptr) {
    report.claims = compare_with_binary(report.name, *facts);
  }
  for (const DeviceCaps& caps : devices) {
    report.verdicts.push_back(judge_for_device(report.name, facts, caps));
    add_quirks(report.verdicts.back(), plain_name(report.name), caps, quirks);
  }
  return report;
}

std::string to_text(const AiterReport& report) {
  std::string text = fmt::format("{}\n{}", plain_name(report.name), field_lines(report.name));
  if (report.facts != nullptr) {
    const CodeFacts& facts = *report.facts;
    text += fmt::format("\nthe binary: {} ({}), {} VGPRs, {} bytes of LDS, {} s_setvskip, {} bytes of arguments\n", facts.target,
                        facts.features, number_or_unknown(facts.registers), number_or_unknown(facts.static_shared_bytes),
                        number_or_unknown(facts.setvskip_count), number_or_unknown(facts.args_bytes));
    for (const AiterClaim& claim : report.claims) {
      const std::string_view mark = claim.truth == AiterClaim::Truth::kFalse ? "FALSE" : truth_name(claim.truth);
      text += fmt::format("  {:<9} {:<18} {}\n", mark, claim.subject, claim.detail);
    }
    text += report.is_honest() ? "the binary keeps what the name says\n" : "THE NAME LIES about this binary\n";
  }
  text += fmt::format("\n{}\n", report.facts != nullptr ? "on devices, by the binary:" : "on devices, by the name alone:");
  for (const AiterVerdict& verdict : report.verdicts) {
    text += fmt::format("  {:<13} {:<8} {:<11} {}\n", verdict.device, verdict.arch, answer_name(verdict.answer),
                        fmt::join(verdict.reasons, "; "));
  }
  return text;
}

std::string to_json(const AiterReport& report) {
  ordered_json document{{"symbol", report.symbol}};
  document.update(fields_json(report.name));
  if (report.facts != nullptr) {
    document["code_object"] = binary_json(*report.facts);
    document["honest"] = report.is_honest();
    document["claims"] = ordered_json::array();
    for (const AiterClaim& claim : report.claims) {
      document["claims"].push_back({{"subject", claim.subject}, {"truth", truth_name(claim.truth)}, {"detail", claim.detail}});
    }
  }
  document["devices"] = ordered_json::array();
  for (const AiterVerdict& verdict : report.verdicts) {
    document["devices"].push_back({{"device", verdict.device},
                                   {"arch", verdict.arch},
                                   {"verdict", answer_name(verdict.answer)},
                                   {"reasons", verdict.reasons}});
  }
  // Facts come from a file that may hold anything.
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sinter
