// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/wave_checks.h"

#include <algorithm>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

// The counters' widths: at most so many operations are in flight, the next one waits.
constexpr std::size_t kMostVectorMemory = 63, kMostLds = 15;
constexpr std::uint64_t kAllLanes = ~std::uint64_t{0};

// Wait states that hardware does not insert. AMD's CDNA ISA documents, "manually inserted wait states".
constexpr int kScalarToMemory = 5;       // VALU writes an SGPR, vector memory reads it
constexpr int kScalarToLaneSelect = 4;   // VALU writes an SGPR, v_readlane or v_writelane selects by it
constexpr int kVccToDivision = 4;        // VALU writes VCC, v_div_fmas reads it
constexpr int kVectorToDpp = 2;          // VALU writes a VGPR, DPP reads it
constexpr int kM0ToLdsLoad = 1;          // SALU writes M0, a load to LDS
constexpr int kScalarToVector = 2;       // gfx942 on: VALU writes an SGPR, VALU reads it
constexpr int kVectorToReadLane = 1;     // gfx942 on: VALU writes a VGPR, v_readlane or v_readfirstlane reads it
constexpr int kTranscendental = 1;       // gfx942 on: v_rcp and the like, VALU of another kind reads

bool is_vector_alu(const InstructionFacts& facts, InstructionClass type) {
  return type == InstructionClass::kVectorAlu && facts.kind != InstructionKind::kMatrix;
}

}  // namespace

void WaveChecks::reset(std::uint32_t checks, std::string_view arch) {
  checks_ = checks;
  has_later_rules_ = arch != "gfx90a";
  time_ = 0;
  m0_time_ = kLongAgo;
  vectors_.fill({});
  scalars_.fill({});
  vector_memory_.clear();
  lds_.clear();
  scalar_memory_.clear();
}

void WaveChecks::note_start(const RegisterRange& range) {
  for (unsigned i = 0; i < range.count; ++i) {
    state(range.file, range.begin + i).written_lanes = kAllLanes;
  }
}

void WaveChecks::check_waits(Wave& wave, const InstructionFacts& facts, const RegisterRange& range, Access access) {
  // Loads of one kind that end in order may follow each other into a register.
  const bool may_follow = access == Access::kWrite &&
                          (facts.in_flight == InFlight::kVectorMemory || facts.in_flight == InFlight::kLds);
  for (unsigned i = 0; i < range.count; ++i) {
    const State& found = state(range.file, range.begin + i);
    if (found.loads != 0 && !(may_follow && found.load == facts.in_flight)) {
      wave.stop(FaultKind::kIllegalCode,
                fmt::format("{} is {} before the s_waitcnt that the load at {} needs",
                            name_of({range.file, 1, static_cast<std::uint16_t>(range.begin + i)}),
                            access == Access::kRead ? "read" : "overwritten",
                            wave.address_text(found.load_pc)));
      return;
    }
  }
}

void WaveChecks::check_written(Wave& wave, const InstructionFacts& facts, const RegisterRange& range,
                               InstructionClass type) {
  const bool is_scalar = range.file == RegisterFile::kScalar || type == InstructionClass::kScalar;
  const std::uint64_t needed = is_scalar || facts.kind == InstructionKind::kMatrix ? kAllLanes : wave.exec();
  for (unsigned i = 0; i < range.count; ++i) {
    const std::uint64_t written = state(range.file, range.begin + i).written_lanes;
    const bool is_enough = facts.kind == InstructionKind::kLaneAccess ? written != 0 : (needed & ~written) == 0;
    if (!is_enough) {
      wave.stop(FaultKind::kIllegalCode,
                fmt::format("{} is read and was never written{}",
                            name_of({range.file, 1, static_cast<std::uint16_t>(range.begin + i)}),
                            written == 0 || is_scalar ? "" : " in every active lane"));
      return;
    }
  }
}

void WaveChecks::require(Wave& wave, std::int64_t since, int needed, const RegisterRange& range,
                         std::string_view rule) {
  if (const std::int64_t passed = time_ - since - 1; passed < needed) {
    wave.stop(FaultKind::kIllegalCode,
              fmt::format("{} needs {} wait states between: {}, here are {}", name_of(range), needed, rule, passed));
  }
}

