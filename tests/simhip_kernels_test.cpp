// SPDX-License-Identifier: Apache-2.0

// Every kernel family on a simulated AMD device, on the path of a real one: compiled, checked, loaded by the HIP
// driver and launched by hipModuleLaunchKernel. Run once per device.

#include <cmath>
#include <cstdlib>
#include <random>

#include "codegen/families/tensors.h"
#include "templates/grouped_gemm/args.h"
#include "tests/support/simulated_amd.h"
#include "tests/support/simulated_quantize.h"

namespace sinter {
namespace {

using testing::check_quantize;
using testing::kQuantizeBlocks;
using testing::kQuantizeK;
using testing::kQuantizeRows;
using testing::message;
using testing::Params;
using testing::SimulatedAmd;

constexpr std::uint16_t kUntouched = 0x5a5a;

std::uint16_t bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Operands of a grouped GEMM: ragged and empty groups, rows of no group at both ends, N and K that no tile divides.
struct Gemm {
  static constexpr std::int64_t kN = 176, kK = 208, kGroups = 4, kRows = 103, kBlocksK = 2, kBlocksN = 2;

  bool is_fp8;
  std::vector<std::int32_t> offsets{2, 2, 69, 98, 99};
  std::vector<std::byte> a, b;
  std::vector<float> a_scale, b_scale;

  explicit Gemm(bool fp8)
      : is_fp8(fp8), a(size(kRows * kK) * (fp8 ? 1 : 2)), b(size(kGroups * kN * kK) * (fp8 ? 1 : 2)),
        a_scale(size(kRows * kBlocksK)), b_scale(size(kGroups * kBlocksN * kBlocksK)) {
    std::mt19937 random(7);
    fill(a, random);
    fill(b, random);
    std::uniform_real_distribution<float> scale(0.25F, 2.0F);
    std::ranges::generate(a_scale, [&] { return scale(random); });
    std::ranges::generate(b_scale, [&] { return scale(random); });
  }

  Params params(std::string_view vskip) const {
    return {{"quant", is_fp8 ? "fp8_block" : "none"}, {"n", std::to_string(kN)}, {"k", std::to_string(kK)},
            {"groups", std::to_string(kGroups)}, {"vskip", std::string(vskip)}};
  }

  std::vector<std::uint16_t> run(const SimulatedAmd& amd, const Kernel& kernel) const {
    const auto device_a = amd.upload(a), device_b = amd.upload(b), device_offsets = amd.upload(offsets);
    const auto device_a_scale = amd.upload(a_scale), device_b_scale = amd.upload(b_scale);
    std::vector<std::uint16_t> d(size(kRows * kN), kUntouched);
    const auto device_d = amd.upload(d);
    const GroupedGemmArgs args{device_a->data(), device_b->data(), device_d->data(),
                               is_fp8 ? static_cast<const float*>(device_a_scale->data()) : nullptr,
                               is_fp8 ? static_cast<const float*>(device_b_scale->data()) : nullptr,
                               static_cast<const int*>(device_offsets->data()), kRows};
    const auto launched = kernel.launch(&args, sizeof args, nullptr);
    REQUIRE(message(launched) == "");
    const auto waited = amd.driver().synchronize(0);
    REQUIRE(message(waited) == "");
    REQUIRE(device_d->download(std::as_writable_bytes(std::span(d))));
    return d;
  }

  /// ||d - reference|| / ||reference||; infinite if a row of no group was touched.
  double relative_error(const std::vector<std::uint16_t>& d) const {
    double difference = 0, norm = 0;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto above = std::ranges::upper_bound(offsets, row);
      const bool is_owned = above != offsets.begin() && above != offsets.end();
      for (std::int64_t column = 0; column < kN; ++column) {
        const std::uint16_t out = d[size(row * kN + column)];
        if (!is_owned) {
          difference = out == kUntouched ? difference : INFINITY;
          continue;
        }
        const double expected = reference(row, above - offsets.begin() - 1, column);
        difference += std::pow(bf16_to_double(out) - expected, 2);
        norm += expected * expected;
      }
    }
    return std::sqrt(difference / norm);
  }

