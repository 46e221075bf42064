// SPDX-License-Identifier: Apache-2.0

// What a kernel says of launches that fail, on a driver that fails when it is told to.

#include <array>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "codegen/resolve.h"
#include "runtime/kernel.h"
#include "templates/quantize/args.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

/// A device that stops with an error, and says so to every call from then on.
class BrokenDriver final : public Driver {
 public:
  bool is_broken = false;
  bool breaks_at_wait = false;
  int waits = 0;

  std::string_view name() const override { return "broken"; }
  std::span<const DeviceProperties> devices() const override { return {}; }
  Result<std::unique_ptr<LoadedKernel>> load(int, const CodeObject&, const LaunchShape&) override { return fault("load"); }
  Result<std::unique_ptr<DeviceBuffer>> allocate(int, std::size_t) override { return fault("allocate"); }
  Result<std::unique_ptr<DeviceTimer>> timer(int) override { return fault("timer"); }
  Result<void> synchronize(int) override { ++waits; return is_broken || breaks_at_wait ? Result<void>(fault("synchronize")) : Result<void>(); }
  std::optional<std::uint64_t> bytes_behind(int, const void*) override { return std::nullopt; }

  static Error fault(std::string call) { return make_error(ErrorCode::kDriverError, call + " failed: an illegal address (700)"); }
};

class BrokenKernel final : public LoadedKernel {
 public:
  explicit BrokenKernel(const BrokenDriver& driver) : driver_(driver) {}
  bool is_refused = false;
  const LoadedAttributes& attributes() const override { return attributes_; }
  bool has_met_fault() const override { return driver_.is_broken; }
  Result<void> launch(const LaunchShape&, const void*, std::size_t, void*) const override {
    return driver_.is_broken || is_refused ? Result<void>(BrokenDriver::fault("launch")) : Result<void>();
  }

 private:
  const BrokenDriver& driver_;
  LoadedAttributes attributes_;
};

struct Setup {
  BrokenDriver driver;
  LaunchRing ring;
  BrokenKernel* loaded = nullptr;
  std::array<std::byte, 4096> memory{};
  QuantizeArgs args{};

  std::unique_ptr<Kernel> kernel(std::string_view k, bool checked, std::vector<LaunchQuirk> quirks = {}) {
    KernelRequest request;
    request.family = find_family("quantize").value();
    REQUIRE(set_param(request, "k", k));
    Kernel::Parts parts;
    parts.spec = resolve(request, {find_arch("gfx942"), false, 0}).value();
    parts.plan = make_plan(parts.spec).value();
    auto own = std::make_unique<BrokenKernel>(driver);
    loaded = own.get();
    parts.loaded = std::move(own);
    parts.limits.args_bytes = sizeof args;
    parts.driver = &driver;
    parts.checked = checked;
    parts.launches = &ring;
    parts.quirks = std::move(quirks);
    args.x = memory.data();
    args.q = memory.data();
    args.scale = reinterpret_cast<float*>(memory.data());
    args.rows = 1;
    return std::make_unique<Kernel>(std::move(parts));
  }

  std::string error(const Kernel& kernel) {
    const auto launched = kernel.launch(&args, sizeof args, nullptr);
    return launched ? std::string() : launched.error().message;
  }
};

}  // namespace

TEST_CASE("a launch that reports the fault of an earlier one names that one, not itself alone") {
  Setup setup;
  const auto first = setup.kernel("128", false), second = setup.kernel("256", false);
  CHECK(setup.error(*first).empty());
  setup.driver.is_broken = true;
  CHECK_THAT(setup.error(*second), Contains("an earlier launch did it") && Contains(first->name() + " (launch 1") && !Contains(second->name() + " (launch"));
}

TEST_CASE("a launch that the driver refuses for its own reasons blames no other and waits for nothing") {
  Setup setup;
  const auto first = setup.kernel("128", false), second = setup.kernel("256", false);
  CHECK(setup.error(*first).empty());
  setup.loaded->is_refused = true;
  CHECK_THAT(setup.error(*second), Contains("700") && !Contains("earlier"));
  CHECK(setup.driver.waits == 0);
}

TEST_CASE("in checked mode each launch is waited for, and the one at fault is named") {
  Setup setup;
  const auto kernel = setup.kernel("128", true);
  CHECK(setup.error(*kernel).empty());
  setup.driver.breaks_at_wait = true;
  CHECK_THAT(setup.error(*kernel), Contains("synchronize failed") && Contains("this launch did it: " + kernel->name()));
}

TEST_CASE("arguments of another size are the caller's mistake, and both sizes are told") {
  Setup setup;
  const auto kernel = setup.kernel("128", false);
  const auto launched = kernel->launch(&setup.args, sizeof setup.args - 8, nullptr);
  REQUIRE_FALSE(launched);
  CHECK(launched.error().code == ErrorCode::kInvalidRequest);
  CHECK_THAT(launched.error().message, Contains(kernel->name()) && Contains(std::to_string(sizeof setup.args - 8) + " bytes of arguments") &&
                                           Contains("takes " + std::to_string(sizeof setup.args)) && Contains("header of this release"));
}

TEST_CASE("a launch that a quirk denies does not reach the device") {
  Setup setup;
  QuirkRange rows;
  rows.param = "rows";
  rows.one_of = {1, 304};
  LaunchQuirk quirk{{{static_cast<std::int32_t>(offsetof(QuantizeArgs, rows)), rows}}, "quirk 'q' denies this launch: a test"};
  const auto kernel = setup.kernel("128", false, {quirk});
  CHECK_THAT(setup.error(*kernel), Contains("quirk 'q' denies this launch: a test"));
  CHECK(setup.ring.recent().empty());
  setup.args.rows = 2;
  CHECK(setup.error(*kernel).empty());
}
