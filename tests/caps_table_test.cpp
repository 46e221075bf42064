// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "runtime/caps/cells.h"
#include "runtime/caps/device_caps.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

std::vector<DeviceCaps> builtin_table() {
  auto table = load_capability_table(builtin_capability_json());
  INFO((table ? "" : table.error().message));
  REQUIRE(table);
  return *std::move(table);
}

const DeviceCaps& row(const std::vector<DeviceCaps>& table, std::string_view name) {
  const auto found = find_device_caps(table, name);
  REQUIRE(found);
  return **found;
}

// A file with one source, "s", and these rows.
std::string file_with(std::string_view rows) {
  return R"({"format": 1, "sources": {"s": {"text": "a test", "confidence": "measured"}}, "devices": [)" +
         std::string(rows) + "]}";
}

std::string merge_error(std::string_view json) {
  std::vector<DeviceCaps> table;
  const auto merged = merge_capability_table(table, json, "extra.json");
  REQUIRE_FALSE(merged);
  CHECK(merged.error().code == ErrorCode::kInvalidRequest);
  CHECK(table.empty());
  return merged.error().message;
}

}  // namespace

TEST_CASE("the built-in capability table loads and has every promised device") {
  const auto table = builtin_table();
  for (const char* name : {"MI210",  "MI250X", "MI300A",      "MI300X",     "MI308X", "MI325X",   "MI350X",
                           "MI355X", "MI350P", "RX 7900 XTX", "RX 9070 XT", "A100",   "A800",     "H100",
                           "H800",   "H200",   "H20",         "L40S",       "B200",   "RTX 5090", "host"}) {
    CHECK(find_device_caps(table, name).has_value());
  }
}

TEST_CASE("each cell of the built-in table has a value with a source and a confidence, or none of the three") {
  for (const DeviceCaps& caps : builtin_table()) {
    visit_cells(caps, [&caps](std::string_view field, const auto& cell, CellUnit) {
      INFO(caps.name << " " << field);
      CHECK(cell.value.has_value() == !cell.source.empty());
      CHECK(cell.value.has_value() == (cell.confidence != Confidence::kUnsourced));
    });
  }
}

TEST_CASE("rows agree with the limits of their arch where both know a number") {
  for (const DeviceCaps& caps : builtin_table()) {
    INFO(caps.name);
    REQUIRE(caps.arch != nullptr);
    const Arch& arch = *caps.arch;
    CHECK(caps.wave_size.value.value_or(arch.wave_size) == arch.wave_size);
    CHECK(caps.max_threads_per_block.value.value_or(arch.max_threads_per_block) == arch.max_threads_per_block);
    CHECK(caps.shared_bytes_per_block.value.value_or(arch.max_shared_memory_bytes) == arch.max_shared_memory_bytes);
    CHECK(caps.has_setvskip.value.value_or(arch.has_setvskip) == arch.has_setvskip);
    const std::string fp8 = arch.fp8 == Fp8Hardware::kOcp ? "ocp" : arch.fp8 == Fp8Hardware::kFnuz ? "fnuz" : "none";
    CHECK(caps.fp8_format.value.value_or(fp8) == fp8);
  }
}

TEST_CASE("no device of the built-in table is known to be safe with vskip") {
  for (const DeviceCaps& caps : builtin_table()) {
    CHECK_FALSE(is_vskip_safe(caps));
    CHECK_FALSE(may_be_vskip_safe(caps));
    DeviceCaps live = caps;
    for (const char* driver : {"60443482 amdgpu 6.10.5 kfd 1.17", "60443482 amdgpu 99", "60443482 simhip 1", "13.0"}) {
      live.driver_version = driver;
      CHECK_FALSE(is_vskip_safe(live));
    }
    // The simulator is the one driver that a row may vouch for: Sinter's own.
    live.driver_version = "60443482 simhip-fixed 1";
    CHECK(is_vskip_safe(live) == (caps.arch->has_setvskip && caps.arch->wave_size == 64));
  }
}

TEST_CASE("a row may call a range of drivers safe with vskip, and an unknown driver is not in it") {
  auto table = builtin_table();
  REQUIRE(merge_capability_table(
      table, file_with(R"({"name": "MI300X", "arch": "gfx942", "vskip_safe": [{"driver": "amdgpu", "min": "6.16.6"}, "s"]})"), "extra.json"));
  DeviceProperties live;
  live.name = "MI300X";
  live.arch = "gfx942";
  const std::pair<const char*, bool> drivers[] = {{"60443482 amdgpu 6.16.6", true}, {"60443482 amdgpu 7.0 kfd 1.18", true},
                                                  {"60443482 amdgpu 6.16.5", false}, {"60443482 amdgpu srcversion:AB", false},
                                                  {"60443482", false},               {"", false}};
  for (const auto& [driver, is_safe] : drivers) {
    live.driver_version = driver;
    INFO(driver);
    CHECK(is_vskip_safe(caps_of_live_device(table, live, nullptr)) == is_safe);
  }
  CHECK(may_be_vskip_safe(row(table, "MI300X")));
}

