// SPDX-License-Identifier: Apache-2.0

// Mistakes planted into the compiled kernels of the templates: waits and barriers that are taken away, registers that
// are not set, stores to the wrong place. The simulator's checks have to find each kind, and say what it is.

#include <functional>

#include "templates/grouped_gemm/args.h"
#include "tests/support/planted_words.h"
#include "tests/support/simulated_amd.h"
#include "tests/support/simulated_quantize.h"

namespace sinter {
namespace {

using testing::message;
using testing::Params;
using testing::SimulatedAmd;
using testing::WordPattern;

constexpr std::uint32_t kChecks = SINTER_SIMHIP_CHECK_WAITS | SINTER_SIMHIP_CHECK_UNWRITTEN | SINTER_SIMHIP_CHECK_RACES;

/// A store to memory, and its offset of 13 bits with a sign; the setting of a vector register or two to a constant.
constexpr WordPattern kStore = {0xfde0c000, 0xdc608000};
constexpr std::uint32_t kOffsetMask = 0x1fff, kFarBefore = 0x1000;
constexpr WordPattern kSetOne = {0xfe01ff80, 0x7e000280}, kSetTwo = {0xfe01ff80, 0x7e007080};

/// A kernel of a template on a small problem.
class Planted {
 public:
  static constexpr std::int64_t kN = 176, kK = 208, kGroups = 4, kRows = 103;

  Planted(SimulatedAmd& amd, std::string_view family, const Params& params)
      : amd_(amd), kernel_(amd.kernel(family, params)), is_gemm_(family == "grouped_gemm") {}

  const std::vector<std::byte>& code() const { return kernel_.code().code; }

  /// What goes wrong with other code; empty if nothing.
  std::string fault_of(std::vector<std::byte> code) const {
    CodeObject changed = kernel_.code();
    changed.code = std::move(code);
    const LaunchShape shape{.grid = {is_gemm_ ? 8U : 2U, 1, 1},
                            .block = {static_cast<std::uint32_t>(kernel_.plan().threads_per_block), 1, 1},
                            .dynamic_shared_bytes = kernel_.plan().dynamic_shared_bytes};
    const auto loaded = amd_.driver().load(0, changed, shape);
    REQUIRE(message(loaded) == "");
    const std::string fault = is_gemm_ ? launch_gemm(**loaded, shape) : launch_quantize(**loaded, shape);
    testing::reset_device();
    return fault;
  }

  /// Of some of the places, each changed alone: how many faults contain one of the texts. Another fault is an error.
  std::size_t found(WordPattern pattern, const std::function<std::uint32_t(std::uint32_t)>& change, std::size_t most,
                    const std::vector<std::string>& texts, std::size_t& planted) const {
    const std::vector<std::size_t> places = testing::places_of(code(), pattern);
    const std::size_t step = std::max<std::size_t>(1, places.size() / most);
    std::size_t count = 0;
    for (std::size_t at = 0; at < places.size(); at += step) {
      std::uint32_t word = 0;
      std::memcpy(&word, code().data() + places[at], sizeof word);
      const std::string fault = fault_of(testing::with_word(code(), places[at], change(word)));
      const bool is_named = std::ranges::any_of(
          texts, [&fault](const std::string& text) { return fault.find(text) != std::string::npos; });
      CAPTURE(fault);
      CHECK((fault.empty() || is_named));
      count += is_named ? 1U : 0U;
      ++planted;
    }
    return count;
  }

 private:
  std::string launch_gemm(const LoadedKernel& loaded, const LaunchShape& shape) const {
    const auto a = zeros(kRows * kK * 2), b = zeros(kGroups * kN * kK * 2), d = zeros(kRows * kN * 2);
    const auto scales = zeros(kGroups * kN * 8);
    const auto offsets = amd_.upload(std::vector<std::int32_t>{2, 2, 69, 98, 99});
    const GroupedGemmArgs args{a->data(), b->data(), d->data(), static_cast<const float*>(scales->data()),
                               static_cast<const float*>(scales->data()), static_cast<const int*>(offsets->data()),
                               kRows};
    return launched(loaded.launch(shape, &args, sizeof args, nullptr));
  }

  std::string launch_quantize(const LoadedKernel& loaded, const LaunchShape& shape) const {
    const auto x = zeros(testing::kQuantizeRows * testing::kQuantizeK * 2);
    const auto q = zeros(testing::kQuantizeRows * testing::kQuantizeK);
    const auto scale = zeros(testing::kQuantizeRows * testing::kQuantizeBlocks * 4);
    const QuantizeArgs args{x->data(), q->data(), static_cast<float*>(scale->data()), testing::kQuantizeRows};
    return launched(loaded.launch(shape, &args, sizeof args, nullptr));
  }

  std::string launched(const Result<void>& result) const {
    return message(result) + message(amd_.driver().synchronize(0));
  }

  std::unique_ptr<DeviceBuffer> zeros(std::int64_t bytes) const {
    return amd_.upload(std::vector<std::byte>(static_cast<std::size_t>(bytes)));
  }

  const SimulatedAmd& amd_;
  const Kernel& kernel_;
  bool is_gemm_;
};

std::uint32_t nothing(std::uint32_t) { return testing::kNop; }

}  // namespace

// A wait that nothing depends on on the way that is taken may go unnoticed, and so may a barrier of another wave's
// pace; those for arguments, for memory before LDS and for LDS before the product may not.
TEST_CASE("mistakes planted into the kernels of the templates are found and named") {
  SimulatedAmd amd;
  auto* const set_checks = testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks");
  const Params gemm = {{"n", std::to_string(Planted::kN)}, {"k", std::to_string(Planted::kK)},
                       {"groups", std::to_string(Planted::kGroups)}, {"vskip", "off"}};
  Params block = gemm;
  block.emplace_back("quant", "fp8_block");
  set_checks(kChecks);
  for (const bool is_block : {false, true}) {
    const Planted kernel(amd, "grouped_gemm", is_block ? block : gemm);
    CAPTURE(is_block);
    REQUIRE(kernel.fault_of(kernel.code()) == "");
    std::size_t planted = 0;
    CHECK(2 * kernel.found(testing::kWait, nothing, 10, {"before the s_waitcnt", "waited for its write"}, planted) >=
          planted);
    CHECK(planted >= 10);
    CHECK(kernel.found(testing::kBarrier, nothing, 8, {"LDS race: word", "waited for its write"}, planted) >= 1);
    CHECK(kernel.found(kStore, [](std::uint32_t word) { return (word & ~kOffsetMask) | kFarBefore; }, 4,
                       {"write of"}, planted) >= 1);
    std::size_t sets = 0;
    const std::vector<std::string> unwritten = {"is read and was never written"};
    CHECK(kernel.found(kSetOne, nothing, 8, unwritten, sets) + kernel.found(kSetTwo, nothing, 8, unwritten, sets) >= 1);
  }
  const Planted quantize(amd, "quantize", {{"k", std::to_string(testing::kQuantizeK)}, {"vskip", "off"}});
  REQUIRE(quantize.fault_of(quantize.code()) == "");
  std::size_t planted = 0;
  CHECK(quantize.found(testing::kWait, nothing, 8, {"before the s_waitcnt", "waited for its write"}, planted) >= 3);
  CHECK(quantize.found(kStore, [](std::uint32_t word) { return (word & ~kOffsetMask) | kFarBefore; }, 4, {"write of"},
                       planted) >= 1);
  set_checks(0);
}

}  // namespace sinter
