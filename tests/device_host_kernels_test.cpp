// SPDX-License-Identifier: Apache-2.0

// The host bodies of every family, from request to numbers: resolved, rendered, compiled for each level that this CPU
// runs, launched by the host driver and compared with float64.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/quantize.h"
#include "codegen/families/tensors.h"
#include "tests/support/host_kernel.h"

namespace sinter {
namespace {

using testing::archs_of_this_cpu;
using testing::bf16;
using testing::Guarded;
using testing::HostKernel;
using testing::resolve_words;
using testing::Words;

constexpr std::uint16_t kPoisonedBf16 = 0xa5a5;

/// Operands of one grouped GEMM with random contents, and the float64 answer.
class Problem {
 public:
  Problem(const KernelSpec& spec, std::vector<int> offsets, std::int64_t rows, unsigned seed)
      : fp8_(spec[grouped_gemm::kQuant] == grouped_gemm::kQuantFp8Block),
        n_(spec[grouped_gemm::kN]), k_(spec[grouped_gemm::kK]), groups_(spec[grouped_gemm::kGroups]), rows_(rows),
        blocks_k_((k_ + 127) / 128), blocks_n_((n_ + 127) / 128), offsets_(std::move(offsets)),
        a_(size(rows * k_) * (fp8_ ? 1 : 2)), b_(size(groups_ * n_ * k_) * (fp8_ ? 1 : 2)), d_(size(rows * n_)),
        a_scale_(size(rows * blocks_k_)), b_scale_(size(groups_ * blocks_n_ * blocks_k_)), random_(seed) {
    fill(a_);
    fill(b_);
    std::uniform_real_distribution<float> scale(0.25f, 2.0f);
    for (std::size_t i = 0; i < a_scale_.size(); ++i) a_scale_[i] = scale(random_);
    for (std::size_t i = 0; i < b_scale_.size(); ++i) b_scale_[i] = scale(random_);
  }

  GroupedGemmArgs args() {
    return {a_.data(), b_.data(), d_.data(), fp8_ ? a_scale_.data() : nullptr, fp8_ ? b_scale_.data() : nullptr,
            offsets_.data(), rows_};
  }

  std::vector<std::uint16_t> run(const HostKernel& kernel) {
    d_.poison();
    kernel.launch(args());
    REQUIRE(d_.guard_intact());
    return d_.values();
  }

  /// ||d - reference|| / ||reference|| over all rows of groups; infinite if a row that no group owns was touched.
  double relative_error(const std::vector<std::uint16_t>& d) {
    const std::vector<double> a = decode(a_), b = decode(b_);
    double difference = 0, norm = 1e-30;
    std::int64_t begin = 0, owned = 0;
    for (std::int64_t group = -1; group < groups_; ++group) {
      const std::int64_t end = std::max(begin, std::clamp<std::int64_t>(offsets_[size(group + 1)], 0, rows_));
      for (std::int64_t row = begin; row < end; ++row) {
        for (std::int64_t column = 0; column < n_; ++column) {
          const double out = bf16_to_double(d[size(row * n_ + column)]);
          if (group < 0) {
            if (d[size(row * n_ + column)] != kPoisonedBf16) return INFINITY;
            continue;
          }
          const double* const b_row = &b[size((group * n_ + column) * k_)];
          const double expected = reference(&a[size(row * k_)], b_row, row, group, column);
          difference += (out - expected) * (out - expected);
          norm += expected * expected;
        }
      }
      owned = begin = end;
    }
    const auto unowned = d.begin() + static_cast<std::ptrdiff_t>(owned * n_);
    const bool untouched = std::all_of(unowned, d.end(), [](std::uint16_t value) { return value == kPoisonedBf16; });
    return untouched ? std::sqrt(difference / norm) : INFINITY;
  }

  std::int64_t n() const { return n_; }
  Guarded<unsigned char>& a() { return a_; }
  std::vector<int>& offsets() { return offsets_; }

 private:
  static std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

  void fill(Guarded<unsigned char>& operand) {
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < operand.size(); i += fp8_ ? 1 : 2) {
      if (fp8_) {
        do operand[i] = static_cast<unsigned char>(random_());
        while ((operand[i] & 0x7f) == 0x7f);
      } else {
        const std::uint16_t value = bf16(normal(random_));
        std::memcpy(&operand[i], &value, 2);
      }
    }
  }

  std::vector<double> decode(Guarded<unsigned char>& operand) const {
    std::vector<double> values;
    for (std::size_t i = 0; i < operand.size(); i += fp8_ ? 1 : 2) {
      std::uint16_t wide = 0;
      std::memcpy(&wide, &operand[i], fp8_ ? 1 : 2);
      values.push_back(fp8_ ? e4m3_to_double(operand[i]) : bf16_to_double(wide));
    }
    return values;
  }

