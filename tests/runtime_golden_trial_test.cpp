// SPDX-License-Identifier: Apache-2.0

// The golden trial on a device of this test, whose one kernel, a weight gradient, is right or wrong as a test wants it.

#include "runtime/golden_trial.h"

#include <catch2/catch.hpp>

#include <cstring>
#include <functional>
#include <numeric>

#include "codegen/resolve.h"
#include "runtime/golden_check.h"
#include "templates/grouped_wgrad/args.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kN = 16, kK = 24, kGroups = 6;

KernelSpec spec_of(std::string_view family, const std::vector<std::pair<std::string_view, std::string_view>>& params, std::string_view arch) {
  KernelRequest request;
  request.family = find_family(family).value();
  for (const auto& [name, value] : params) {
    REQUIRE(set_param(request, name, value));
  }
  return resolve(request, {find_arch(arch), false, 0}).value();
}

KernelSpec wgrad_spec(std::string_view output, std::string_view tensors = "stacked") {
  return spec_of("grouped_wgrad", {{"n", "16"}, {"k", "24"}, {"groups", "6"}, {"output", output}, {"dw_tensors", tensors}}, "x86-64-v3");
}

float bf16(const void* from, std::int64_t index) {
  std::uint16_t bits;
  std::memcpy(&bits, static_cast<const std::uint16_t*>(from) + index, sizeof bits);
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

struct Behaviour {
  bool adds = false, is_separate = false;
  std::function<void(float* dw, const GroupedWgradArgs&)> spoil;  ///< After a right launch; dw is the first matrix.
  std::string fault;                                              ///< What waiting for a launch says.
  bool is_full = false;                                           ///< There is no memory.
  int launches = 0;
};

/// dW as it is defined.
void compute(const GroupedWgradArgs& args, const Behaviour& behaviour) {
  for (std::int64_t g = 0; g < kGroups; ++g) {
    float* const dw = behaviour.is_separate ? static_cast<float* const*>(args.dw)[g] : static_cast<float*>(args.dw) + g * kN * kK;
    const bool is_empty = args.row_offsets[g] == args.row_offsets[g + 1];
    for (std::int64_t i = 0; i < kN * kK && !(is_empty && behaviour.adds); ++i) {
      float sum = behaviour.adds ? dw[i] : 0;
      for (std::int64_t r = args.row_offsets[g]; r < args.row_offsets[g + 1]; ++r) {
        sum += bf16(args.dy, r * kN + i / kK) * bf16(args.x, r * kK + i % kK);
      }
      dw[i] = sum;
    }
  }
}

class TestBuffer final : public DeviceBuffer {
 public:
  explicit TestBuffer(std::size_t bytes) : memory_(bytes + 256) {}
  void* data() const override {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    return reinterpret_cast<void*>((address + 255) / 256 * 256);
  }
  std::size_t bytes() const override { return memory_.size() - 256; }
  Result<void> upload(std::span<const std::byte> from) override {
    std::memcpy(data(), from.data(), from.size());
    return {};
  }
  Result<void> download(std::span<std::byte> to) const override {
    std::memcpy(to.data(), data(), to.size());
    return {};
  }

 private:
  std::vector<std::byte> memory_;
};

class TestDriver final : public Driver {
 public:
  Behaviour behaviour;

  std::string_view name() const override { return "test"; }
  std::span<const DeviceProperties> devices() const override { return {}; }
  Result<std::unique_ptr<LoadedKernel>> load(int, const CodeObject&, const LaunchShape&) override { return error("load"); }
  Result<std::unique_ptr<DeviceBuffer>> allocate(int, std::size_t bytes) override {
    if (behaviour.is_full) {
      return error("out of memory");
    }
    return std::unique_ptr<DeviceBuffer>(std::make_unique<TestBuffer>(bytes));
  }
  Result<std::unique_ptr<DeviceTimer>> timer(int) override { return error("timer"); }
  Result<void> synchronize(int) override {
    return behaviour.launches > 0 && !behaviour.fault.empty() ? Result<void>(error(behaviour.fault)) : Result<void>();
  }
  std::optional<std::uint64_t> bytes_behind(int, const void*) override { return std::nullopt; }

 private:
  static Error error(std::string what) { return make_error(ErrorCode::kDriverError, std::move(what)); }
};

class TestKernel final : public LoadedKernel {
 public:
  explicit TestKernel(Behaviour& behaviour) : behaviour_(behaviour) {}
  const LoadedAttributes& attributes() const override { return attributes_; }
  Result<void> launch(const LaunchShape&, const void* args, std::size_t, void*) const override {
    ++behaviour_.launches;
    GroupedWgradArgs of;
    std::memcpy(&of, args, sizeof of);
    compute(of, behaviour_);
    if (behaviour_.spoil) {
      behaviour_.spoil(behaviour_.is_separate ? static_cast<float* const*>(of.dw)[0] : static_cast<float*>(of.dw), of);
    }
    return {};
  }

 private:
  Behaviour& behaviour_;
  LoadedAttributes attributes_;
};

struct Setup {
  TestDriver driver;
  LaunchRing ring;
  std::vector<std::string> warnings;
  Log log{LogLevel::kWarn, [this](LogLevel, std::string_view text) { warnings.emplace_back(text); }};
  KernelCache cache{{}, nullptr};
  GoldenCheck golden{cache, log};
  DeviceProperties properties;

  Setup() { properties.name = "Test Device"; }

  std::unique_ptr<Kernel> kernel(const KernelSpec& spec) {
    Kernel::Parts parts;
    parts.spec = spec;
    parts.plan = make_plan(spec).value();
    parts.code = std::make_shared<const CodeObject>();
    parts.loaded = std::make_unique<TestKernel>(driver.behaviour);
    parts.limits.args_bytes = sizeof(GroupedWgradArgs);
    parts.driver = &driver;
    parts.launches = &ring;
    return std::make_unique<Kernel>(std::move(parts));
  }
  Result<ReferenceReport> tried(const KernelSpec& spec = wgrad_spec("f32")) {
    return try_kernel(driver, 0, *kernel(spec), golden_problem(spec));
  }
  std::string wrong() { return tried().value().first_wrong; }
  Result<std::string> admit(const Kernel& kernel) { return golden.admit("test:0", properties, driver, kernel, sha256(as_bytes("key"))); }
};

}  // namespace