TEST_CASE("devices of one arch are told apart") {
  const auto table = builtin_table();
  CHECK(row(table, "MI300X").arch == row(table, "MI308X").arch);
  CHECK(row(table, "MI300X").unit_count.value == 304);
  CHECK(row(table, "MI308X").unit_count.value == 80);
  CHECK(row(table, "MI325X").unit_count.value == 304);
  CHECK(row(table, "MI300X").memory_bytes.value == 192ll << 30);
  CHECK(row(table, "MI325X").memory_bytes.value == 256ll << 30);
  CHECK(row(table, "MI350P").unit_count.value == 128);
  CHECK(row(table, "H200").arch->name == "sm_90a");
}

TEST_CASE("a device is found by name or alias without regard to case") {
  const auto table = builtin_table();
  CHECK(row(table, "mi308x").name == "MI308X");
  CHECK(row(table, "nvidia h200").name == "H200");
  const auto missing = find_device_caps(table, "MI999");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kInvalidRequest);
  CHECK_THAT(missing.error().message, Contains("'MI999'") && Contains("MI300X") && Contains("RTX 5090"));
}

TEST_CASE("a malformed built-in table is a defect, not a bad request") {
  const auto table = load_capability_table("{");
  REQUIRE_FALSE(table);
  CHECK(table.error().code == ErrorCode::kInternal);
}

TEST_CASE("a capability file with a mistake is refused with the row and the field") {
  CHECK_THAT(merge_error("{\"format\": 1,\n ]"), Contains("extra.json") && Contains("line 2"));
  CHECK_THAT(merge_error(R"({"format": 2, "sources": {}, "devices": []})"), Contains("'format': is 2, must be 1"));
  CHECK_THAT(merge_error(R"({"format": 1, "sources": {}, "devices": [], "extra": 1})"), Contains("'extra': unknown"));
  CHECK_THAT(merge_error(R"({"format": 1, "format": 1, "sources": {}, "devices": []})"),
             Contains("'format' stands twice"));
  CHECK_THAT(merge_error(R"({"format": 1, "sources": {"s": {"text": "t", "confidence": "sure"}}, "devices": []})"),
             Contains("\"sure\" is none of measured, documented, unsure"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X"})")), Contains("device 'X', field 'arch': missing"));
  CHECK_THAT(merge_error(file_with(R"({"arch": "gfx942"})")), Contains("device 0, field 'name': missing"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx1"})")),
             Contains("device 'X', field 'arch': unknown arch 'gfx1'"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "cus": [1, "s"]})")),
             Contains("device 'X', field 'cus': unknown"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "unit_count": 304})")),
             Contains("device 'X', field 'unit_count': is 304, must be null, [value"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "unit_count": ["304", "s"]})")),
             Contains("field 'unit_count': value \"304\" must be a whole number above 0"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "unit_count": [-1, "s"]})")),
             Contains("value -1 must be"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "unit_count": [304, "t"]})")),
             Contains("field 'unit_count': source \"t\" is not in \"sources\""));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "l2_bytes": ["4 MB", "s"]})")),
             Contains("KiB, MiB, GiB"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "fp8_format": ["e4m3", "s"]})")),
             Contains("\"fnuz\""));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "vskip_safe": ["yes", "s"]})")),
             Contains("true or false"));
  for (const char* range : {"{}", R"({"min": "six"})", R"({"min": 6})", R"({"from": "6"})", R"({"driver": ""})"}) {
    CHECK_THAT(merge_error(file_with(fmt::format(R"({{"name": "X", "arch": "gfx942", "vskip_safe": [{}, "s"]}})", range))),
               Contains("or the drivers that are safe"));
  }
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942", "pci_devices": [["0x74a1"], "s"]})")),
             Contains("four hexadecimal digits"));
  CHECK_THAT(merge_error(file_with(R"({"name": "X", "arch": "gfx942"}, {"name": "x", "arch": "gfx950"})")),
             Contains("'x' is already a name of device 'X'"));
  CHECK_THAT(
      merge_error(file_with(R"({"name": "X", "arch": "gfx942", "aliases": ["Y"]}, {"name": "Y", "arch": "gfx950"})")),
      Contains("'Y' is already a name of device 'X'"));
}