  /// One element of D from decoded rows of A and B.
  double reference(const double* a, const double* b, std::int64_t row, std::int64_t group, std::int64_t column) {
    double sum = 0;
    for (std::int64_t block = 0; block < blocks_k_; ++block) {
      double part = 0;
      for (std::int64_t k = block * 128; k < std::min(k_, block * 128 + 128); ++k) part += a[k] * b[k];
      if (fp8_) {
        part *= static_cast<double>(a_scale_[size(row * blocks_k_ + block)]);
        part *= static_cast<double>(b_scale_[size((group * blocks_n_ + column / 128) * blocks_k_ + block)]);
      }
      sum += part;
    }
    return sum;
  }

  bool fp8_;
  std::int64_t n_, k_, groups_, rows_, blocks_k_, blocks_n_;
  std::vector<int> offsets_;
  Guarded<unsigned char> a_, b_;
  Guarded<std::uint16_t> d_;
  Guarded<float> a_scale_, b_scale_;
  std::mt19937 random_;
};

Words gemm(std::string_view quant, int n, int k, int groups, std::string_view tile = {}) {
  Words words{"grouped_gemm", {{"quant", std::string(quant)}, {"dtype", "bf16"}, {"n", std::to_string(n)},
                               {"k", std::to_string(k)}, {"groups", std::to_string(groups)}}};
  if (!tile.empty()) words.params.emplace_back("tile", std::string(tile));
  return words;
}

// bf16 rounding of D alone is 2^-9 at most per element, about 1.7e-3 in this norm.
constexpr double kAllowedError = 2.5e-3;

}  // namespace

TEST_CASE("grouped GEMM on every level of this CPU agrees with float64 for ragged groups and tails") {
  struct Case {
    int n, k;
    std::vector<int> offsets;
    int rows;
  };
  const std::vector<Case> cases = {
      {8, 8, {0, 1}, 1},
      {16, 16, {0, 0, 0}, 0},
      {136, 264, {0, 0, 1, 1, 200, 205}, 205},
      {320, 656, {0, 3, 3, 13, 27}, 27},
  };
  for (const Arch* arch : archs_of_this_cpu()) {
    for (const std::string_view quant : {"none", "fp8_block"}) {
      for (const Case& one : cases) {
        const int unit = quant == "none" ? 8 : 16;
        const int n = (one.n + unit - 1) / unit * unit, k = (one.k + unit - 1) / unit * unit;
        const KernelSpec spec = resolve_words(gemm(quant, n, k, static_cast<int>(one.offsets.size()) - 1), *arch);
        CAPTURE(spec.name());
        const HostKernel kernel(spec, 3);
        Problem problem(spec, one.offsets, one.rows, 1);
        CHECK(problem.relative_error(problem.run(kernel)) < kAllowedError);
      }
    }
  }
}

TEST_CASE("every tile that the host offers gives the same bits") {
  const Arch& arch = *host_arch();
  for (const std::string_view quant : {"none", "fp8_block"}) {
    const KernelSpec first = resolve_words(gemm(quant, 208, 656, 4), arch);
    Problem problem(first, {2, 9, 9, 215, 230}, 233, 2);
    const std::vector<std::uint16_t> expected = problem.run(HostKernel(first, 2));
    CHECK(problem.relative_error(expected) < kAllowedError);
    for (const TileShape tile : first.family->body(Vendor::kHost)->tiles(first)) {
      KernelSpec spec = first;
      spec.values[grouped_gemm::kTile] = pack_tile(tile);
      CAPTURE(spec.name());
      CHECK(problem.run(HostKernel(spec, 2)) == expected);
    }
  }
}

TEST_CASE("the bits of a row depend neither on other rows and groups, nor on threads, grid or repetition") {
  const KernelSpec spec = resolve_words(gemm("none", 136, 520, 3), *host_arch());
  Problem whole(spec, {0, 13, 207, 250}, 250, 3);
  const HostKernel kernel(spec, 4);
  const std::vector<std::uint16_t> expected = whole.run(kernel);
  CHECK(whole.run(kernel) == expected);
  CHECK(whole.run(HostKernel(spec, 1)) == expected);
  LaunchShape one_block{.dynamic_shared_bytes = kernel.plan().dynamic_shared_bytes};
  kernel.launch(whole.args(), one_block);
  CHECK(whole.run(kernel) == expected);

  // One row of the second group alone: the same operands, all other rows taken out of the groups.
  Problem alone(spec, {100, 100, 101, 101}, 250, 3);
  const std::vector<std::uint16_t> single = alone.run(kernel);
  const auto row = static_cast<std::ptrdiff_t>(100 * whole.n()), next = row + static_cast<std::ptrdiff_t>(whole.n());
  CHECK(std::equal(single.begin() + row, single.begin() + next, expected.begin() + row));
}

