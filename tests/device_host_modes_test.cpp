// SPDX-License-Identifier: Apache-2.0

// The modes of the grouped GEMM beyond bf16 and fp8_block, and the weight gradient, on the host: every level of this CPU
// against float64, with ragged and empty groups, rows of no group, and N and K that no tile divides.

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/grouped_wgrad.h"
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

// Rounding D to bf16 alone is about 1.7e-3 in this norm, to fp16 2e-4.
constexpr double kAllowedBf16 = 2.5e-3, kAllowedFp16 = 4e-4;

using Settings = std::vector<std::pair<std::string_view, std::string>>;

Words words(std::string_view family, int n, int k, std::size_t groups, const Settings& settings) {
  Words words{family, {{"n", std::to_string(n)}, {"k", std::to_string(k)}, {"groups", std::to_string(groups)}}};
  words.params.insert(words.params.end(), settings.begin(), settings.end());
  return words;
}

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Elements of 16 bits or e4m3 in guarded memory, and what they stand for.
class Operand {
 public:
  enum class Type { kBf16, kFp16, kE4m3 };

  Operand(Type type, std::int64_t count, std::mt19937& random)
      : bytes_(size(count) * (type == Type::kE4m3 ? 1 : 2)), values_(size(count)) {
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (type == Type::kE4m3) {
        do bytes_[i] = static_cast<unsigned char>(random());
        while ((bytes_[i] & 0x7f) == 0x7f);
        values_[i] = e4m3_to_double(bytes_[i]);
      } else {
        const std::uint16_t bits = type == Type::kBf16 ? bf16(normal(random)) : fp16(normal(random));
        std::memcpy(&bytes_[2 * i], &bits, sizeof bits);
        values_[i] = type == Type::kBf16 ? bf16_to_double(bits) : fp16_to_double(bits);
      }
    }
  }

  static std::uint16_t fp16(double value) {
    const auto half = static_cast<_Float16>(value);
    std::uint16_t bits;
    std::memcpy(&bits, &half, sizeof bits);
    return bits;
  }

  unsigned char* data() { return bytes_.data(); }
  double operator[](std::int64_t i) const { return values_[size(i)]; }

 private:
  Guarded<unsigned char> bytes_;
  std::vector<double> values_;
};

struct Norm {
  double difference = 0, reference = 0;
  void add(double out, double expected) {
    difference += (out - expected) * (out - expected);
    reference += expected * expected;
  }
  double error() const { return std::sqrt(difference / std::max(reference, 1e-30)); }
};

