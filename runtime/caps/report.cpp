// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/report.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/caps/cells.h"
#include "runtime/caps/validate.h"

namespace sinter {

namespace {

using nlohmann::ordered_json;

constexpr int kIndent = 2;

std::string_view arch_name(const DeviceCaps& caps) { return caps.arch != nullptr ? caps.arch->name : "unknown"; }

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<std::string_view, 4> kUnits = {"B", "KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) {
    value /= 1024;
  }
  return fmt::format("{:.4g} {}", value, kUnits[unit]);
}

std::string format_value(std::int64_t value, CellUnit unit) {
  return unit == CellUnit::kBytes ? format_bytes(value) : fmt::format("{}", value);
}
std::string format_value(double value, CellUnit unit) {
  return fmt::format("{:.4g} {}", value / 1e12, unit == CellUnit::kFlops ? "TFLOPS" : "TB/s");
}
std::string format_value(bool value, CellUnit) { return value ? "yes" : "no"; }
std::string format_value(const VskipSafety& value, CellUnit) {
  return !value.safe ? "no" : value.drivers.is_open() ? "yes" : to_string(value.drivers);
}
std::string format_value(const std::string& value, CellUnit) { return value; }

template <class T>
std::string format_cell(const Sourced<T>& cell, CellUnit unit) {
  if (!cell.value) {
    return "unknown";
  }
  return format_value(*cell.value, unit) + (cell.confidence == Confidence::kUnsure ? " ?" : "");
}

// Lines of cells as a table with columns as wide as they need.
std::string format_table(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], line[i].size());
    }
  }
  std::string text;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      text += fmt::format("{:<{}}  ", line[i], widths[i]);
    }
    text += line.back();
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  return text;
}

template <class T>
ordered_json value_to_json(const T& value) {
  return value;
}
ordered_json value_to_json(const VskipSafety& value) {
  if (!value.safe || value.drivers.is_open()) {
    return value.safe;
  }
  ordered_json range = ordered_json::object();
  for (const auto& [field, text] : {std::pair("driver", value.drivers.driver), std::pair("min", value.drivers.min),
                                    std::pair("max", value.drivers.max)}) {
    if (!text.empty()) {
      range[field] = text;
    }
  }
  return range;
}

ordered_json row_to_json(const DeviceCaps& caps) {
  ordered_json row = {{"name", caps.name}, {"aliases", caps.aliases}};
  std::vector<std::string> ids;
  for (const std::uint32_t id : caps.pci_devices) {
    ids.push_back(fmt::format("{:04x}", id));
  }
  row["pci_devices"] = ids;
  row["arch"] = arch_name(caps);
  visit_cells(caps, [&row](std::string_view field, const auto& cell, CellUnit) {
    ordered_json& out = row[std::string(field)];
    out = {{"value", nullptr}, {"confidence", confidence_name(cell.value ? cell.confidence : Confidence::kUnsourced)}};
    if (cell.value) {
      out["value"] = value_to_json(*cell.value);
      out["source"] = cell.source;
    }
  });
  row["note"] = caps.note;
  return row;
}

// Texts may come from a driver or a code object, so they may hold anything; invalid UTF-8 is replaced.
std::string dump(const ordered_json& value) {
  return value.dump(kIndent, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Finding examine_launch(const CheckQuestion& question) {
  const CodeFacts none;
  const CodeFacts& facts = question.code != nullptr ? question.code->facts : none;
  const std::size_t args_bytes = question.spec.family->args_bytes();
  const LaunchLimits limits = launch_limits(question.plan, facts, question.caps, nullptr, args_bytes);
  const LaunchShape& shape = *question.launch;
  if (!launch_fits(limits, shape, args_bytes)) {
    return {CheckStep::kLaunch, "launch", false, explain_launch(limits, shape, args_bytes).message};
  }
  return {CheckStep::kLaunch, "launch", true,
          fmt::format("{} x {} x {} blocks of {} x {} x {} threads, {} bytes of dynamic shared memory", shape.grid[0],
                      shape.grid[1], shape.grid[2], shape.block[0], shape.block[1], shape.block[2],
                      shape.dynamic_shared_bytes)};
}

}  // namespace

bool CheckReport::ok() const {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.ok; });
}

CheckReport make_check_report(const CheckQuestion& question) {
  CheckReport report;
  report.device = question.caps.name;
  report.arch = arch_name(question.caps);
  report.spec = question.spec.name();
  report.findings = examine_spec(question.spec, question.plan, question.caps, question.exempt_vskip);
  const auto append = [&report](std::vector<Finding> more) {
    report.findings.insert(report.findings.end(), std::make_move_iterator(more.begin()),
                           std::make_move_iterator(more.end()));
  };
  if (question.code != nullptr) {
    append(examine_code_object(question.spec, question.plan, *question.code, question.caps));
  }
  append(examine_quirks(question.spec, question.caps, question.driver_version, question.quirks));
  if (question.launch != nullptr) {
    report.findings.push_back(examine_launch(question));
  }
  return report;
}

