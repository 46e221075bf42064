// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs one work-group: each wave in turn until the next barrier, until all have ended.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tools/simhip/code_object.h"
#include "tools/simhip/lds.h"
#include "tools/simhip/memory_map.h"
#include "tools/simhip/preemption.h"
#include "tools/simhip/wave.h"
#include "tools/simhip/wave_checks.h"

namespace sinter::sim {

/// One launch, as its work-groups see it.
struct Launch {
  const LoadedCode* code = nullptr;
  const KernelCode* kernel = nullptr;
  ArchTraits arch;
  std::uint32_t checks = kNoChecks;  ///< Of CheckSet.
  PreemptionOptions preemption;
  std::array<std::uint32_t, 3> grid{1, 1, 1}, block{1, 1, 1};
  std::uint32_t dynamic_lds_bytes = 0;
  std::span<const std::byte> arguments;  ///< The kernel's, and behind them the dispatch packet.
  std::size_t packet_offset = 0;
  const MemoryRanges* memory = nullptr;

  std::uint32_t threads() const { return block[0] * block[1] * block[2]; }
};

struct ExecutionCounts {
  std::uint64_t instructions = 0, vector_memory = 0, skipped = 0, preemptions = 0;
};

/// Used by one thread; holds the waves' registers, which are reused.
class WorkGroupRunner {
 public:
  explicit WorkGroupRunner(const Launch& launch);

  /// A fault's message says where: work-group, wave, instruction.
  std::optional<Fault> run(const std::array<std::uint32_t, 3>& group);
  const ExecutionCounts& counts() const { return counts_; }

 private:
  void start(Wave& wave, std::uint32_t index, const std::array<std::uint32_t, 3>& group);
  void start_scalars(Wave& wave, const std::array<std::uint32_t, 3>& group);
  void start_scratch(Wave& wave, std::uint32_t index);
  void execute(Wave& wave, const Instruction& instruction);
  void note_start(WaveChecks& checks) const;
  template <bool kIsWatched>
  void run_to_barrier(Wave& wave);
  Fault located(const Wave& wave, const std::array<std::uint32_t, 3>& group) const;

  const Launch& launch_;
  Lds lds_;
  std::vector<std::unique_ptr<Wave>> waves_;
  std::vector<std::unique_ptr<WaveChecks>> checks_;  // of each wave; empty without checks
  std::vector<Preemption> preemptions_;              // likewise
  std::vector<std::byte> scratch_;                   // of all waves
  std::uint32_t lane_scratch_bytes_ = 0;
  ExecutionCounts counts_;
};

}  // namespace sinter::sim
