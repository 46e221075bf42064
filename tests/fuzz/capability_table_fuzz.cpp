// SPDX-License-Identifier: Apache-2.0

// Capability files that are given at run time: each row of an accepted one is found by its names, a refused one leaves
// the table as it was.

#include <cmath>
#include <vector>

#include "runtime/caps/cells.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/report.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

namespace {

bool is_sound(std::int64_t value) { return value > 0; }
bool is_sound(double value) { return std::isfinite(value) && value > 0; }
bool is_sound(const std::string& value) { return !value.empty(); }
bool is_sound(bool) { return true; }
bool is_sound(const VskipSafety&) { return true; }  // Any word for a driver may stand in a range.

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto builtin = load_capability_table(builtin_capability_json());
  static const std::string builtin_json = devices_to_json(*builtin, {});
  std::vector<DeviceCaps> table = *builtin;
  const auto merged = merge_capability_table(table, fuzz::text_of(data, size), "devices.json");
  if (!merged) {
    fuzz::check_refusal(merged.error(), {ErrorCode::kInvalidRequest});
    SINTER_CHECK(table.size() == builtin->size(), "a refused file changed the table");
    return 0;
  }
  SINTER_CHECK(table.size() >= builtin->size(), "a file took rows away");
  for (const DeviceCaps& caps : table) {
    SINTER_CHECK(caps.arch != nullptr, "a row without an arch");
    std::vector<std::string> names = caps.aliases;
    names.push_back(caps.name);
    for (const std::string& name : names) {
      const auto found = find_device_caps(table, name);
      SINTER_CHECK(found && *found == &caps, "a name leads to another device");
    }
    visit_cells(caps, [](std::string_view, const auto& cell, CellUnit) {
      SINTER_CHECK(cell.value.has_value() == (cell.confidence != Confidence::kUnsourced), "a value without a source");
      SINTER_CHECK(!cell.value || (!cell.source.empty() && is_sound(*cell.value)), "a value that no device has");
    });
  }
  SINTER_CHECK(!devices_to_text(table).empty() && !devices_to_json(table, {}).empty(), "a table that cannot be shown");
  return 0;
}