TEST_CASE("offsets that are negative, decreasing or beyond the rows never lead outside of the operands") {
  for (const std::string_view quant : {"none", "fp8_block"}) {
    const KernelSpec spec = resolve_words(gemm(quant, 80, 144, 4), *host_arch());
    const HostKernel kernel(spec, 2);
    const std::vector<std::vector<int>> corrupt = {
        {-5, 10, 20, 30, 40},          {0, 30, 10, 35, 50},
        {INT32_MIN, INT32_MAX, 0, 5, 7}, {INT32_MAX, 0, 0, 0, 0},
        {10, 10, 5, 1 << 30, -1},      {-3, -2, -1, 60, 59},
    };
    for (const std::vector<int>& offsets : corrupt) {
      Problem problem(spec, offsets, 53, 4);
      CHECK(problem.relative_error(problem.run(kernel)) < kAllowedError);
    }
  }
}

TEST_CASE("a NaN in one row of A stays in that row of D") {
  const KernelSpec spec = resolve_words(gemm("none", 64, 64, 1), *host_arch());
  Problem problem(spec, {0, 12}, 12, 5);
  const HostKernel kernel(spec, 2);
  std::vector<std::uint16_t> clean = problem.run(kernel);
  const std::uint16_t nan = 0x7fc0;
  std::memcpy(&problem.a()[2 * (7 * 64 + 9)], &nan, 2);
  const std::vector<std::uint16_t> spoiled = problem.run(kernel);
  for (std::size_t i = 0; i < spoiled.size(); ++i) {
    if (i / 64 == 7) {
      REQUIRE(std::isnan(bf16_to_double(spoiled[i])));
    } else {
      REQUIRE(spoiled[i] == clean[i]);
    }
  }
}

TEST_CASE("every e4m3 value is decoded exactly") {
  for (const Arch* arch : archs_of_this_cpu()) {
    // Row r of A is the value r at k = 0, group 0's B is 1.0 at k = 0: column 0 of D is the value itself.
    const KernelSpec spec = resolve_words(gemm("fp8_block", 16, 16, 1), *arch);
    CAPTURE(spec.name());
    const HostKernel kernel(spec, 1);
    Guarded<unsigned char> a(256 * 16), b(16 * 16);
    Guarded<std::uint16_t> d(256 * 16);
    std::memset(a.data(), 0, a.size());
    std::memset(b.data(), 0, b.size());
    std::vector<float> ones(256, 1.0f);
    for (std::size_t row = 0; row < 256; ++row) a[row * 16] = static_cast<unsigned char>(row);
    b[0] = 0x38;
    const int offsets[] = {0, 256};
    kernel.launch(GroupedGemmArgs{a.data(), b.data(), d.data(), ones.data(), ones.data(), offsets, 256});
    for (std::size_t row = 0; row < 256; ++row) {
      const double expected = e4m3_to_double(static_cast<std::uint8_t>(row)), out = bf16_to_double(d[row * 16]);
      CAPTURE(row, out);
      CHECK((std::isnan(expected) ? std::isnan(out) : out == expected));
    }
  }
}

TEST_CASE("tiles that the host cannot take are refused with value and limit") {
  const auto refusal = [](std::string_view quant, std::string_view tile) -> std::string {
    const auto plan = make_plan(resolve_words(gemm(quant, 2816, 2048, 64, tile), *find_arch("x86-64-v4")));
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == ErrorCode::kUnsupported);
    return plan.error().message;
  };
  CHECK_THAT(refusal("none", "128x100x64"), Catch::Contains("100") && Catch::Contains("64"));
  CHECK_THAT(refusal("none", "128x128x48"), Catch::Contains("48") && Catch::Contains("32"));
  CHECK_THAT(refusal("fp8_block", "128x128x64"), Catch::Contains("64") && Catch::Contains("128"));
  CHECK_THAT(refusal("none", "4096x4096x1024"), Catch::Contains("bytes of scratch") && Catch::Contains("limit"));
  CHECK(make_plan(resolve_words(gemm("none", 2816, 2048, 64, "128x128x64"), *find_arch("x86-64-v3"))));
}

// --- quantize --------------------------------------------------------------------------------------------------------

