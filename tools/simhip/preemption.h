// SPDX-License-Identifier: Apache-2.0
#pragma once

// Preempted waves: at random instructions a wave is taken off the device and put back, as the amdgpu driver's trap
// handler does when a queue loses its place. The handler stores vector registers and LDS by vector instructions; an old
// handler does so with the wave's own VSKIP still set, so that they are skipped, and what comes back is what the save
// area held before.

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "tools/simhip/wave.h"

namespace sinter::sim {

enum class TrapHandler : std::uint8_t {
  kOld,    ///< Saves under the wave's VSKIP.
  kFixed,  ///< Clears VSKIP first.
};

struct PreemptionOptions {
  std::uint32_t one_in = 0;  ///< On average every so many instructions of a wave; 0 is never.
  std::uint32_t seed = 0;    ///< The same seed, kernel and work-group: the same instructions.
  TrapHandler handler = TrapHandler::kOld;
};

/// Of one wave. Used by one thread at a time.
class Preemption {
 public:
  /// A wave that starts; `stream` tells waves apart.
  void reset(const PreemptionOptions& options, std::uint64_t stream);

  /// Called before each instruction.
  void maybe_interrupt(Wave& wave) {
    if (left_ != 0 && --left_ == 0) {
      save_and_restore(wave);
      left_ = next_distance();
    }
  }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t next_distance();
  void save_and_restore(Wave& wave);

  PreemptionOptions options_;
  std::minstd_rand random_;
  std::uint64_t left_ = 0;  ///< Instructions; 0 is never.
  std::uint64_t count_ = 0;
  std::vector<Lane> save_area_;  ///< What the last save of this wave left.
};

}  // namespace sinter::sim
