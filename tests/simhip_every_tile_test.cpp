// SPDX-License-Identifier: Apache-2.0

// Every tile of the families with a body for AMD, run by a simulated device through the HIP driver with its checks on:
// grouped_gemm of every type against float64, quantize against the host's bits. Some hundred kernels are compiled and
// run, so nothing here runs by default: test-simhip "[.every-tile]".

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/tensors.h"
#include "tests/support/simulated_amd.h"
#include "tests/support/simulated_quantize.h"

namespace sinter {
namespace {

using testing::message;
using testing::Params;
using testing::SimulatedAmd;

constexpr std::uint32_t kChecks = SINTER_SIMHIP_CHECK_WAITS | SINTER_SIMHIP_CHECK_UNWRITTEN |
                                  SINTER_SIMHIP_CHECK_WAIT_STATES | SINTER_SIMHIP_CHECK_RACES;
constexpr std::uint16_t kUntouched = 0x5a5a;

// Rounding D to bf16 alone is about 1.7e-3 in this norm, to fp16 2e-4.
constexpr double kAllowedBf16 = 2.5e-3, kAllowedFp16 = 4e-4;

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

void set_checks(std::uint32_t checks) {
  testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks")(checks);
}

/// Numbers of a type as an operand holds them, and what they stand for.
struct Operand {
  enum class Type { kBf16, kFp16, kE4m3 };

  std::vector<std::byte> bytes;
  std::vector<double> values;

  Operand(Type type, std::int64_t count, std::mt19937& random) {
    std::normal_distribution<float> normal;
    const std::size_t width = type == Type::kE4m3 ? 1 : 2;
    bytes.resize(size(count) * width);
    for (std::size_t i = 0; i < size(count); ++i) {
      std::uint16_t bits = 0;
      if (type == Type::kE4m3) {
        bits = static_cast<std::uint16_t>(random() % 0x7f | (random() & 0x80));  // every value but NaN
        values.push_back(e4m3_to_double(static_cast<std::uint8_t>(bits)));
      } else if (type == Type::kFp16) {
        bits = std::bit_cast<std::uint16_t>(static_cast<_Float16>(normal(random)));
        values.push_back(fp16_to_double(bits));
      } else {
        bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(normal(random)) >> 16);
        values.push_back(bf16_to_double(bits));
      }
      std::memcpy(&bytes[i * width], &bits, width);
    }
  }
};

/// A grouped GEMM of a mode: ragged and empty groups, rows of no group at both ends, N and K that no tile divides.
class Gemm {
 public:
  static constexpr std::int64_t kN = 176, kK = 208, kGroups = 4, kRows = 103, kScaleBlocks = 2;

  explicit Gemm(const KernelSpec& spec)
      : quant_(spec[grouped_gemm::kQuant]), is_half_(spec[grouped_gemm::kDtype] == grouped_gemm::kDtypeFp16),
        is_separate_(spec[grouped_gemm::kTensors] == grouped_gemm::kTensorsSeparate),
        has_bias_(spec[grouped_gemm::kEpilogue] == grouped_gemm::kEpilogueBias), random_(7),
        a_(type(), kRows * kK, random_), b_(type(), kGroups * kN * kK, random_), bias_(wide(), kGroups * kN, random_),
        a_scale_(size(kRows * kScaleBlocks)), b_scale_(size(kGroups * kN * kScaleBlocks)) {
    std::uniform_real_distribution<float> scale(0.001F, 0.01F);
    std::ranges::generate(a_scale_, [&] { return scale(random_); });
    std::ranges::generate(b_scale_, [&] { return scale(random_); });
    for (std::int64_t row = kOffsets.front(); row < kOffsets.back(); ++row) {
      const std::int64_t group = std::ranges::upper_bound(kOffsets, row) - kOffsets.begin() - 1;
      for (std::int64_t column = 0; column < kN; ++column) {
        expected_.push_back(reference(row, group, column));
      }
    }
  }

  double allowed() const { return is_half_ ? kAllowedFp16 : kAllowedBf16; }

  std::vector<std::uint16_t> run(const SimulatedAmd& amd, const Kernel& kernel) const {
    const auto a = amd.upload(a_.bytes), b = amd.upload(b_.bytes), bias = amd.upload(bias_.bytes);
    const auto offsets = amd.upload(std::vector<std::int32_t>(kOffsets.begin(), kOffsets.end()));
    const auto a_scale = amd.upload(a_scale_), b_scale = amd.upload(b_scale_);
    std::vector<const void*> matrices;
    for (std::size_t group = 0; group < size(kGroups); ++group) {
      matrices.push_back(static_cast<const std::byte*>(b->data()) + group * (b_.bytes.size() / size(kGroups)));
    }
    const auto pointers = amd.upload(matrices);
    std::vector<std::uint16_t> d(size(kRows * kN), kUntouched);
    const auto device_d = amd.upload(d);
    const GroupedGemmArgs args{a->data(), is_separate_ ? pointers->data() : b->data(), device_d->data(),
                               static_cast<const float*>(a_scale->data()), static_cast<const float*>(b_scale->data()),
                               static_cast<const int*>(offsets->data()), kRows, bias->data()};
    REQUIRE(message(kernel.launch(&args, sizeof args, nullptr)) == "");
    const auto waited = amd.driver().synchronize(0);
    if (!waited) {
      testing::reset_device();
    }
    CHECK(message(waited) == "");
    REQUIRE(device_d->download(std::as_writable_bytes(std::span(d))));
    return d;
  }

