// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/choose.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/caps/validate.h"

namespace sinter {

namespace {

constexpr std::string_view kTileParam = "tile";

std::size_t tile_index(const Family& family) { return static_cast<std::size_t>(family.param_index(kTileParam)); }

bool is_tile_open(const KernelRequest& request, const Family& family) {
  return family.param_index(kTileParam) >= 0 && request.values[tile_index(family)] == kUnset;
}

// Why a spec may not run here; empty if it may.
std::string refusal_of(const KernelSpec& spec, const ChoiceQuestion& question) {
  const auto plan = make_plan(spec);
  if (!plan) {
    return plan.error().message;
  }
  if (auto checked = check_spec(spec, *plan, question.caps, question.exempt_vskip); !checked) {
    return checked.error().message;
  }
  const auto quirks = check_quirks(spec, question.caps, question.driver_version, question.quirks);
  return quirks ? std::string() : quirks.error().message;
}

void list_tiles(KernelChoice& choice, const KernelRequest& request, const ChoiceQuestion& question) {
  const Family& family = *choice.spec.family;
  TileProblem problem = family.tile_problem(choice.spec, rows_hint(request));
  problem.largest = std::min(largest_hint(request), problem.rows);
  choice.tiles = choose_tile(choice.spec, *family.body(choice.spec.arch->vendor), problem, question.target.unit_count);
}

std::string describe(const TunedMatch& match) {
  const TuningRow& row = *match.row;
  const TuningCandidate& best = row.candidates.front();
  std::string text = fmt::format("{} measured on {}, {} rows, the largest group of {}: {:.6g} {}", to_string(row.choice),
                                 to_string(row.device), row.problem.rows, row.problem.largest, best.median, tuning_unit_name(row.unit));
  if (match.source != ChoiceSource::kTunedExact) {
    text += fmt::format("; for {}", to_string(row.problem.params));
  }
  return text;
}

// Follows the best measured row that is not stale and whose choice this device may have. False if there is none.
bool follow_tuned_row(KernelChoice& choice, const KernelRequest& request, const ChoiceQuestion& question) {
  if (question.tuned == nullptr) {
    return false;
  }
  const auto& tiles = choice.tiles.candidates;
  for (const TunedMatch& match : question.tuned->find(question.device, request, choice.spec)) {
    KernelSpec spec = choice.spec;
    std::string problem;
    if (is_stale(*match.row)) {
      problem = "it is stale, measured with other candidates or templates: measure again";
    } else if (!apply_params(match.row->choice, spec) ||
               std::ranges::none_of(tiles, [&](const TileCandidate& tile) { return pack_tile(tile.tile) == spec.values[tile_index(*spec.family)]; })) {
      problem = "there is no such candidate for this shape";
    } else {
      problem = refusal_of(spec, question);
    }
    if (problem.empty()) {
      choice.spec = spec;
      choice.source = match.source;
      choice.reason = describe(match);
      choice.tuned = *match.row;
      return true;
    }
    choice.notes.push_back(fmt::format("not followed ({}): {}: {}", choice_source_name(match.source), describe(match), problem));
  }
  return false;
}

void choose_among_tiles(KernelChoice& choice, const KernelRequest& request, const ChoiceQuestion& question) {
  list_tiles(choice, request, question);
  const Family& family = *choice.spec.family;
  bool chosen = follow_tuned_row(choice, request, question);
  if (!chosen) {
    choice.source = choice.tiles.by_cost ? ChoiceSource::kHeuristic : ChoiceSource::kGeneral;
    choice.reason = choice.tiles.reason;
  }
  for (const TileCandidate& candidate : choice.tiles.candidates) {
    if (chosen && !question.all) {
      return;
    }
    KernelSpec spec = choice.spec;
    spec.values[tile_index(family)] = pack_tile(candidate.tile);
    choice.refusals.push_back(refusal_of(spec, question));
    if (!chosen && choice.refusals.back().empty()) {
      choice.spec = spec;
      chosen = true;
    }
  }
}

bool is_chosen(const KernelChoice& choice, const TileCandidate& candidate) {
  return choice.spec.values[tile_index(*choice.spec.family)] == pack_tile(candidate.tile);
}

}  // namespace

Result<KernelChoice> choose_kernel(const ChoiceQuestion& question) {
  KernelChoice choice;
  SINTER_TRY(choice.spec, resolve_for_device(question.request, question.target));
  KernelRequest request =
      with_preferences(question.request, choice.spec, question.caps, question.driver_version, question.quirks);
  if (!(request == question.request)) {
    // A preference that this device cannot have is none.
    if (auto preferred = resolve_for_device(request, question.target); preferred && refusal_of(*preferred, question).empty()) {
      choice.notes.push_back(fmt::format("quirks prefer {} to {}", preferred->name(), choice.spec.name()));
      choice.spec = *preferred;
    } else {
      request = question.request;
    }
  }
  if (is_tile_open(request, *choice.spec.family)) {
    choose_among_tiles(choice, request, question);
  }
  return choice;
}

Result<MeasurableSpecs> measurable_specs(const ChoiceQuestion& question) {
  ChoiceQuestion heuristic = question;
  heuristic.tuned = nullptr;
  SINTER_TRY(const KernelChoice choice, choose_kernel(heuristic));
  MeasurableSpecs measurable;
  measurable.chosen = choice.spec;
  const Family& family = *choice.spec.family;
  std::vector<KernelSpec> specs{choice.spec};
  for (const TileCandidate& candidate : choice.tiles.candidates) {
    specs.push_back(choice.spec);
    specs.back().values[tile_index(family)] = pack_tile(candidate.tile);
  }
  const ParamTexts open = open_params(question.request, choice.spec);
  if (std::ranges::find(open, "vskip", &ParamTexts::value_type::first) != open.end()) {
    const auto vskip = static_cast<std::size_t>(family.param_index("vskip"));
    for (std::size_t i = specs.size(); i-- > 0;) {
      specs.push_back(specs[i]);
      specs.back().values[vskip] = kVskipOff;
    }
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (std::find(specs.begin(), specs.begin() + static_cast<std::ptrdiff_t>(i), specs[i]) != specs.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;  // the chosen one, at its place in the list
    }
    if (std::string refusal = refusal_of(specs[i], question); refusal.empty()) {
      measurable.specs.push_back(specs[i]);
    } else {
      measurable.refused.emplace_back(specs[i], std::move(refusal));
    }
  }
  return measurable;
}

std::string one_line(const KernelChoice& choice) {
  return choice.source == ChoiceSource::kAsked ? std::string(choice_source_name(choice.source))
                                               : fmt::format("{}: {}", choice_source_name(choice.source), choice.reason);
}

std::string to_text(const KernelChoice& choice, const DeviceCaps& caps) {
  std::string text = fmt::format("{} on {}\n", choice.spec.name(), caps.name);
  for (const std::string& note : choice.notes) {
    text += fmt::format("  {}\n", note);
  }
  if (choice.tiles.candidates.empty()) {
    return text + "  the tile was asked for\n";
  }
  text += fmt::format("  choice by {}\n", one_line(choice));
  if (choice.tuned) {
    text += fmt::format("  the heuristic alone: {}\n", choice.tiles.reason);
  }
  for (std::size_t i = 0; i < choice.tiles.candidates.size(); ++i) {
    const TileCandidate& candidate = choice.tiles.candidates[i];
    const std::string refused = i < choice.refusals.size() ? choice.refusals[i] : std::string();
    text += fmt::format("  {} {}{}{}\n", is_chosen(choice, candidate) ? "->" : "  ",
                        to_string(candidate, caps.unit_count.value.value_or(0)), refused.empty() ? "" : "; refused: ", refused);
  }
  return text;
}

std::string to_json(const KernelChoice& choice) {
  nlohmann::ordered_json document{{"spec", choice.spec.name()},
                                  {"source", choice_source_name(choice.source)},
                                  {"reason", choice.source == ChoiceSource::kAsked ? "the tile was asked for" : choice.reason},
                                  {"tuned", choice.tuned ? nlohmann::ordered_json::parse(to_json(*choice.tuned)) : nullptr},
                                  {"by_cost", choice.tiles.by_cost},
                                  {"notes", choice.notes},
                                  {"candidates", nlohmann::ordered_json::array()}};
  for (std::size_t i = 0; i < choice.tiles.candidates.size(); ++i) {
    const TileCandidate& candidate = choice.tiles.candidates[i];
    nlohmann::ordered_json row{{"tile", tile_to_string(candidate.tile)},
                               {"chosen", is_chosen(choice, candidate)},
                               {"refused", nullptr}};
    if (i < choice.refusals.size() && !choice.refusals[i].empty()) {
      row["refused"] = choice.refusals[i];
    }
    if (choice.tiles.by_cost) {
      row.update({{"blocks_per_unit", candidate.blocks_per_unit},
                  {"blocks", candidate.blocks},
                  {"rounds", candidate.rounds},
                  {"idle_units", candidate.idle_units},
                  {"waste", candidate.waste},
                  {"cost", candidate.cost}});
    }
    document["candidates"].push_back(std::move(row));
  }
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace sinter