TEST_CASE("a problem has an empty group, a group of one row, rows that no tile divides, and rows of no group") {
  const KernelSpec spec = spec_of("grouped_gemm", {{"n", "512"}, {"k", "512"}, {"groups", "8"}, {"tile", "128x128x64"}}, "sm_80");
  const GoldenProblem problem = golden_problem(spec);
  CHECK(problem.rows.of_groups == std::vector<std::int64_t>{1, 0, 133, 3, 0, 0, 0, 7});
  CHECK(problem.rows.before > 0);
  CHECK(problem.rows.after > 0);
  CHECK(problem.matrices == 0);
  const KernelSpec single = spec_of("grouped_gemm", {{"n", "512"}, {"k", "512"}, {"groups", "1"}, {"tile", "128x128x64"}}, "sm_80");
  CHECK(golden_problem(single).rows.of_groups == std::vector<std::int64_t>{133});
}

TEST_CASE("of many large matrices only the first are made, and what is too large even so is said to be") {
  const KernelSpec large = spec_of("grouped_gemm", {{"n", "4096"}, {"k", "7168"}, {"groups", "256"}}, "sm_80");
  const GoldenProblem problem = golden_problem(large);
  CHECK(problem.matrices == 1);
  CHECK(problem.rows.of_groups.size() == 256);
  CHECK(std::accumulate(problem.rows.of_groups.begin() + 1, problem.rows.of_groups.end(), std::int64_t{0}) == 0);
  CHECK(problem.bytes < kMostGoldenBytes);
  const KernelSpec huge = spec_of("grouped_gemm", {{"n", "65536"}, {"k", "65536"}, {"groups", "2"}}, "sm_80");
  CHECK(golden_problem(huge).bytes > kMostGoldenBytes);
}