/// Runs the spec's kernel on random operands. ||d - reference|| / ||reference||; infinite if a row of no group was
/// touched.
double gemm_error(const KernelSpec& spec, const std::vector<int>& offsets, std::int64_t rows) {
  using namespace grouped_gemm;
  const std::int64_t n = spec[kN], k = spec[kK], groups = spec[kGroups], d_columns = columns_of_d(spec);
  const std::int64_t k_blocks = (k + 127) / 128, n_blocks = (n + 127) / 128;
  const bool is_half = spec[kDtype] == kDtypeFp16;
  const auto wide = is_half ? Operand::Type::kFp16 : Operand::Type::kBf16;
  const auto type = is_fp8(spec) ? Operand::Type::kE4m3 : wide;
  std::mt19937 random(17);
  Operand a(type, rows * k, random), bias(wide, groups * n, random);
  std::vector<std::unique_ptr<Operand>> matrices;
  const bool is_separate = spec[kTensors] == kTensorsSeparate;
  for (std::int64_t g = 0; g < (is_separate ? groups : 1); ++g) {
    matrices.push_back(std::make_unique<Operand>(type, n * k * (is_separate ? 1 : groups), random));
  }
  std::vector<const void*> pointers;
  for (const auto& matrix : matrices) pointers.push_back(matrix->data());
  const bool is_token = spec[kQuant] == kQuantFp8Token;
  Guarded<float> a_scale(size(is_token ? rows : rows * k_blocks)), b_scale(size(groups * (is_token ? n : n_blocks * k_blocks)));
  std::uniform_real_distribution<float> scale(0.001f, 0.01f);
  for (std::size_t i = 0; i < a_scale.size(); ++i) a_scale[i] = scale(random);
  for (std::size_t i = 0; i < b_scale.size(); ++i) b_scale[i] = scale(random);
  Guarded<std::uint16_t> d(size(rows * d_columns));
  const std::uint16_t poison = rows > 0 ? d[0] : std::uint16_t{};

  const HostKernel kernel(spec, 3);
  kernel.launch(GroupedGemmArgs{a.data(), is_separate ? static_cast<const void*>(pointers.data()) : pointers[0], d.data(), a_scale.data(),
                                b_scale.data(), offsets.data(), rows, bias.data()});
  REQUIRE(d.guard_intact());

  const auto product = [&](std::int64_t row, std::int64_t column, std::int64_t group) {
    const Operand& b = *matrices[size(is_separate ? group : 0)];
    const std::int64_t first = is_separate ? 0 : group * n * k;
    double sum = 0;
    for (std::int64_t i = 0; i < k; ++i) {
      double factor = a[row * k + i] * b[first + (spec[kLayout] == kLayoutKn ? i * n + column : column * k + i)];
      if (spec[kQuant] == kQuantFp8Block) {
        factor *= double{a_scale[size(row * k_blocks + i / 128)]} * double{b_scale[size((group * n_blocks + column / 128) * k_blocks + i / 128)]};
      } else if (is_token) {
        factor *= double{a_scale[size(row)]} * double{b_scale[size(group * n + column)]};
      }
      sum += factor;
    }
    return sum;
  };
  Norm norm;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto above = std::upper_bound(offsets.begin(), offsets.end(), row);
    const bool is_owned = above != offsets.begin() && above != offsets.end();
    const std::int64_t group = above - offsets.begin() - 1;
    for (std::int64_t column = 0; column < d_columns; ++column) {
      const std::uint16_t bits = d[size(row * d_columns + column)];
      if (!is_owned) {
        if (bits != poison) return INFINITY;
        continue;
      }
      double expected = product(row, column, group);
      if (spec[kEpilogue] == kEpilogueBias) expected += bias[group * n + column];
      if (spec[kEpilogue] == kEpilogueSwiglu) {
        expected = expected / (1 + std::exp(-expected)) * product(row, n / 2 + column, group);
      }
      norm.add(is_half ? fp16_to_double(bits) : bf16_to_double(bits), expected);
    }
  }
  return norm.error();
}

/// Error of the worst group, dW of which was added to or overwritten; infinite if a group without rows is not as defined.
double wgrad_error(const KernelSpec& spec, const std::vector<int>& offsets, std::int64_t rows) {
  using namespace grouped_wgrad;
  const std::int64_t n = spec[kN], k = spec[kK], groups = spec[kGroups];
  const bool is_half = spec[kDtype] == kDtypeFp16, is_float = spec[kOutput] != kOutputSame, adds = spec[kOutput] == kOutputAddF32;
  const bool is_separate = spec[kTensors] == kTensorsSeparate;
  const auto type = is_half ? Operand::Type::kFp16 : Operand::Type::kBf16;
  std::mt19937 random(23);
  Operand dy(type, rows * n, random), x(type, rows * k, random);
  std::vector<std::unique_ptr<Guarded<unsigned char>>> dw;
  std::vector<void*> pointers;
  for (std::int64_t g = 0; g < (is_separate ? groups : 1); ++g) {
    dw.push_back(std::make_unique<Guarded<unsigned char>>(size(n * k * (is_separate ? 1 : groups) * (is_float ? 4 : 2))));
    pointers.push_back(dw.back()->data());
  }
  const auto at = [&](std::int64_t group, std::int64_t i) {
    unsigned char* const bytes = is_separate ? dw[size(group)]->data() : dw[0]->data();
    return bytes + (is_separate ? i : group * n * k + i) * (is_float ? 4 : 2);
  };
  const float before = 0.75f;
  for (std::int64_t i = 0; adds && i < groups * n * k; ++i) std::memcpy(at(i / (n * k), i % (n * k)), &before, sizeof before);

  HostKernel(spec, 3).launch(GroupedWgradArgs{dy.data(), x.data(), is_separate ? static_cast<void*>(pointers.data()) : pointers[0], offsets.data(), rows});
  double worst = 0;
  for (std::int64_t group = 0; group < groups; ++group) {
    Norm norm;
    for (std::int64_t i = 0; i < n * k; ++i) {
      double sum = 0;
      for (std::int64_t row = offsets[size(group)]; row < offsets[size(group + 1)]; ++row) sum += dy[row * n + i / k] * x[row * k + i % k];
      double out = 0;
      if (is_float) {
        float value;
        std::memcpy(&value, at(group, i), sizeof value);
        out = double{value} - (adds ? double{before} : 0.0);
      } else {
        std::uint16_t bits;
        std::memcpy(&bits, at(group, i), sizeof bits);
        out = is_half ? fp16_to_double(bits) : bf16_to_double(bits);
      }
      norm.add(out, sum);
    }
    if (norm.reference == 0 && norm.difference != 0) return INFINITY;
    worst = std::max(worst, norm.error());
  }
  for (const auto& one : dw) REQUIRE(one->guard_intact());
  return worst;
}

}  // namespace