void WaveChecks::check_states(Wave& wave, const InstructionFacts& facts, const RegisterRange& range,
                              InstructionClass type, bool is_read, bool is_addend) {
  const bool is_memory = type == InstructionClass::kVectorMemory || type == InstructionClass::kLds;
  for (unsigned i = 0; i < range.count; ++i) {
    const State& found = state(range.file, range.begin + i);
    const RegisterRange one{range.file, 1, static_cast<std::uint16_t>(range.begin + i)};
    // Sums pass from one matrix instruction to the next inside of the unit; forms that differ are not checked.
    if (found.matrix_ready > time_ && !is_addend && type != InstructionClass::kScalar) {
      wave.stop(FaultKind::kIllegalCode,
                fmt::format("{} is touched {} wait states too early after the matrix instruction that writes it",
                            name_of(one), found.matrix_ready - time_));
    }
    if (!is_read) {
      continue;
    }
    const bool is_vcc = range.file == RegisterFile::kScalar && range.begin + i - kVcc < 2U;
    if (range.file == RegisterFile::kScalar && type == InstructionClass::kVectorMemory) {
      require(wave, found.valu_time, kScalarToMemory, one, "a vector instruction writes it, memory reads");
    }
    if (range.file == RegisterFile::kScalar && facts.kind == InstructionKind::kLaneAccess) {
      require(wave, found.valu_time, kScalarToLaneSelect, one, "a vector instruction writes it, a lane is selected");
    }
    if (is_vcc && facts.kind == InstructionKind::kDivisionFused) {
      require(wave, found.valu_time, kVccToDivision, one, "a vector instruction writes it, v_div_fmas reads");
    }
    if (range.file == RegisterFile::kVector && facts.is_dpp) {
      require(wave, found.valu_time, kVectorToDpp, one, "a vector instruction writes it, DPP reads");
    }
    if (has_later_rules_ && range.file == RegisterFile::kScalar && is_vector_alu(facts, type)) {
      require(wave, found.valu_time, kScalarToVector, one, "a vector instruction writes it, another reads");
    }
    if (has_later_rules_ && range.file == RegisterFile::kVector && facts.kind == InstructionKind::kLaneAccess) {
      require(wave, found.valu_time, kVectorToReadLane, one, "a vector instruction writes it, a lane is read");
    }
    if (has_later_rules_ && !is_memory && range.file == RegisterFile::kVector &&
        facts.kind != InstructionKind::kTranscendental) {
      require(wave, found.transcendental_time, kTranscendental, one, "v_rcp or the like writes it, another kind reads");
    }
  }
}

void WaveChecks::start_operation(const Wave& wave, const InstructionFacts& facts) {
  if (facts.in_flight == InFlight::kNothing) {
    return;
  }
  Operation operation{wave.pc, ++ticket_, facts.write_count != 0 ? facts.writes[0] : RegisterRange{}};
  const unsigned counters = facts.in_flight == InFlight::kFlat ? 2 : 1;
  for (unsigned i = 0; i < operation.to.count; ++i) {
    State& loaded = state(operation.to.file, operation.to.begin + i);
    loaded.loads = static_cast<std::uint8_t>(loaded.loads + counters);
    loaded.load_pc = wave.pc;
    loaded.load = facts.in_flight;
  }
  if (facts.in_flight == InFlight::kVectorMemory || facts.in_flight == InFlight::kFlat) {
    finish_oldest(vector_memory_, kMostVectorMemory - 1);
    vector_memory_.push_back(operation);
  }
  if (facts.in_flight == InFlight::kLds) {
    finish_oldest(lds_, kMostLds - 1);
    lds_.push_back(operation);
  }
  if (facts.in_flight == InFlight::kScalarMemory || facts.in_flight == InFlight::kFlat) {
    scalar_memory_.push_back(operation);
  }
}

void WaveChecks::finish(const Operation& operation) {
  for (unsigned i = 0; i < operation.to.count; ++i) {
    --state(operation.to.file, operation.to.begin + i).loads;
  }
}

void WaveChecks::finish_oldest(std::deque<Operation>& operations, std::size_t left) {
  while (operations.size() > left) {
    finish(operations.front());
    operations.pop_front();
  }
}

