// SPDX-License-Identifier: Apache-2.0

// Every kernel family on a simulated AMD device, on the path of a real one: compiled, checked, loaded by the HIP
// driver and launched by hipModuleLaunchKernel. Run once per device.

#include <cmath>
#include <cstdlib>
#include <random>

#include "codegen/families/tensors.h"
#include "templates/grouped_gemm/args.h"
#include "templates/quantize/args.h"
#include "tests/support/planted_waits.h"
#include "tests/support/simulated_amd.h"

namespace sinter {
namespace {

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

  /// What goes wrong when code is launched with these operands; empty if nothing.
  std::string fault_of(const SimulatedAmd& amd, const LoadedKernel& kernel, const LaunchShape& shape) const {
    const auto device_a = amd.upload(a), device_b = amd.upload(b), device_offsets = amd.upload(offsets);
    const auto device_d = amd.upload(std::vector<std::uint16_t>(size(kRows * kN)));
    const GroupedGemmArgs args{device_a->data(), device_b->data(), device_d->data(), nullptr, nullptr,
                               static_cast<const int*>(device_offsets->data()), kRows};
    const auto launched = kernel.launch(shape, &args, sizeof args, nullptr);
    const auto waited = amd.driver().synchronize(0);
    return message(launched) + message(waited);
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

/// Blocks of everything that quantize has to get right: tiny, large, zero, negative zero, subnormal.
std::vector<std::uint16_t> quantize_input(std::int64_t rows, std::int64_t k) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> x(size(rows * k));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t block = i / 128;
    const float magnitude = std::exp2(static_cast<float>(block * 7 % 60) - 30.0F);
    x[i] = block % 11 == 3 ? std::uint16_t{0x8000} : bf16(normal(random) * magnitude);
    x[i] = block % 13 == 5 ? static_cast<std::uint16_t>(x[i] & 0x80ff) : x[i];
  }
  return x;
}

constexpr std::int64_t kQuantizeRows = 19, kQuantizeK = 400, kQuantizeBlocks = 4;

/// `device_params` are those that the host's body does not have.
void check_quantize(SimulatedAmd& amd, const Params& params, const Params& device_params) {
  const std::vector<std::uint16_t> x = quantize_input(kQuantizeRows, kQuantizeK);
  std::vector<std::uint8_t> expected(size(kQuantizeRows * kQuantizeK)), q(expected.size());
  std::vector<float> expected_scale(size(kQuantizeRows * kQuantizeBlocks)), q_scale(expected_scale.size());
  const QuantizeArgs host{x.data(), expected.data(), expected_scale.data(), kQuantizeRows};
  REQUIRE(amd.host_kernel("quantize", params).launch(&host, sizeof host, nullptr));

  Params all = params;
  all.insert(all.end(), device_params.begin(), device_params.end());
  const Kernel& kernel = amd.kernel("quantize", all);
  CAPTURE(kernel.name());
  const auto device_x = amd.upload(x), device_q = amd.upload(q), device_scale = amd.upload(q_scale);
  const QuantizeArgs args{device_x->data(), device_q->data(), static_cast<float*>(device_scale->data()), kQuantizeRows};
  REQUIRE(message(kernel.launch(&args, sizeof args, nullptr)) == "");
  REQUIRE(message(amd.driver().synchronize(0)) == "");
  REQUIRE(device_q->download(std::as_writable_bytes(std::span(q))));
  REQUIRE(device_scale->download(std::as_writable_bytes(std::span(q_scale))));
  CHECK(q == expected);
  CHECK(q_scale == expected_scale);
}

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

// A wait that nothing depends on on the way that is taken may go unnoticed; those for memory before LDS, for LDS before
// the product, and for arguments may not.
TEST_CASE("waits that are taken away from the grouped GEMM are found") {
  SimulatedAmd amd;
  auto* const set_checks = testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks");
  const Gemm gemm(false);
  const Kernel& kernel = amd.kernel("grouped_gemm", gemm.params("off"));
  const std::vector<std::size_t> waits = testing::waits_in(kernel.code().code);
  const LaunchShape shape{.grid = {8, 1, 1},
                          .block = {static_cast<std::uint32_t>(kernel.plan().threads_per_block), 1, 1},
                          .dynamic_shared_bytes = kernel.plan().dynamic_shared_bytes};
  set_checks(SINTER_SIMHIP_CHECK_WAITS);
  std::size_t found = 0, planted = 0;
  const auto launch = [&](const CodeObject& code) {
    const auto loaded = amd.driver().load(0, code, shape);
    REQUIRE(message(loaded) == "");
    const std::string fault = gemm.fault_of(amd, **loaded, shape);
    testing::reset_device();
    return fault;
  };
  REQUIRE(launch(kernel.code()) == "");
  const std::size_t step = std::max<std::size_t>(1, waits.size() / 12);
  for (std::size_t at = 0; at < waits.size(); at += step) {
    CodeObject broken = kernel.code();
    std::memcpy(broken.code.data() + waits[at], &testing::kNop, sizeof testing::kNop);
    const std::string fault = launch(broken);
    ++planted;
    found += fault.find("before the s_waitcnt") != std::string::npos ||
                     fault.find("waited for its write") != std::string::npos
                 ? 1U
                 : 0U;
  }
  set_checks(0);
  CAPTURE(planted, found);
  CHECK(2 * found >= planted);
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
  const auto x = amd.upload(quantize_input(kQuantizeRows, kQuantizeK));
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

// Not by default, since it compiles some hundred kernels: test-simhip "[.every-tile]".
TEST_CASE("every tile of grouped GEMM agrees with float64, and vskip changes no bit", "[.every-tile]") {
  SimulatedAmd amd;
  for (const bool is_fp8 : {false, true}) {
    const Gemm gemm(is_fp8);
    const KernelSpec& spec = amd.kernel("grouped_gemm", gemm.params("off")).spec();
    for (const TileShape tile : spec.family->body(Vendor::kAmd)->tiles(spec)) {
      const auto with_tile = [&](std::string_view vskip) {
        Params params = gemm.params(vskip);
        params.emplace_back("tile", tile_to_string(tile));
        return params;
      };
      const Kernel& off = amd.kernel("grouped_gemm", with_tile("off"));
      CAPTURE(off.name());
      const std::vector<std::uint16_t> expected = gemm.run(amd, off);
      CHECK(gemm.relative_error(expected) < kAllowedError);
      CHECK(gemm.run(amd, amd.kernel("grouped_gemm", with_tile("on"))) == expected);
    }
  }
}

TEST_CASE("every tile of quantize gives the host's bits", "[.every-tile]") {
  SimulatedAmd amd;
  const Kernel& first = amd.kernel("quantize", {{"k", "400"}});
  for (const TileShape tile : first.spec().family->body(Vendor::kAmd)->tiles(first.spec())) {
    for (const std::string_view scale : {"exact", "pow2"}) {
      for (const std::string_view vskip : {"on", "off"}) {
        check_quantize(amd, {{"k", "400"}, {"scale", std::string(scale)}},
                       {{"tile", tile_to_string(tile)}, {"vskip", std::string(vskip)}});
      }
    }
  }
}

}  // namespace sinter
