// SPDX-License-Identifier: Apache-2.0

// Modes of the grouped GEMM on a simulated AMD device against the host's body, which is checked against float64
// (device_host_modes_test.cpp).

#include <cmath>
#include <random>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/tensors.h"
#include "tests/support/simulated_amd.h"

namespace sinter {
namespace {

using testing::message;
using testing::Params;
using testing::SimulatedAmd;

constexpr std::int64_t kN = 176, kK = 208, kGroups = 4, kRows = 103;
constexpr std::uint16_t kUntouched = 0x5a5a;

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Operands of every mode. Without scales the bytes are read as 16-bit numbers near one.
struct Operands {
  std::vector<std::int32_t> offsets{2, 2, 69, 98, 99};
  std::vector<std::uint8_t> a, b;
  std::vector<float> a_scale, b_scale;
  std::vector<std::uint16_t> bias;

  explicit Operands(bool is_fp8)
      : a(size(kRows * kK) * (is_fp8 ? 1 : 2)), b(size(kGroups * kN * kK) * (is_fp8 ? 1 : 2)), a_scale(size(kRows)), b_scale(size(kGroups * kN)),
        bias(size(kGroups * kN)) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> scale(0.25F, 2.0F);
    for (auto* const operand : {&a, &b}) {
      for (std::size_t i = 0; i < operand->size(); ++i) {
        // e4m3 but NaN; of bf16 the upper byte is a sign and most of an exponent near one.
        const auto byte = static_cast<std::uint8_t>(is_fp8 ? random() % 0x7f : i % 2 == 1 ? 0x3f : random() % 0x100);
        (*operand)[i] = is_fp8 || i % 2 == 1 ? static_cast<std::uint8_t>(byte | (random() & 0x80)) : byte;
      }
    }
    std::ranges::generate(a_scale, [&] { return scale(random); });
    std::ranges::generate(b_scale, [&] { return scale(random); });
    std::ranges::generate(bias, [&] { return static_cast<std::uint16_t>(0x4000 | (random() & 0x80ff)); });
  }
};

const float* floats(const void* pointer) { return static_cast<const float*>(pointer); }

/// ||device - host|| / ||host||; infinite if a row of no group was touched.
double difference(SimulatedAmd& amd, bool is_fp8, const Params& mode) {
  Params params = {{"n", std::to_string(kN)}, {"k", std::to_string(kK)}, {"groups", std::to_string(kGroups)}};
  params.insert(params.end(), mode.begin(), mode.end());
  const Kernel& kernel = amd.kernel("grouped_gemm", params);
  CAPTURE(kernel.name());
  const bool is_separate = kernel.spec()[grouped_gemm::kTensors] == grouped_gemm::kTensorsSeparate;
  const Operands in(is_fp8);
  const std::size_t matrix = in.b.size() / size(kGroups);

  const auto a = amd.upload(in.a), b = amd.upload(in.b), offsets = amd.upload(in.offsets), bias = amd.upload(in.bias);
  const auto a_scale = amd.upload(in.a_scale), b_scale = amd.upload(in.b_scale);
  std::vector<const void*> device_matrices, host_matrices;
  for (std::size_t g = 0; g < size(kGroups); ++g) {
    device_matrices.push_back(static_cast<const std::byte*>(b->data()) + g * matrix);
    host_matrices.push_back(&in.b[g * matrix]);
  }
  const auto pointers = amd.upload(device_matrices);
  std::vector<std::uint16_t> d(size(kRows * kN), kUntouched), expected(d);
  const auto device_d = amd.upload(d);
  const GroupedGemmArgs args{a->data(), is_separate ? pointers->data() : b->data(), device_d->data(), floats(a_scale->data()),
                             floats(b_scale->data()), static_cast<const int*>(offsets->data()), kRows, bias->data()};
  const auto launched = kernel.launch(&args, sizeof args, nullptr);
  REQUIRE(message(launched) == "");
  REQUIRE(message(amd.driver().synchronize(0)) == "");
  REQUIRE(device_d->download(std::as_writable_bytes(std::span(d))));

  const GroupedGemmArgs host{in.a.data(), is_separate ? static_cast<const void*>(host_matrices.data()) : in.b.data(), expected.data(),
                             in.a_scale.data(), in.b_scale.data(), in.offsets.data(), kRows, in.bias.data()};
  REQUIRE(message(amd.host_kernel("grouped_gemm", params).launch(&host, sizeof host, nullptr)) == "");
  const bool is_half = kernel.spec()[grouped_gemm::kDtype] == grouped_gemm::kDtypeFp16;
  double squared = 0, norm = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (expected[i] == kUntouched && d[i] == kUntouched) continue;
    const double on_host = is_half ? fp16_to_double(expected[i]) : bf16_to_double(expected[i]);
    squared += std::pow((is_half ? fp16_to_double(d[i]) : bf16_to_double(d[i])) - on_host, 2);
    norm += on_host * on_host;
  }
  const bool is_outside_left_alone = d.front() == kUntouched && d.back() == kUntouched;
  return is_outside_left_alone ? std::sqrt(squared / norm) : INFINITY;
}

// Two roundings to bf16 may fall to different sides where the order of sums differs.
constexpr double kAllowed = 1e-3;

}  // namespace

TEST_CASE("modes of the grouped GEMM on a simulated device agree with the host") {
  SimulatedAmd amd;
  CHECK(difference(amd, false, {{"dtype", "fp16"}}) < kAllowed);
  CHECK(difference(amd, false, {{"dtype", "fp16"}, {"epilogue", "bias"}}) < kAllowed);
  CHECK(difference(amd, true, {{"quant", "fp8_token"}}) < kAllowed);
  CHECK(difference(amd, true, {{"quant", "fp8_token"}, {"b_tensors", "separate"}}) < kAllowed);
  CHECK(difference(amd, false, {{"epilogue", "bias"}, {"b_tensors", "separate"}}) < kAllowed);
}

}  // namespace sinter
