// SPDX-License-Identifier: Apache-2.0
#pragma once

// What hardware hides, watched for one wave: registers that are used before the s_waitcnt that their load needs, that
// nothing wrote, or too few wait states after an instruction whose result hardware does not wait for. A device would
// go on with whatever a register holds.

#include <array>
#include <cstdint>
#include <deque>
#include <string>

#include "tools/simhip/instruction_facts.h"
#include "tools/simhip/memory_map.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

/// Bits; which of them a launch has is sinter_simhip_set_checks'.
enum CheckSet : std::uint32_t {
  kNoChecks = 0,
  kCheckWaits = 1,
  kCheckUnwritten = 2,
  kCheckWaitStates = 4,
  kCheckUnwrittenLds = 8,
  kCheckRaces = 16,
};

/// Used by one thread at a time.
class WaveChecks {
 public:
  /// A wave that starts: what its registers hold by then was written.
  void reset(std::uint32_t checks, std::string_view arch);
  void note_start(const RegisterRange& range);

  /// Called before an instruction executes; stops the wave if something is wrong.
  void before(Wave& wave, const InstructionFacts& facts, InstructionClass instruction_class);

  /// Names the LDS or memory operation that executes now, for is_done().
  std::uint32_t ticket() const { return ticket_; }
  /// Whether this wave has waited for it.
  bool is_done(std::uint32_t ticket) const;

 private:
  static constexpr std::int64_t kLongAgo = -1000;

  /// A memory operation that may not have ended.
  struct Operation {
    std::uint32_t pc = 0, ticket = 0;
    RegisterRange to;
  };
  /// Of a register.
  struct State {
    std::uint64_t written_lanes = 0;  ///< Scalars: all or none.
    std::uint8_t loads = 0;           ///< In flight; a flat load counts twice, in both counters.
    std::uint32_t load_pc = 0;
    InFlight load = InFlight::kNothing;
    std::int64_t valu_time = kLongAgo, transcendental_time = kLongAgo, matrix_ready = kLongAgo;
  };

  State& state(RegisterFile file, unsigned index) {
    return file == RegisterFile::kVector ? vectors_[index] : scalars_[index];
  }
  void check_waits(Wave& wave, const InstructionFacts& facts, const RegisterRange& range, Access access);
  void check_written(Wave& wave, const InstructionFacts& facts, const RegisterRange& range, InstructionClass type);
  void check_states(Wave& wave, const InstructionFacts& facts, const RegisterRange& range, InstructionClass type,
                    bool is_read, bool is_addend);
  void require(Wave& wave, std::int64_t since, int needed, const RegisterRange& range, std::string_view rule);
  void note_writes(const Wave& wave, const InstructionFacts& facts, InstructionClass type);
  void start_operation(const Wave& wave, const InstructionFacts& facts);
  void wait(std::uint16_t immediate);
  void finish(const Operation& operation);
  void finish_oldest(std::deque<Operation>& operations, std::size_t left);

  std::uint32_t checks_ = kNoChecks;
  bool has_later_rules_ = false;  ///< gfx942 and gfx950.
  std::int64_t time_ = 0;         ///< In wait states.
  std::int64_t m0_time_ = kLongAgo;
  std::array<State, 512> vectors_;
  std::array<State, 128> scalars_;
  // Vector memory and LDS end in order, scalar loads in any.
  std::deque<Operation> vector_memory_, lds_, scalar_memory_;
  std::uint32_t ticket_ = 0;
};

}  // namespace sinter::sim