  /// ||d - float64|| / ||float64||; infinite if a row of no group was touched.
  double error(const std::vector<std::uint16_t>& d) const {
    const auto first = size(kOffsets.front() * kN), last = size(kOffsets.back() * kN);
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (i < first || i >= last) {
        difference = d[i] == kUntouched ? difference : INFINITY;
        continue;
      }
      const double expected = expected_[i - first];
      difference += std::pow((is_half_ ? fp16_to_double(d[i]) : bf16_to_double(d[i])) - expected, 2);
      norm += expected * expected;
    }
    return std::sqrt(difference / norm);
  }

 private:
  static constexpr std::array<std::int64_t, kGroups + 1> kOffsets{2, 2, 69, 98, 99};

  Operand::Type wide() const { return is_half_ ? Operand::Type::kFp16 : Operand::Type::kBf16; }
  Operand::Type type() const { return quant_ == grouped_gemm::kQuantNone ? wide() : Operand::Type::kE4m3; }

  double scale(std::int64_t row, std::int64_t group, std::int64_t column, std::int64_t k) const {
    if (quant_ == grouped_gemm::kQuantFp8Token) {
      return double{a_scale_[size(row)]} * double{b_scale_[size(group * kN + column)]};
    }
    return quant_ == grouped_gemm::kQuantNone
               ? 1
               : double{a_scale_[size(row * kScaleBlocks + k / 128)]} *
                     double{b_scale_[size((group * kScaleBlocks + column / 128) * kScaleBlocks + k / 128)]};
  }

  double reference(std::int64_t row, std::int64_t group, std::int64_t column) const {
    double sum = has_bias_ ? bias_.values[size(group * kN + column)] : 0;
    for (std::int64_t k = 0; k < kK; ++k) {
      sum += a_.values[size(row * kK + k)] * b_.values[size((group * kN + column) * kK + k)] *
             scale(row, group, column, k);
    }
    return sum;
  }

  const std::int64_t quant_;
  const bool is_half_, is_separate_, has_bias_;
  std::mt19937 random_;
  Operand a_, b_, bias_;
  std::vector<float> a_scale_, b_scale_;
  std::vector<double> expected_;
};

/// What only the end of a kernel and the address of B depend on: tiles take turns with them.
struct Variant {
  std::string tensors, epilogue;
};
const std::array<Variant, 4> kVariants{
    {{"stacked", "none"}, {"separate", "bias"}, {"separate", "none"}, {"stacked", "bias"}}};

/// Runs every tile of a type of operands and of results, with vskip off and on. `number` says whose turn is first.
void check_types(SimulatedAmd& amd, const std::string& quant, const std::string& dtype, std::size_t number) {
  const auto params_of = [&](const Variant& variant) {
    return Params{{"n", std::to_string(Gemm::kN)}, {"k", std::to_string(Gemm::kK)},
                  {"groups", std::to_string(Gemm::kGroups)}, {"quant", quant}, {"dtype", dtype},
                  {"b_tensors", variant.tensors}, {"epilogue", variant.epilogue}};
  };
  std::vector<Gemm> gemms;
  for (const Variant& variant : kVariants) {
    gemms.emplace_back(amd.kernel("grouped_gemm", params_of(variant)).spec());
  }
  const KernelSpec& spec = amd.kernel("grouped_gemm", params_of(kVariants[0])).spec();
  const std::vector<TileShape> tiles = spec.family->body(Vendor::kAmd)->tiles(spec);
  REQUIRE(!tiles.empty());
  double worst = 0;
  for (std::size_t tile = 0; tile < tiles.size(); ++tile) {
    const std::size_t turn = (tile + number) % kVariants.size();
    const Gemm& gemm = gemms[turn];
    const auto kernel = [&](std::string_view vskip) -> const Kernel& {
      Params params = params_of(kVariants[turn]);
      params.emplace_back("tile", tile_to_string(tiles[tile]));
      params.emplace_back("vskip", std::string(vskip));
      return amd.kernel("grouped_gemm", params);
    };
    const Kernel& off = kernel("off");
    CAPTURE(off.name());
    const std::vector<std::uint16_t> d = gemm.run(amd, off);
    worst = std::max(worst, gemm.error(d));
    CHECK(gemm.error(d) < gemm.allowed());
    CHECK(gemm.run(amd, kernel("on")) == d);
  }
  std::printf("grouped_gemm %s %s on %s: %zu tiles, vskip off and on, worst error %.2e\n", quant.c_str(),
              dtype.c_str(), amd.device().caps.name.c_str(), tiles.size(), worst);
  static_cast<void>(std::fflush(stdout));
}

}  // namespace

TEST_CASE("every tile of the grouped GEMM agrees with float64 in every mode, and vskip changes no bit",
          "[.every-tile]") {
  SimulatedAmd amd;
  set_checks(kChecks);
  std::size_t number = 0;
  for (const std::string quant : {"none", "fp8_block", "fp8_token"}) {
    for (const std::string dtype : {"bf16", "fp16"}) {
      check_types(amd, quant, dtype, number++);
    }
  }
  set_checks(0);
}

TEST_CASE("every tile of quantize gives the host's bits", "[.every-tile]") {
  SimulatedAmd amd;
  set_checks(kChecks);
  const Params size_params = {{"k", std::to_string(testing::kQuantizeK)}};
  const KernelSpec& spec = amd.kernel("quantize", size_params).spec();
  int kernels = 0;
  for (const TileShape tile : spec.family->body(Vendor::kAmd)->tiles(spec)) {
    for (const std::string scale : {"exact", "pow2"}) {
      for (const std::string vskip : {"on", "off"}) {
        Params params = size_params;
        params.emplace_back("scale", scale);
        testing::check_quantize(amd, params, {{"tile", tile_to_string(tile)}, {"vskip", vskip}});
        ++kernels;
      }
    }
  }
  std::printf("quantize on %s: %d kernels\n", amd.device().caps.name.c_str(), kernels);
  set_checks(0);
}

}  // namespace sinter