TEST_CASE("every mode of the grouped GEMM on the host agrees with float64") {
  const std::vector<Settings> modes = {
      {{"dtype", "fp16"}},
      {{"quant", "fp8_token"}},
      {{"quant", "fp8_token"}, {"dtype", "fp16"}},
      {{"quant", "fp8_block"}, {"dtype", "fp16"}, {"b_tensors", "separate"}},
      {{"b_layout", "kn"}},
      {{"b_layout", "kn"}, {"dtype", "fp16"}, {"b_tensors", "separate"}},
      {{"b_tensors", "separate"}},
      {{"epilogue", "bias"}},
      {{"epilogue", "bias"}, {"dtype", "fp16"}, {"b_layout", "kn"}},
      {{"epilogue", "bias"}, {"quant", "fp8_block"}},
      {{"epilogue", "swiglu"}},
      {{"epilogue", "swiglu"}, {"quant", "fp8_token"}, {"dtype", "fp16"}, {"b_tensors", "separate"}},
  };
  const std::vector<int> offsets = {2, 2, 3, 3, 60, 65};
  for (const Arch* arch : archs_of_this_cpu()) {
    for (const Settings& mode : modes) {
      const KernelSpec spec = resolve_words(words("grouped_gemm", 144, 272, offsets.size() - 1, mode), *arch);
      CAPTURE(spec.name());
      CHECK(gemm_error(spec, offsets, 70) < (spec[grouped_gemm::kDtype] == grouped_gemm::kDtypeFp16 ? kAllowedFp16 : kAllowedBf16));
    }
  }
}

TEST_CASE("modes of the grouped GEMM that take eights of columns do so on the host") {
  for (const Settings& mode : std::vector<Settings>{{{"b_layout", "kn"}}, {{"epilogue", "bias"}}, {{"dtype", "fp16"}}}) {
    const KernelSpec spec = resolve_words(words("grouped_gemm", 88, 40, 2, mode), *host_arch());
    CAPTURE(spec.name());
    CHECK(gemm_error(spec, {0, 7, 20}, 20) < kAllowedBf16);
  }
}

TEST_CASE("the weight gradient on the host agrees with float64, and groups without rows are zero or left alone") {
  const std::vector<Settings> modes = {
      {},
      {{"output", "f32"}},
      {{"output", "same"}},
      {{"output", "same"}, {"dtype", "fp16"}, {"dw_tensors", "separate"}},
      {{"dtype", "fp16"}, {"dw_tensors", "separate"}},
  };
  const std::vector<int> offsets = {3, 3, 4, 31, 31};
  for (const Arch* arch : archs_of_this_cpu()) {
    for (const Settings& mode : modes) {
      const KernelSpec spec = resolve_words(words("grouped_wgrad", 56, 136, offsets.size() - 1, mode), *arch);
      CAPTURE(spec.name());
      const double allowed = spec[grouped_wgrad::kOutput] != grouped_wgrad::kOutputSame ? 1e-5
                             : spec[grouped_wgrad::kDtype] == grouped_wgrad::kDtypeFp16 ? kAllowedFp16
                                                                                      : kAllowedBf16;
      CHECK(wgrad_error(spec, offsets, 40) < allowed);
      CHECK(wgrad_error(spec, {0, 0, 0, 0, 0}, 0) == 0);
    }
  }
}

}  // namespace sinter
