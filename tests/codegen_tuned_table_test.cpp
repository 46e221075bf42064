// SPDX-License-Identifier: Apache-2.0
#include "codegen/tuned_table.h"

#include <catch2/catch.hpp>

#include "tests/support/tuning_rows.h"

using namespace sinter;
using namespace sinter::test;

namespace {

std::vector<TunedMatch> find(const TunedTable& table, const KernelRequest& request, const TuningDevice& device = tuning_device()) {
  return table.find(device, request, resolved(request, device));
}

TuningRow row(std::string_view tile, const KernelRequest& request = grouped_gemm_request(), std::int64_t rows = 24576, std::int64_t largest = 0,
              const TuningDevice& device = tuning_device()) {
  return tuned_row(device, request, tile, rows, largest);
}

std::string tile_of(const TunedMatch& match) { return match.row->choice.front().second; }

}  // namespace

TEST_CASE("a row of the device and bucket is exact") {
  const TunedTable table({row("128x128x64")});
  for (const std::int64_t rows : {24576, 24577, 32000}) {
    const auto matches = find(table, grouped_gemm_request(2816, 2048, 64, rows));
    REQUIRE(matches.size() == 1);
    CHECK(matches.front().source == ChoiceSource::kTunedExact);
  }
}

TEST_CASE("a near shape is answered as near, the nearest first, and a far one not at all") {
  const TunedTable table({row("128x128x64"), row("64x128x64", grouped_gemm_request(), 12288)});
  auto matches = find(table, grouped_gemm_request(2816, 2048, 64, 12288));
  REQUIRE(matches.size() == 2);
  CHECK(matches[0].source == ChoiceSource::kTunedExact);
  CHECK(tile_of(matches[0]) == "64x128x64");
  CHECK(matches[1].source == ChoiceSource::kTunedNearest);

  matches = find(table, grouped_gemm_request(2816, 2056, 64, 24576));  // another K of the same half octave
  REQUIRE_FALSE(matches.empty());
  CHECK(matches.front().source == ChoiceSource::kTunedNearest);
  CHECK(matches.front().distance == 1);
  CHECK(tile_of(matches.front()) == "128x128x64");

  CHECK(find(table, grouped_gemm_request(2816, 2048, 64, 512)).empty());
  CHECK(find(table, grouped_gemm_request(8192, 8192, 64, 24576)).empty());
}

TEST_CASE("another number of groups is near if each has as many rows") {
  const TunedTable table({row("128x128x64")});
  const auto matches = find(table, grouped_gemm_request(2816, 2048, 32, 12288));
  REQUIRE(matches.size() == 1);
  CHECK(matches.front().source == ChoiceSource::kTunedNearest);
  CHECK(find(table, grouped_gemm_request(2816, 2048, 16, 24576)).empty());
}

TEST_CASE("words must be equal, since another mode is another kernel") {
  const TunedTable table({row("128x128x64")});
  KernelRequest fp8 = grouped_gemm_request();
  REQUIRE(set_param(fp8, "quant", "fp8_block"));
  CHECK(find(table, fp8).empty());
}

TEST_CASE("uneven groups are another bucket") {
  const TunedTable table({row("128x128x64"), row("64x128x64", grouped_gemm_request(), 24576, 768)});
  KernelRequest skewed = grouped_gemm_request();
  REQUIRE(set_param(skewed, "largest", 800));
  CHECK(tile_of(find(table, skewed).front()) == "64x128x64");
  CHECK(tile_of(find(table, grouped_gemm_request()).front()) == "128x128x64");
  REQUIRE(set_param(skewed, "largest", 24000));
  CHECK(find(table, skewed).empty());
}

TEST_CASE("another device of the arch answers after the own one, the more alike the sooner") {
  const TuningDevice h20 = tuning_device("H20", "sm_90a", 78), h100 = tuning_device("H100", "sm_90a", 114);
  const TunedTable table({row("64x128x64", grouped_gemm_request(), 24576, 0, h20), row("128x128x64", grouped_gemm_request(), 24576, 0, h100),
                          row("128x256x64", grouped_gemm_request(), 34000)});
  const auto matches = find(table, grouped_gemm_request());
  REQUIRE(matches.size() == 3);
  CHECK(tile_of(matches[0]) == "128x256x64");
  CHECK(matches[0].source == ChoiceSource::kTunedNearest);
  CHECK(tile_of(matches[1]) == "128x128x64");
  CHECK(matches[1].source == ChoiceSource::kTunedArch);
  CHECK(tile_of(matches[2]) == "64x128x64");
  CHECK(find(table, grouped_gemm_request(), tuning_device("A100", "sm_80", 108)).empty());
}