TEST_CASE("a row given at run time replaces the one of its name and leaves the others alone") {
  auto table = builtin_table();
  const std::size_t count = table.size();
  REQUIRE(merge_capability_table(
      table, file_with(R"({"name": "mi300x", "arch": "gfx942", "shared_bytes_per_block": ["32 KiB", "s"],
                                               "vskip_safe": [true, "s", "unsure"]},
                                              {"name": "MI300Y", "arch": "gfx942", "unit_count": [8, "s"]})"),
      "extra.json"));
  CHECK(table.size() == count + 1);
  CHECK(row(table, "MI300X").shared_bytes_per_block.value == 32768);
  CHECK(row(table, "MI300X").shared_bytes_per_block.confidence == Confidence::kMeasured);
  CHECK(row(table, "MI300X").vskip_safe.confidence == Confidence::kUnsure);
  CHECK(is_vskip_safe(row(table, "MI300X")));
  CHECK_FALSE(row(table, "MI300X").unit_count.value.has_value());
  CHECK(row(table, "MI300Y").unit_count.value == 8);
  CHECK(row(table, "MI308X").unit_count.value == 80);
}

TEST_CASE("a row whose alias belongs to another device leaves the table as it was") {
  auto table = builtin_table();
  const auto merged = merge_capability_table(
      table, file_with(R"({"name": "Z", "arch": "gfx942", "aliases": ["MI308X"]})"), "extra.json");
  REQUIRE_FALSE(merged);
  CHECK_THAT(merged.error().message,
             Contains("device 'Z'") && Contains("'MI308X' is already a name of device 'MI308X'"));
  CHECK_FALSE(find_device_caps(table, "Z"));
}

TEST_CASE("a live device is matched by PCI id before its name") {
  const auto table = builtin_table();
  DeviceProperties live;
  live.name = "AMD Instinct MI300X";
  live.arch = "gfx942";
  live.pci_vendor = 0x1002;
  live.pci_device = 0x74a2;
  CHECK(caps_of_live_device(table, live, nullptr).name == "MI308X");
  live.pci_vendor = 0x10de;
  CHECK(caps_of_live_device(table, live, nullptr).name == "MI300X");
}

TEST_CASE("what a live device reports wins over its row, and each difference is a sentence") {
  const auto table = builtin_table();
  DeviceProperties live;
  live.name = "MI300X";
  live.arch = "gfx942";
  live.unit_count = 38;
  live.wave_size = 64;
  live.shared_bytes_per_block = 65536;
  live.memory_bytes = (192ll << 30) - (1ll << 30);
  std::vector<std::string> differences;
  const DeviceCaps caps = caps_of_live_device(table, live, &differences);
  CHECK(caps.unit_count.value == 38);
  CHECK(caps.unit_count.confidence == Confidence::kReported);
  CHECK(caps.memory_bytes.value == live.memory_bytes);
  REQUIRE(differences.size() == 1);
  CHECK_THAT(differences[0], Contains("MI300X: unit_count is 304 in the table") && Contains("the driver says 38") &&
                                 Contains("partition"));
}

TEST_CASE("a live device without a row gets the limits of its arch and says so") {
  const auto table = builtin_table();
  DeviceProperties live;
  live.name = "AMD Instinct MI399";
  live.arch = "gfx950";
  live.unit_count = 96;
  std::vector<std::string> differences;
  const DeviceCaps caps = caps_of_live_device(table, live, &differences);
  CHECK(caps.name == "AMD Instinct MI399");
  CHECK(caps.shared_bytes_per_block.value == 163840);
  CHECK(caps.unit_count.value == 96);
  CHECK_THAT(caps.note, Contains("no row") && Contains("gfx950"));
  CHECK(differences.empty());
  CHECK_FALSE(is_vskip_safe(caps));

  live.arch = "gfx906";
  const DeviceCaps unknown = caps_of_live_device(table, live, &differences);
  CHECK(unknown.arch == nullptr);
  CHECK_THAT(unknown.note, Contains("'gfx906' is not known"));
}

TEST_CASE("a name that belongs to another arch does not bring its row") {
  const auto table = builtin_table();
  DeviceProperties live;
  live.name = "MI355X";
  live.arch = "gfx942";
  std::vector<std::string> differences;
  const DeviceCaps caps = caps_of_live_device(table, live, &differences);
  CHECK(caps.arch->name == "gfx942");
  CHECK(caps.shared_bytes_per_block.value == 65536);
  REQUIRE(differences.size() == 1);
  CHECK_THAT(differences[0], Contains("MI355X (gfx950), the driver says gfx942"));
}

TEST_CASE("a compute capability of 9.0 runs arch-specific code, and the host is the host whatever its name") {
  const auto table = builtin_table();
  DeviceProperties live;
  live.name = "NVIDIA H200";
  live.arch = "sm_90";
  live.pci_vendor = 0x10de;
  live.pci_device = 0x2335;
  CHECK(caps_of_live_device(table, live, nullptr).arch->name == "sm_90a");

  DeviceProperties cpu;
  cpu.name = "Some Processor";
  cpu.arch = "x86-64-v3";
  cpu.unit_count = 2;
  const DeviceCaps caps = caps_of_live_device(table, cpu, nullptr);
  CHECK(caps.name == "host");
  CHECK(caps.arch->name == "x86-64-v3");
  CHECK(caps.unit_count.value == 2);
}
