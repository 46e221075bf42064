// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/choose.h"

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

void choose_among_tiles(KernelChoice& choice, const KernelRequest& request, const ChoiceQuestion& question) {
  const Family& family = *choice.spec.family;
  const TileProblem problem = family.tile_problem(choice.spec, rows_hint(request));
  choice.tiles = choose_tile(choice.spec, *family.body(choice.spec.arch->vendor), problem, question.target.unit_count);
  bool chosen = false;
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

std::string to_text(const KernelChoice& choice, const DeviceCaps& caps) {
  std::string text = fmt::format("{} on {}\n", choice.spec.name(), caps.name);
  for (const std::string& note : choice.notes) {
    text += fmt::format("  {}\n", note);
  }
  if (choice.tiles.candidates.empty()) {
    return text + "  the tile was asked for\n";
  }
  text += fmt::format("  tile: {}\n", choice.tiles.reason);
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
                                  {"reason", choice.tiles.candidates.empty() ? "the tile was asked for" : choice.tiles.reason},
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