TEST_CASE("a simulated device answers for itself alone") {
  TuningDevice simulated = tuning_device();
  simulated.simulated = true;
  const TunedTable table({row("128x128x64", grouped_gemm_request(), 24576, 0, simulated)});
  CHECK(find(table, grouped_gemm_request()).empty());
  CHECK(find(table, grouped_gemm_request(), simulated).front().source == ChoiceSource::kTunedExact);
  const TunedTable real({row("128x128x64")});
  CHECK(find(real, grouped_gemm_request(), simulated).empty());
}

TEST_CASE("unknown rows are answered by the shape, longest launches first, and never as exact") {
  const TunedTable table({row("64x128x64", grouped_gemm_request(), 512), row("128x128x64"), row("128x256x64", grouped_gemm_request(), 2000)});
  const auto matches = find(table, grouped_gemm_request(2816, 2048, 64, 0));
  REQUIRE(matches.size() == 3);
  CHECK(tile_of(matches.front()) == "128x128x64");
  CHECK(matches.front().source == ChoiceSource::kTunedNearest);
}

TEST_CASE("the same rows give the same answer and digest in any order, and the first of one decision counts") {
  const TuningRow a = row("128x128x64"), b = row("64x128x64", grouped_gemm_request(2816, 2048, 32), 12288), c = row("64x256x64", grouped_gemm_request(), 12288);
  const TunedTable one({a, b, c}), other({c, b, a});
  CHECK(one.digest() == other.digest());
  const KernelRequest between = grouped_gemm_request(2816, 2048, 48, 17000);
  const auto first = find(one, between), second = find(other, between);
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(*first[i].row == *second[i].row);
  }
  const TunedTable twice({a, row("64x64x64")});
  CHECK(twice.size() == 1);
  CHECK(tile_of(find(twice, grouped_gemm_request()).front()) == "128x128x64");
  CHECK(twice.digest() != one.digest());
  CHECK(TunedTable().size() == 0);
}

TEST_CASE("a row is stale when candidates, templates or constants are others") {
  TuningRow fresh = row("128x128x64");
  CHECK_FALSE(is_stale(fresh));
  TuningRow other = fresh;
  other.templates = std::string(64, '0');
  CHECK(is_stale(other));
  other = fresh;
  other.device.arch = "sm_1";
  CHECK(is_stale(other));
  other = fresh;
  other.problem.family = "unheard_of";
  CHECK(is_stale(other));
  other = fresh;
  other.choice = {{"tile", "large"}};
  CHECK(is_stale(other));
  const KernelSpec spec = resolved(grouped_gemm_request(), tuning_device());
  CHECK(template_digest(spec) != template_digest(resolved(grouped_gemm_request(), tuning_device("A100", "sm_80"))));
}

TEST_CASE("vskip is left open only where both words are allowed") {
  const KernelRequest request = grouped_gemm_request();
  const Arch* arch = find_arch("gfx942");
  const KernelSpec unsafe = resolve(request, {.arch = arch}).value(), safe = resolve(request, {.arch = arch, .vskip_safe = true}).value();
  CHECK(open_params(request, unsafe).size() == 1);
  CHECK(to_string(open_params(request, safe)) == "tile=128x128x64 vskip=on");
  CHECK(to_string(fixed_params(request, unsafe)) == "quant=none dtype=bf16 n=2816 k=2048 groups=64 vskip=off");
  KernelSpec changed = safe;
  REQUIRE(apply_params({{"tile", "64x64x64"}, {"vskip", "off"}}, changed));
  CHECK(to_string(params_of(changed, open_params(request, safe))) == "tile=64x64x64 vskip=off");
  CHECK_FALSE(apply_params({{"vskip", "maybe"}}, changed));
  CHECK_FALSE(apply_params({{"speed", "1"}}, changed));
}
