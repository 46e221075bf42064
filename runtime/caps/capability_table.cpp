// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/caps/cells.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/strict_json.h"

namespace sinter {

namespace {

using nlohmann::json;

constexpr int kFormat = 1;

/// A source of numbers: what a reader is told, and how far to trust it unless a cell says less.
struct Source {
  std::string text;
  Confidence confidence = Confidence::kDocumented;
};
using Sources = std::map<std::string, Source, std::less<>>;

Error bad(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

// Only what a person may claim: `unknown` is written as null, `reported` belongs to live devices.
Result<Confidence> parse_confidence(const json& value, std::string_view where) {
  for (const Confidence confidence : {Confidence::kUnsure, Confidence::kDocumented, Confidence::kMeasured}) {
    if (value == std::string(confidence_name(confidence))) {
      return confidence;
    }
  }
  return bad(fmt::format("{}: confidence {} is none of measured, documented, unsure", where, value.dump()));
}

Result<Sources> parse_sources(const json& value, std::string_view where) {
  if (!value.is_object()) {
    return bad(fmt::format("{}: is {}, must be an object", where, value.type_name()));
  }
  Sources sources;
  for (const auto& [key, entry] : value.items()) {
    const std::string here = fmt::format("{} '{}'", where, key);
    SINTER_TRY_VOID(expect_fields(entry, here, {"text", "confidence"}, {}));
    Source source;
    SINTER_TRY(source.text, string_field(entry, here, "text"));
    SINTER_TRY(source.confidence, parse_confidence(entry.at("confidence"), here));
    sources.emplace(key, std::move(source));
  }
  return sources;
}

// "64 KiB", "192 GiB", or a plain number of bytes.
std::optional<std::int64_t> parse_bytes(const std::string& text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const int shift = unit == " KiB" ? 10 : unit == " MiB" ? 20 : unit == " GiB" ? 30 : 0;
  if (error != std::errc{} || shift == 0 || count <= 0 || count > (std::int64_t{1} << 32)) {
    return std::nullopt;
  }
  return count << shift;
}

std::optional<std::int64_t> parse_value(const json& value, CellUnit unit, std::int64_t) {
  if (unit == CellUnit::kBytes && value.is_string()) {
    return parse_bytes(value.get_ref<const std::string&>());
  }
  if (!value.is_number_integer() || value.get<std::int64_t>() <= 0) {
    return std::nullopt;
  }
  return value.get<std::int64_t>();
}

std::optional<double> parse_value(const json& value, CellUnit, double) {
  if (!value.is_number() || !(value.get<double>() > 0) || !std::isfinite(value.get<double>())) {
    return std::nullopt;
  }
  return value.get<double>();
}

std::optional<bool> parse_value(const json& value, CellUnit, bool) {
  return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
}

std::optional<std::string> parse_value(const json& value, CellUnit, const std::string&) {
  return value == "ocp" || value == "fnuz" || value == "none" ? std::optional(value.get<std::string>()) : std::nullopt;
}

// true or false for every driver, or the range of drivers that are safe.
std::optional<VskipSafety> parse_value(const json& value, CellUnit, const VskipSafety&) {
  if (value.is_boolean()) {
    return VskipSafety(value.get<bool>());
  }
  if (!expect_fields(value, "", {}, {"driver", "min", "max"}) || value.empty()) {
    return std::nullopt;
  }
  VskipSafety safety(true);
  for (const auto& [field, member] : {std::pair("driver", &DriverRange::driver), std::pair("min", &DriverRange::min),
                                      std::pair("max", &DriverRange::max)}) {
    const auto text = string_field(value, "", field);
    const bool is_version = member != &DriverRange::driver;
    if (!text || (value.contains(field) && is_version && !is_dotted_number(*text))) {
      return std::nullopt;
    }
    safety.drivers.*member = *text;
  }
  return safety;
}

std::string_view expected(CellUnit unit) {
  switch (unit) {
    case CellUnit::kCount: return "a whole number above 0";
    case CellUnit::kBytes: return "bytes above 0, such as 65536 or \"64 KiB\" (KiB, MiB, GiB)";
    case CellUnit::kBytesPerSecond:
    case CellUnit::kFlops: return "a number above 0";
    case CellUnit::kWord: return "\"ocp\", \"fnuz\" or \"none\"";
    case CellUnit::kYesNo: return "true or false";
    case CellUnit::kVskip:
      return "true or false, or the drivers that are safe, such as {\"driver\": \"amdgpu\", \"min\": \"6.16.6\", \"max\": \"6.18\"}";
  }
  return "a value";
}

// A cell is null, [value, "source"] or [value, "source", "confidence"]. Returns the source; checks the rest.
Result<Source> parse_cell_source(const json& cell, const Sources& sources, std::string_view where) {
  if (!cell.is_array() || cell.size() < 2 || cell.size() > 3 || !cell[1].is_string()) {
    return bad(fmt::format("{}: is {}, must be null, [value, \"source\"] or [value, \"source\", \"confidence\"]", where,
                           cell.dump()));
  }
  const auto found = sources.find(cell[1].get_ref<const std::string&>());
  if (found == sources.end()) {
    return bad(fmt::format("{}: source {} is not in \"sources\"", where, cell[1].dump()));
  }
  Source source = found->second;
  if (cell.size() == 3) {
    SINTER_TRY(source.confidence, parse_confidence(cell[2], where));
  }
  return source;
}

template <class T>
Result<Sourced<T>> parse_cell(const json& cell, CellUnit unit, const Sources& sources, std::string_view where) {
  if (cell.is_null()) {
    return Sourced<T>{};
  }
  SINTER_TRY(Source source, parse_cell_source(cell, sources, where));
  auto value = parse_value(cell[0], unit, T{});
  if (!value) {
    return bad(fmt::format("{}: value {} must be {}", where, cell[0].dump(), expected(unit)));
  }
  return Sourced<T>{std::move(value), std::move(source.text), source.confidence};
}

// PCI device ids are a cell too, of four-digit hexadecimal texts; the vendor's id follows from the arch.
Result<std::vector<std::uint32_t>> parse_pci(const json& cell, const Sources& sources, std::string_view where) {
  std::vector<std::uint32_t> ids;
  if (cell.is_null()) {
    return ids;
  }
  SINTER_TRY_VOID(parse_cell_source(cell, sources, where));
  if (!cell[0].is_array() || cell[0].empty()) {
    return bad(fmt::format("{}: value {} must be a list of ids, such as [\"74a1\"]", where, cell[0].dump()));
  }
  for (const json& id : cell[0]) {
    const std::string text = id.is_string() ? id.get<std::string>() : std::string();
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (text.size() != 4 || error != std::errc{} || end != text.data() + text.size()) {
      return bad(fmt::format("{}: {} is not four hexadecimal digits, such as \"74a1\"", where, id.dump()));
    }
    ids.push_back(number);
  }
  return ids;
}

Result<std::vector<std::string>> parse_aliases(const json& value, std::string_view where) {
  std::vector<std::string> aliases;
  if (!value.is_array()) {
    return bad(fmt::format("{}: is {}, must be a list of names", where, value.dump()));
  }
  for (const json& alias : value) {
    if (!alias.is_string() || alias.get_ref<const std::string&>().empty()) {
      return bad(fmt::format("{}: {} is not a name", where, alias.dump()));
    }
    aliases.push_back(alias.get<std::string>());
  }
  return aliases;
}

Result<DeviceCaps> parse_row(const json& row, const Sources& sources, std::string_view file_name, std::size_t index) {
  const bool named = row.is_object() && row.contains("name") && row["name"].is_string();
  const std::string where = named ? fmt::format("{}: device '{}'", file_name, row["name"].get<std::string>())
                                  : fmt::format("{}: device {}", file_name, index);
  DeviceCaps caps;
  std::vector<std::string_view> optional{"aliases", "pci_devices", "note"};
  visit_cells(caps, [&optional](std::string_view field, const auto&, CellUnit) { optional.push_back(field); });
  SINTER_TRY_VOID(expect_fields(row, where, {"name", "arch"}, optional));
  SINTER_TRY(caps.name, string_field(row, where, "name"));
  SINTER_TRY(const std::string arch, string_field(row, where, "arch"));
  auto known_arch = parse_arch(arch);
  if (!known_arch) {
    return bad(fmt::format("{}, field 'arch': {}", where, known_arch.error().message));
  }
  caps.arch = *known_arch;
  SINTER_TRY(caps.note, string_field(row, where, "note"));
  if (row.contains("aliases")) {
    SINTER_TRY(caps.aliases, parse_aliases(row["aliases"], where + ", field 'aliases'"));
  }
  if (row.contains("pci_devices")) {
    SINTER_TRY(caps.pci_devices, parse_pci(row["pci_devices"], sources, where + ", field 'pci_devices'"));
  }
  Result<void> outcome;
  visit_cells(caps, [&]<class T>(std::string_view field, Sourced<T>& cell, CellUnit unit) {
    const auto found = row.find(std::string(field));
    if (!outcome || found == row.end()) {
      return;
    }
    auto parsed = parse_cell<T>(*found, unit, sources, fmt::format("{}, field '{}'", where, field));
    if (parsed) {
      cell = *std::move(parsed);
    } else {
      outcome = parsed.error();
    }
  });
  SINTER_TRY_VOID(outcome);
  return caps;
}

Result<std::vector<DeviceCaps>> parse_rows(std::string_view text, std::string_view file_name) {
  SINTER_TRY(const json document, parse_strict_json(text, file_name));
  SINTER_TRY_VOID(expect_fields(document, file_name, {"format", "sources", "devices"}, {"comment"}));
  if (document["format"] != kFormat) {
    return bad(fmt::format("{}, field 'format': is {}, must be {}", file_name, document["format"].dump(), kFormat));
  }
  SINTER_TRY(const Sources sources, parse_sources(document["sources"], fmt::format("{}: source", file_name)));
  if (!document["devices"].is_array()) {
    return bad(fmt::format("{}, field 'devices': must be a list of rows", file_name));
  }
  std::vector<DeviceCaps> rows;
  for (const json& row : document["devices"]) {
    SINTER_TRY(DeviceCaps caps, parse_row(row, sources, file_name, rows.size()));
    rows.push_back(std::move(caps));
  }
  return rows;
}

// No name, alias or PCI id may belong to two devices: a look-up would depend on the order of rows.
Result<void> check_unique(const std::vector<DeviceCaps>& table, std::string_view file_name) {
  std::map<std::string, std::string> owner_of_name;
  std::map<std::pair<Vendor, std::uint32_t>, std::string> owner_of_id;
  for (const DeviceCaps& caps : table) {
    std::vector<std::string> names = caps.aliases;
    names.insert(names.begin(), caps.name);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto [owner, inserted] = owner_of_name.emplace(lower(names[i]), caps.name);
      if (!inserted) {
        return bad(fmt::format("{}: device '{}', field '{}': '{}' is already a name of device '{}'", file_name,
                               caps.name, i == 0 ? "name" : "aliases", names[i], owner->second));
      }
    }
    for (const std::uint32_t id : caps.pci_devices) {
      const auto [owner, inserted] = owner_of_id.emplace(std::pair(caps.arch->vendor, id), caps.name);
      if (!inserted) {
        return bad(fmt::format("{}: device '{}', field 'pci_devices': {:04x} already belongs to device '{}'", file_name,
                               caps.name, id, owner->second));
      }
    }
  }
  return {};
}

}  // namespace

std::string_view confidence_name(Confidence confidence) {
  switch (confidence) {
    case Confidence::kUnsourced: return "unknown";
    case Confidence::kUnsure: return "unsure";
    case Confidence::kDocumented: return "documented";
    case Confidence::kMeasured: return "measured";
    case Confidence::kReported: return "reported";
  }
  return "unknown";
}

Result<std::vector<DeviceCaps>> load_capability_table(std::string_view json_text) {
  constexpr std::string_view kName = "devices.json";
  auto rows = parse_rows(json_text, kName);
  if (!rows) {
    return make_error(ErrorCode::kInternal, rows.error().message);
  }
  if (auto unique = check_unique(*rows, kName); !unique) {
    return make_error(ErrorCode::kInternal, unique.error().message);
  }
  return rows;
}

Result<void> merge_capability_table(std::vector<DeviceCaps>& table, std::string_view json_text,
                                    std::string_view file_name) {
  SINTER_TRY(std::vector<DeviceCaps> rows, parse_rows(json_text, file_name));
  // Two rows of one name within the file are a slip; only those of the table may be replaced.
  SINTER_TRY_VOID(check_unique(rows, file_name));
  std::vector<DeviceCaps> merged = table;
  for (DeviceCaps& row : rows) {
    const auto old = std::find_if(merged.begin(), merged.end(),
                                  [&row](const DeviceCaps& caps) { return lower(caps.name) == lower(row.name); });
    if (old == merged.end()) {
      merged.push_back(std::move(row));
    } else {
      *old = std::move(row);
    }
  }
  SINTER_TRY_VOID(check_unique(merged, file_name));
  table = std::move(merged);
  return {};
}

Result<const DeviceCaps*> find_device_caps(const std::vector<DeviceCaps>& table, std::string_view name) {
  const std::string wanted = lower(name);
  std::vector<std::string_view> names;
  for (const DeviceCaps& caps : table) {
    names.push_back(caps.name);
    const auto matches = [&wanted](const std::string& candidate) { return lower(candidate) == wanted; };
    if (matches(caps.name) || std::any_of(caps.aliases.begin(), caps.aliases.end(), matches)) {
      return &caps;
    }
  }
  return bad(fmt::format("unknown device '{}'; known: {}", name, fmt::join(names, ", ")));
}

}  // namespace sinter