std::string to_text(const CheckReport& report) {
  std::vector<std::vector<std::string>> lines;
  for (const Finding& finding : report.findings) {
    lines.push_back({"  " + std::string(check_step_name(finding.step)), std::string(finding.subject),
                     finding.ok ? "ok" : "REFUSED", finding.detail});
  }
  return fmt::format("{} on {} ({}): {}\n{}", report.spec, report.device, report.arch,
                     report.ok() ? "can run" : "refused", format_table(lines));
}

std::string to_json(const CheckReport& report) {
  ordered_json checks = ordered_json::array();
  for (const Finding& finding : report.findings) {
    checks.push_back({{"check", check_step_name(finding.step)},
                      {"subject", finding.subject},
                      {"ok", finding.ok},
                      {"detail", finding.detail}});
  }
  return dump({{"device", report.device},
               {"arch", report.arch},
               {"spec", report.spec},
               {"ok", report.ok()},
               {"checks", checks}});
}

std::string devices_to_text(const std::vector<DeviceCaps>& table) {
  std::vector<std::vector<std::string>> lines = {{"device", "arch", "units", "wave", "LDS/shared per block",
                                                  "registers", "memory", "bandwidth", "bf16", "fp8", "fp8 format",
                                                  "s_setvskip", "vskip safe"}};
  for (const DeviceCaps& caps : table) {
    lines.push_back(
        {caps.name, std::string(arch_name(caps)), format_cell(caps.unit_count, CellUnit::kCount),
         format_cell(caps.wave_size, CellUnit::kCount), format_cell(caps.shared_bytes_per_block, CellUnit::kBytes),
         format_cell(caps.registers_per_thread, CellUnit::kCount), format_cell(caps.memory_bytes, CellUnit::kBytes),
         format_cell(caps.memory_bandwidth, CellUnit::kBytesPerSecond), format_cell(caps.bf16_flops, CellUnit::kFlops),
         format_cell(caps.fp8_flops, CellUnit::kFlops), format_cell(caps.fp8_format, CellUnit::kWord),
         format_cell(caps.has_setvskip, CellUnit::kYesNo), format_cell(caps.vskip_safe, CellUnit::kVskip)});
  }
  return format_table(lines);
}

std::string device_to_text(const DeviceCaps& caps) {
  std::string text = fmt::format("{} ({})\n", caps.name, arch_name(caps));
  if (!caps.aliases.empty()) {
    text += fmt::format("also called: {}\n", fmt::join(caps.aliases, ", "));
  }
  if (!caps.note.empty()) {
    text += caps.note + "\n";
  }
  std::vector<std::vector<std::string>> lines;
  visit_cells(caps, [&lines](std::string_view field, const auto& cell, CellUnit unit) {
    lines.push_back({"  " + std::string(field), format_cell(cell, unit),
                     std::string(confidence_name(cell.value ? cell.confidence : Confidence::kUnsourced)), cell.source});
  });
  return text + format_table(lines);
}

std::string live_devices_to_text(std::span<const LiveDevice> devices) {
  std::string text;
  for (const LiveDevice& device : devices) {
    const DeviceProperties& live = device.properties;
    text +=
        fmt::format("{}:{}  {}  {} ({}), {} units, driver {}{}\n", device.driver, live.ordinal, live.name,
                    device.caps.name, arch_name(device.caps), format_cell(device.caps.unit_count, CellUnit::kCount),
                    live.driver_version.empty() ? "unknown" : live.driver_version, live.simulated ? ", simulated" : "");
    if (!device.caps.note.empty()) {
      text += "  " + device.caps.note + "\n";
    }
    for (const std::string& difference : device.differences) {
      text += "  differs: " + difference + "\n";
    }
  }
  return text;
}

std::string devices_to_json(const std::vector<DeviceCaps>& table, std::span<const LiveDevice> live) {
  ordered_json document = {{"devices", ordered_json::array()}, {"live", ordered_json::array()}};
  for (const DeviceCaps& caps : table) {
    document["devices"].push_back(row_to_json(caps));
  }
  for (const LiveDevice& device : live) {
    document["live"].push_back({{"driver", device.driver},
                                {"ordinal", device.properties.ordinal},
                                {"simulated", device.properties.simulated},
                                {"driver_version", device.properties.driver_version},
                                {"differences", device.differences},
                                {"caps", row_to_json(device.caps)}});
  }
  return dump(document);
}

}  // namespace sinter