 private:
  void fill(std::vector<std::byte>& operand, std::mt19937& random) const {
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < operand.size(); i += is_fp8 ? 1 : 2) {
      const std::uint16_t wide = bf16(normal(random));
      const auto byte = static_cast<std::uint8_t>(random() % 0x7f | (random() & 0x80));
      is_fp8 ? std::memcpy(&operand[i], &byte, 1) : std::memcpy(&operand[i], &wide, 2);
    }
  }

  double value(const std::vector<std::byte>& operand, std::int64_t index) const {
    std::uint16_t wide = 0;
    std::memcpy(&wide, &operand[size(index) * (is_fp8 ? 1 : 2)], is_fp8 ? 1 : 2);
    return is_fp8 ? e4m3_to_double(static_cast<std::uint8_t>(wide)) : bf16_to_double(wide);
  }

  double reference(std::int64_t row, std::int64_t group, std::int64_t column) const {
    double sum = 0;
    for (std::int64_t k = 0; k < kK; ++k) {
      const double scale = is_fp8 ? double{a_scale[size(row * kBlocksK + k / 128)]} *
                                        double{b_scale[size((group * kBlocksN + column / 128) * kBlocksK + k / 128)]}
                                  : 1.0;
      sum += value(a, row * kK + k) * value(b, (group * kN + column) * kK + k) * scale;
    }
    return sum;
  }
};

// bf16 rounding of D alone is about 1.7e-3 in this norm.
constexpr double kAllowedError = 2.5e-3;

}  // namespace

TEST_CASE("a simulated device agrees with its capability row and says that it is simulated") {
  SimulatedAmd amd;
  CHECK(amd.device().properties.simulated);
  CHECK(amd.device().caps.name == std::getenv("SINTER_SIMHIP_DEVICE"));
  CHECK(amd.device().differences.empty());
}

TEST_CASE("sim:NAME is the simulated device of that name, of which a process has one") {
  SimulatedAmd amd;
  const std::string name = "sim:" + amd.device().caps.name;
  const auto opened = amd.runtime().open_device(name);
  REQUIRE(message(opened) == "");
  CHECK(amd.runtime().device(*opened).caps.name == amd.device().caps.name);
  CHECK(amd.runtime().device(*opened).properties.simulated);
  CHECK_THAT(message(amd.runtime().open_device("sim:MI300A")), Catch::Matchers::Contains("one device per process"));
  CHECK_THAT(message(amd.runtime().open_device("sim:nothing")), Catch::Matchers::Contains("sim:nothing"));
}

TEST_CASE("grouped GEMM on a simulated device agrees with float64, and vskip changes no bit") {
  SimulatedAmd amd;
  for (const bool is_fp8 : {false, true}) {
    const Gemm gemm(is_fp8);
    const Kernel& off = amd.kernel("grouped_gemm", gemm.params("off"));
    const Kernel& on = amd.kernel("grouped_gemm", gemm.params("on"));
    CAPTURE(off.name());
    const auto before = testing::counters();
    const std::vector<std::uint16_t> expected = gemm.run(amd, off);
    const auto between = testing::counters();
    CHECK(gemm.relative_error(expected) < kAllowedError);
    CHECK(gemm.run(amd, on) == expected);
    const auto after = testing::counters();
    const std::uint64_t off_memory = between.vector_memory_instructions - before.vector_memory_instructions;
    const std::uint64_t on_memory = after.vector_memory_instructions - between.vector_memory_instructions;
    // Each store that is skipped is one that is issued with no active lane without vskip. Nothing else is skipped.
    CHECK(between.skipped_instructions == before.skipped_instructions);
    CHECK(after.skipped_instructions > between.skipped_instructions);
    CHECK(on_memory < off_memory);
    CHECK(off_memory - on_memory == after.skipped_instructions - between.skipped_instructions);
    CHECK(after.launches == between.launches + 1);
  }
}