/// s_waitcnt: vmcnt in bits 0 to 3, 14 and 15, lgkmcnt in bits 8 to 11. Scalar loads end in any order, so that of a
/// mixture only what must have ended has.
void WaveChecks::wait(std::uint16_t immediate) {
  const std::size_t vector_memory = (immediate & 15U) | (immediate >> 14 & 3U) << 4;
  const std::size_t lds = immediate >> 8 & 15U;
  finish_oldest(vector_memory_, vector_memory);
  finish_oldest(lds_, lds);
  if (lds == 0) {
    finish_oldest(scalar_memory_, 0);
  }
}

bool WaveChecks::is_done(std::uint32_t ticket) const {
  const auto is_it = [ticket](const Operation& operation) { return operation.ticket == ticket; };
  return std::ranges::none_of(vector_memory_, is_it) && std::ranges::none_of(lds_, is_it);
}

void WaveChecks::note_writes(const Wave& wave, const InstructionFacts& facts, InstructionClass type) {
  const bool is_alu = is_vector_alu(facts, type);
  const bool is_masked = type != InstructionClass::kScalar && facts.kind != InstructionKind::kMatrix &&
                         facts.kind != InstructionKind::kLaneAccess;
  for (unsigned w = 0; w < facts.write_count; ++w) {
    const RegisterRange& range = facts.writes[w];
    for (unsigned i = 0; i < range.count; ++i) {
      State& written = state(range.file, range.begin + i);
      const bool is_whole = range.file == RegisterFile::kScalar || !is_masked;
      const std::uint64_t lanes = is_whole ? kAllLanes : wave.exec();
      std::uint64_t from = kAllLanes;
      if (facts.kind == InstructionKind::kCopy && facts.read_count != 0) {
        const RegisterRange& source = facts.reads[0];
        from = state(source.file, source.begin + std::min<unsigned>(i, source.count - 1U)).written_lanes;
      }
      written.written_lanes = (written.written_lanes & ~lanes) | (from & lanes);
      written.valu_time = is_alu ? time_ : kLongAgo;
      written.transcendental_time = facts.kind == InstructionKind::kTranscendental ? time_ : kLongAgo;
      written.matrix_ready = facts.matrix_states != 0 ? time_ + 1 + facts.matrix_states : kLongAgo;
      if (range.file == RegisterFile::kScalar && range.begin + i == kM0 && type == InstructionClass::kScalar) {
        m0_time_ = time_;
      }
    }
  }
}

void WaveChecks::before(Wave& wave, const InstructionFacts& facts, InstructionClass type) {
  const bool is_copy = facts.kind == InstructionKind::kCopy;
  for (unsigned r = 0; r < facts.read_count; ++r) {
    if ((checks_ & kCheckWaits) != 0) {
      check_waits(wave, facts, facts.reads[r], Access::kRead);
    }
    if ((checks_ & kCheckUnwritten) != 0 && !is_copy) {
      check_written(wave, facts, facts.reads[r], type);
    }
    if ((checks_ & kCheckWaitStates) != 0) {
      const bool is_addend = facts.kind == InstructionKind::kMatrix && r == 2;
      check_states(wave, facts, facts.reads[r], type, true, is_addend);
    }
  }
  for (unsigned w = 0; w < facts.write_count; ++w) {
    if ((checks_ & kCheckWaits) != 0) {
      check_waits(wave, facts, facts.writes[w], Access::kWrite);
    }
    if ((checks_ & kCheckWaitStates) != 0) {
      check_states(wave, facts, facts.writes[w], type, false, facts.kind == InstructionKind::kMatrix);
    }
  }
  if ((checks_ & kCheckWaitStates) != 0 && facts.kind == InstructionKind::kLdsLoad) {
    require(wave, m0_time_, kM0ToLdsLoad, {RegisterFile::kScalar, 1, kM0}, "s_mov writes it, a load to LDS reads");
  }
  if (facts.kind == InstructionKind::kWaitCount) {
    wait(facts.immediate);
  }
  note_writes(wave, facts, type);
  start_operation(wave, facts);
  time_ += facts.wait_states;
}

}  // namespace sinter::sim
