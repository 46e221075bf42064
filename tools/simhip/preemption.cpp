// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/preemption.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "tools/simhip/lds.h"

namespace sinter::sim {

namespace {
constexpr std::uint32_t kNeverSaved = 0xdeadbeef;  // what a fresh save area holds
}  // namespace

void Preemption::reset(const PreemptionOptions& options, std::uint64_t stream) {
  options_ = options;
  count_ = 0;
  if (options.one_in == 0) {
    left_ = 0;
    return;
  }
  std::seed_seq seeds{options.seed, static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  random_.seed(seeds);
  left_ = next_distance();
  Lane never_saved;
  never_saved.fill(kNeverSaved);
  save_area_.assign(std::tuple_size_v<decltype(Wave::vectors)>, never_saved);
}

std::uint64_t Preemption::next_distance() {
  return std::uniform_int_distribution<std::uint64_t>(1, 2 * std::uint64_t{options_.one_in})(random_);
}

/// Scalars, MODE and EXEC are stored by scalar instructions and survive. The handler ends with the wave's own MODE, and
/// restores with VSKIP clear.
void Preemption::save_and_restore(Wave& wave) {
  ++count_;
  const bool skips_saving = wave.skips_vectors && options_.handler == TrapHandler::kOld;
  if (!skips_saving) {
    std::ranges::copy(wave.vectors, save_area_.begin());
  }
  std::ranges::copy(save_area_, wave.vectors.begin());
  if (skips_saving && wave.index == 0) {  // the first wave of a work-group saves its LDS
    wave.lds->lose();
  }
}

}  // namespace sinter::sim