TEST_CASE("the kernels pass every check of registers, waits, wait states and races") {
  SimulatedAmd amd;
  auto* const set_checks = testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks");
  set_checks(SINTER_SIMHIP_CHECK_WAITS | SINTER_SIMHIP_CHECK_UNWRITTEN | SINTER_SIMHIP_CHECK_WAIT_STATES |
             SINTER_SIMHIP_CHECK_RACES);
  for (const std::string_view vskip : {"off", "on"}) {
    for (const bool is_fp8 : {false, true}) {
      const Gemm gemm(is_fp8);
      CHECK(gemm.relative_error(gemm.run(amd, amd.kernel("grouped_gemm", gemm.params(vskip)))) < kAllowedError);
    }
    check_quantize(amd, {{"k", std::to_string(kQuantizeK)}}, {{"vskip", std::string(vskip)}});
  }
  set_checks(0);
}

// What a padding row loses here feeds stores that are skipped too; simhip_checks_test has a kernel that breaks.
TEST_CASE("preemption changes no bit where the trap handler clears VSKIP or the kernel does not use it") {
  SimulatedAmd amd;
  auto* const set_preemption =
      testing::simulator_function<void(std::uint32_t, std::uint32_t, int)>("sinter_simhip_set_preemption");
  const Gemm gemm(false);
  const Kernel& on = amd.kernel("grouped_gemm", gemm.params("on"));
  const Kernel& off = amd.kernel("grouped_gemm", gemm.params("off"));
  const std::vector<std::uint16_t> expected = gemm.run(amd, off);
  constexpr int kOldHandler = 0, kFixedHandler = 1;
  const std::uint64_t before = testing::counters().preemptions;
  for (std::uint32_t seed = 0; seed < 2; ++seed) {
    set_preemption(100, seed, kFixedHandler);
    CHECK(gemm.run(amd, on) == expected);
    set_preemption(100, seed, kOldHandler);
    CHECK(gemm.run(amd, off) == expected);
  }
  set_preemption(0, 0, kOldHandler);
  CHECK(testing::counters().preemptions > before);
}

TEST_CASE("quantize on a simulated device gives the host's bits") {
  SimulatedAmd amd;
  for (const std::string_view scale : {"exact", "pow2"}) {
    check_quantize(amd, {{"k", std::to_string(kQuantizeK)}, {"scale", std::string(scale)}}, {});
  }
}

TEST_CASE("a launch after a device fault names the launch that caused it") {
  SimulatedAmd amd;
  const Gemm gemm(false);
  const Kernel& innocent = amd.kernel("grouped_gemm", gemm.params("off"));
  const Kernel& guilty = amd.kernel("quantize", {{"k", std::to_string(kQuantizeK)}});
  const auto x = amd.upload(testing::quantize_input(kQuantizeRows, kQuantizeK));
  const auto scales = amd.upload(std::vector<float>(size(kQuantizeRows * kQuantizeBlocks)));
  const auto too_small = amd.upload(std::vector<std::uint8_t>(100));
  const QuantizeArgs bad{x->data(), too_small->data(), static_cast<float*>(scales->data()), kQuantizeRows};
  const auto a = amd.upload(gemm.a), b = amd.upload(gemm.b), offsets = amd.upload(gemm.offsets);
  const auto d = amd.upload(std::vector<std::uint16_t>(size(Gemm::kRows * Gemm::kN)));
  const GroupedGemmArgs good{a->data(), b->data(), d->data(), nullptr, nullptr,
                             static_cast<const int*>(offsets->data()), Gemm::kRows};
  REQUIRE(message(guilty.launch(&bad, sizeof bad, nullptr)) == "");
  const std::string error = message(innocent.launch(&good, sizeof good, nullptr));
  testing::reset_device();
  CHECK_THAT(error, Catch::Matchers::Contains("hipErrorIllegalAddress (700)") &&
                        Catch::Matchers::Contains("an earlier launch did it") &&
                        Catch::Matchers::Contains(guilty.name()));
}

}  // namespace sinter
