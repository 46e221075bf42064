// SPDX-License-Identifier: Apache-2.0
#include "codegen/tuning_row.h"

#include <algorithm>
#include <numeric>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "codegen/row_spread.h"
#include "tests/support/tuning_rows.h"

using namespace sinter;
using namespace sinter::test;
using Catch::Matchers::Contains;
using nlohmann::ordered_json;

namespace {

TuningRow row() { return tuned_row(tuning_device(), grouped_gemm_request(), "128x128x64"); }

std::string problem_of(const ordered_json& json) {
  const auto read = tuning_row_from_json(json.dump(), "here");
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("a tuned row survives its text") {
  const TuningRow original = row();
  const std::string text = to_json(original);
  CHECK(text.find('\n') == std::string::npos);
  const auto read = tuning_row_from_json(text, "here");
  REQUIRE(read);
  CHECK(*read == original);
  CHECK(to_json(*read) == text);
}

TEST_CASE("what no tuner writes is refused with the field") {
  const auto whole = ordered_json::parse(to_json(row()));
  REQUIRE(problem_of(whole).empty());
  const auto changed = [&](const char* pointer, ordered_json value) {
    ordered_json json = whole;
    json[ordered_json::json_pointer(pointer)] = std::move(value);
    return problem_of(json);
  };
  CHECK_THAT(changed("/rows", 0), Contains("here: 'rows'"));
  CHECK_THAT(changed("/rows", 18446744073709551615ull), Contains("'rows'"));
  CHECK_THAT(changed("/largest", 30000), Contains("largest group has 30000 of 24576"));
  CHECK_THAT(changed("/choice", ordered_json{{"tile", "64x64x64"}}), Contains("not the first"));
  CHECK_THAT(changed("/choice", 7), Contains("'choice'"));
  CHECK_THAT(changed("/device/unit_count", "132"), Contains("its device: 'unit_count'"));
  CHECK_THAT(changed("/candidates/0/median", -1), Contains("candidate 1: 'median'"));
  CHECK_THAT(changed("/candidates/1/problem", ""), Contains("candidate 2"));
  CHECK_THAT(changed("/templates", "abc"), Contains("no digest"));
  CHECK_THAT(changed("/unit", "ms"), Contains("'unit' is 'ms'"));
  CHECK_THAT(changed("/surprise", 1), Contains("not known"));
  for (const auto& [name, value] : whole.items()) {
    ordered_json json = whole;
    json.erase(name);
    CHECK_THAT(problem_of(json), Contains(name));
  }
  CHECK_FALSE(tuning_row_from_json("[]", "here"));
  CHECK_FALSE(tuning_row_from_json("{", "here"));
}

TEST_CASE("instructions of a simulated device are never microseconds") {
  TuningRow wrong = row();
  wrong.device.simulated = true;
  CHECK_THAT(tuning_row_from_json(to_json(wrong), "here").error().message, Contains("simulated"));
  wrong = row();
  wrong.unit = TuningUnit::kWaveInstructions;
  CHECK_FALSE(tuning_row_from_json(to_json(wrong), "here"));
}

TEST_CASE("rows of one half octave are one bucket") {
  CHECK(half_octaves(1) == 0);
  CHECK(half_octaves(2) == 2);
  CHECK(half_octaves(3) == 3);
  CHECK(half_octaves(1448) == 20);  // below 2^10.5
  CHECK(half_octaves(1449) == 21);
  CHECK(half_octaves((std::int64_t{1} << 40) + 1) == 80);
  CHECK(half_octaves(INT64_MAX) == 125);
  CHECK(spread_step(24576, 64, 384) == 0);
  CHECK(spread_step(24576, 64, 500) == 0);
  CHECK(spread_step(24576, 64, 768) == 2);
  CHECK(spread_step(1, 64, 1) == 0);
}

TEST_CASE("a decision is the device, the parameters and the bucket, not what was measured") {
  const TuningRow original = row();
  TuningRow other = original;
  other.measured_unix_s += 5;
  other.candidates.front().median = 7;
  other.problem.rows += 10;
  CHECK(decision_of(other) == decision_of(original));
  other.problem.rows *= 2;
  CHECK(decision_of(other) != decision_of(original));
  other = original;
  other.problem.largest *= 3;
  CHECK(decision_of(other) != decision_of(original));
  other = original;
  other.device.unit_count = 78;
  CHECK(decision_of(other) != decision_of(original));
}

TEST_CASE("devices are of one kind by name, arch and units, and by memory and clock as far as they are known") {
  const TuningDevice device = tuning_device();
  const auto with = [&](auto change) {
    TuningDevice other = device;
    change(other);
    return is_same_kind(device, other) && is_same_kind(other, device);
  };
  CHECK(with([](TuningDevice&) {}));
  CHECK(with([](TuningDevice& d) { d.memory_mib += 2000; }));
  CHECK(with([](TuningDevice& d) { d.memory_mib = d.clock_mhz = 0; }));
  CHECK_FALSE(with([](TuningDevice& d) { d.memory_mib /= 2; }));
  CHECK_FALSE(with([](TuningDevice& d) { d.clock_mhz = 1500; }));
  CHECK_FALSE(with([](TuningDevice& d) { d.unit_count = 66; }));
  CHECK_FALSE(with([](TuningDevice& d) { d.simulated = true; }));
  CHECK_FALSE(with([](TuningDevice& d) { d.name = "H100"; }));
}

TEST_CASE("the same rows give the same file, whatever their order") {
  const TuningRow a = row(), b = tuned_row(tuning_device(), grouped_gemm_request(2048, 1408), "64x128x64");
  const std::string text = tuning_file_text({a, b});
  CHECK(text == tuning_file_text({b, a}));
  const auto read = parse_tuning_file(text, "x.json");
  REQUIRE(read);
  CHECK(read->size() == 2);
  CHECK(tuning_file_text(*read) == text);
  CHECK(parse_tuning_file(tuning_file_text({}), "x.json")->empty());
}

TEST_CASE("a file that is none of ours is refused with its name and row") {
  CHECK_THAT(parse_tuning_file("{}", "x.json").error().message, Contains("x.json is no file of tuned rows"));
  CHECK_THAT(parse_tuning_file(R"({"sinter_tuned": 2, "rows": []})", "x.json").error().message, Contains("format 2"));
  CHECK_THAT(parse_tuning_file(R"({"sinter_tuned": 1, "rows": [{}]})", "x.json").error().message, Contains("x.json: row 1"));
  CHECK_FALSE(parse_tuning_file(R"({"sinter_tuned": 1, "sinter_tuned": 1, "rows": []})", "x.json"));
  CHECK_FALSE(parse_tuning_file(R"({"sinter_tuned": 1, "rows": {}})", "x.json"));
}

TEST_CASE("rows are spread evenly, or fall off from the largest group, and none is lost") {
  CHECK(spread_rows(10, 4, 0) == std::vector<std::int64_t>{3, 3, 2, 2});
  CHECK(spread_rows(10, 4, 2) == std::vector<std::int64_t>{3, 3, 2, 2});
  CHECK(spread_rows(7, 1, 3) == std::vector<std::int64_t>{7});
  CHECK(spread_rows(5, 4, 9) == std::vector<std::int64_t>{5, 0, 0, 0});
  for (const auto& [rows, groups, largest] : {std::tuple<std::int64_t, std::int64_t, std::int64_t>(12288, 64, 2040), {24576, 64, 385},
                                              {100, 64, 90}, {kMaxRows, 4096, kMaxRows / 2}, {0, 3, 5}}) {
    const auto counts = spread_rows(rows, groups, largest);
    CHECK(static_cast<std::int64_t>(counts.size()) == groups);
    CHECK(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) == rows);
    CHECK(std::ranges::is_sorted(counts, std::ranges::greater()));
    CHECK(counts.front() == std::min(rows, largest));
  }
}