namespace {

Words quantization(int k, std::string_view scale, std::string_view floor) {
  return {"quantize", {{"k", std::to_string(k)}, {"scale", std::string(scale)}, {"floor", std::string(floor)}}};
}

/// The nearest e4m3 value of largest magnitude 448, ties to the even code: found by looking at all of them.
std::uint8_t nearest_e4m3(float value) {
  if (std::isnan(value)) return 0x7f;
  std::uint8_t best = 0;
  for (std::uint8_t code = 1; code < 0x7f; ++code) {
    const double now = std::abs(e4m3_to_double(code) - std::abs(static_cast<double>(value)));
    const double before = std::abs(e4m3_to_double(best) - std::abs(static_cast<double>(value)));
    if (now < before || (now == before && code % 2 == 0)) best = code;
  }
  return static_cast<std::uint8_t>(best | (std::signbit(value) ? 0x80 : 0));
}

float reference_scale(float amax, std::string_view scale, std::string_view floor) {
  const float lowest = floor == "1em10" ? 1e-10f : floor == "1em4" ? 1e-4f : 0.0f;
  if (std::max(amax, lowest) == 0) return 1;
  const float exact = std::max(amax, lowest) / 448.0f;
  return scale == "exact" ? exact : static_cast<float>(std::exp2(std::ceil(std::log2(static_cast<double>(exact)))));
}

/// Every bit of q and scale against the definition.
void check_quantization(const Arch& arch, int k, std::string_view scale, std::string_view floor,
                        std::vector<std::uint16_t>& x) {
  const KernelSpec spec = resolve_words(quantization(k, scale, floor), arch);
  CAPTURE(spec.name());
  const std::size_t width = static_cast<std::size_t>(k), rows = x.size() / width, blocks = (width + 127) / 128;
  Guarded<std::uint8_t> q(rows * width);
  Guarded<float> scales(rows * blocks);
  HostKernel(spec, 3).launch(QuantizeArgs{x.data(), q.data(), scales.data(), static_cast<long long>(rows)});
  REQUIRE(q.guard_intact());
  REQUIRE(scales.guard_intact());
  std::size_t wrong_scales = 0, wrong_elements = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::size_t first = row * width + block * 128, end = row * width + std::min(width, block * 128 + 128);
      float amax = 0;
      for (std::size_t i = first; i < end; ++i) {
        amax = std::max(amax, std::abs(static_cast<float>(bf16_to_double(x[i]))));  // a NaN loses the comparison
      }
      const float expected = reference_scale(amax, scale, floor);
      wrong_scales += scales[row * blocks + block] != expected;
      for (std::size_t i = first; i < end; ++i) {
        wrong_elements += q[i] != nearest_e4m3(static_cast<float>(bf16_to_double(x[i])) / expected);
      }
    }
  }
  CHECK(wrong_scales == 0);
  CHECK(wrong_elements == 0);
}

}  // namespace

TEST_CASE("quantize on every level of this CPU gives the defined bits for all conventions and sizes") {
  std::mt19937 random(6);
  std::normal_distribution<double> normal;
  struct Case {
    int k;
    std::string_view scale, floor;
  };
  const Case cases[] = {{16, "exact", "1em10"}, {144, "exact", "1em4"}, {2176, "exact", "0"},
                        {16, "pow2", "1em10"},  {144, "pow2", "1em4"},  {2176, "pow2", "0"}};
  for (const Arch* arch : archs_of_this_cpu()) {
    for (const Case& one : cases) {
      std::vector<std::uint16_t> x(static_cast<std::size_t>(one.k) * 19);
      for (std::uint16_t& value : x) {
        value = bf16(normal(random) * std::exp2(static_cast<double>(random() % 40) - 30));
      }
      std::fill(x.begin(), x.begin() + one.k, std::uint16_t{0});  // a row of zeros
      x[static_cast<std::size_t>(one.k) + 3] = 0x7fc0;            // a NaN
      x[static_cast<std::size_t>(2 * one.k) + 5] = 0x8000;        // minus zero
      check_quantization(*arch, one.k, one.scale, one.floor, x);
    }
  }
}

TEST_CASE("quantize rounds all bf16 numbers of one sign as defined") {
  // 128 consecutive bf16 values per block: every exponent, each with all of its mantissas.
  std::vector<std::uint16_t> x;
  for (std::uint32_t bits = 0x0800; bits < 0x7f80; ++bits) x.push_back(static_cast<std::uint16_t>(bits));
  check_quantization(*host_arch(), 128, "exact", "1em10", x);
  // One large value per block, so that the others fall on every code down to the subnormals of e4m3.
  for (std::size_t i = 0; i < x.size(); i += 128) x[i] = 0x7f7f;
  std::mt19937 random(7);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i % 128 != 0) x[i] = static_cast<std::uint16_t>((random() & 0x8000) | (0x7f7f - random() % 0xc00));
  }
  check_quantization(*host_arch(), 128, "exact", "1em10", x);
  check_quantization(*host_arch(), 128, "pow2", "0", x);
}

TEST_CASE("quantize of no rows or one row is right") {
  std::vector<std::uint16_t> none, one(272, bf16(-3.5));
  check_quantization(*host_arch(), 272, "exact", "1em10", none);
  check_quantization(*host_arch(), 272, "exact", "1em10", one);
}

}  // namespace sinter