TEST_CASE("a right kernel passes, whatever it adds to and however its matrices lie, and its launch is told to nobody") {
  Setup setup;
  for (const bool adds : {false, true}) {
    for (const bool is_separate : {false, true}) {
      setup.driver.behaviour = {.adds = adds, .is_separate = is_separate, .spoil = {}, .fault = {}};
      const auto report = setup.tried(wgrad_spec(adds ? "add_f32" : "f32", is_separate ? "separate" : "stacked"));
      REQUIRE(report);
      INFO(report->first_wrong);
      CHECK(report->ok);
      CHECK(report->sampled == kGroups * kN * kK);
      CHECK(setup.driver.behaviour.launches == 1);
    }
  }
  CHECK(setup.ring.recent().empty());
}

TEST_CASE("what is wrong is named by its first element") {
  Setup setup;
  const auto spoil = [&](auto change) { setup.driver.behaviour.spoil = [change](float* dw, const GroupedWgradArgs&) { change(dw); }; };
  spoil([](float* dw) { dw[2 * kK + 3] += 1; });
  CHECK_THAT(setup.wrong(), Catch::StartsWith("dw[0, 2, 3] is "));
  spoil([](float* dw) { dw[kN * kK + 5] = 0.001F; });  // of a group without rows
  CHECK_THAT(setup.wrong(), Catch::StartsWith("dw[1, 0, 5] is 0.001, and should be 0 within 0"));
  spoil([](float* dw) { std::memset(dw + kGroups * kN * kK - 1, 0xff, 4); });  // left as it was
  CHECK_THAT(setup.wrong(), Catch::StartsWith("dw[5, 15, 23] is ") && Contains("nan"));
  spoil([](float* dw) { dw[kGroups * kN * kK] = 0; });
  CHECK(setup.wrong() == "memory was written 0 bytes behind the end of dw");
  spoil([](float* dw) { dw[-1] = 0; });
  CHECK(setup.wrong() == "memory was written 1 bytes before the beginning of dw");
  spoil([](float* dw) { dw[kN * kK] = 1e-30F; });
  CHECK_FALSE(setup.tried().value().ok);
}

TEST_CASE("a launch that ends with a fault is a finding, a device without memory is none") {
  Setup setup;
  setup.driver.behaviour.fault = "an illegal address (700)";
  const auto report = setup.tried();
  REQUIRE(report);
  CHECK_FALSE(report->ok);
  CHECK_THAT(report->first_wrong, Contains("the launch ended with an illegal address (700)"));
  setup.driver.behaviour = {};
  setup.driver.behaviour.is_full = true;
  CHECK_FALSE(setup.tried());
}

TEST_CASE("a wrong kernel is refused with what was found and the ways out, and is launched once") {
  Setup setup;
  setup.driver.behaviour.spoil = [](float* dw, const GroupedWgradArgs&) { dw[0] += 1; };
  const auto kernel = setup.kernel(wgrad_spec("f32"));
  for (const char* when : {"found just now", "found 20"}) {
    const auto admitted = setup.admit(*kernel);
    REQUIRE_FALSE(admitted);
    CHECK(admitted.error().code == ErrorCode::kUnsupported);
    CHECK_THAT(admitted.error().message, Contains(kernel->name()) && Contains("test:0") && Contains("Test Device") && Contains("dw[0, 0, 0] is") &&
                                             Contains(when) && Contains("sinter cache forget") && Contains("SINTER_GOLDEN_CHECK=off"));
  }
  CHECK(setup.driver.behaviour.launches == 1);
  CHECK(setup.golden.counters().failed == 1);
}

TEST_CASE("a kernel that cannot be tried is let through, and that is said") {
  Setup setup;
  setup.driver.behaviour.is_full = true;
  const auto kernel = setup.kernel(wgrad_spec("f32"));
  const auto admitted = setup.admit(*kernel);
  REQUIRE(admitted);
  CHECK_THAT(*admitted, Contains("left out: out of memory"));
  REQUIRE(setup.warnings.size() == 1);
  CHECK_THAT(setup.warnings[0], Contains("is launched unchecked: out of memory"));
  CHECK(setup.golden.counters().left_out == 1);
  CHECK(setup.driver.behaviour.launches == 0);
}

TEST_CASE("a verdict of a simulated device is none of the real one") {
  DeviceProperties properties;
  properties.name = "AMD Instinct MI300X";
  properties.driver_version = "60443482";
  const GoldenPlace real = golden_place(properties);
  properties.simulated = true;
  CHECK_FALSE(golden_place(properties) == real);
}
