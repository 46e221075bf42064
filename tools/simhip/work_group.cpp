// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/work_group.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/lane_memory.h"

namespace sinter::sim {

namespace {

// What no instruction wrote: a quiet NaN that is no address either.
constexpr std::uint32_t kUnwritten = 0x7fc0dead;

// gfx90a and later pack the three numbers of a work-item into v0.
constexpr unsigned kBitsPerAxis = 10;

// What a lane gets whose stack nobody knows the size of: recursion, or calls through pointers.
constexpr std::uint32_t kDynamicStackBytes = 16384;

constexpr std::uint32_t kChecksOfRegisters = kCheckWaits | kCheckUnwritten | kCheckWaitStates;

}  // namespace

WorkGroupRunner::WorkGroupRunner(const Launch& launch)
    : launch_(launch),
      lds_(LdsWatch{.races = (launch.checks & kCheckRaces) != 0,
                    .unwritten = (launch.checks & kCheckUnwrittenLds) != 0,
                    .waits = (launch.checks & kCheckWaits) != 0}) {
  for (std::uint32_t thread = 0; thread < launch.threads(); thread += kLanes) {
    waves_.push_back(std::make_unique<Wave>());
    if ((launch.checks & kChecksOfRegisters) != 0) {
      checks_.push_back(std::make_unique<WaveChecks>());
    }
  }
  if (launch.preemption.one_in != 0) {
    preemptions_.resize(waves_.size());
  }
  if ((launch.checks & kCheckWaits) != 0) {
    std::vector<const WaveChecks*> watched;
    for (const std::unique_ptr<WaveChecks>& checks : checks_) {
      watched.push_back(checks.get());
    }
    lds_.watch_waits_of(std::move(watched));
  }
  const KernelCode& kernel = *launch.kernel;
  const std::uint32_t least = kernel.has_dynamic_stack ? kDynamicStackBytes : 0;
  lane_scratch_bytes_ = (std::max(kernel.scratch_bytes, least) + 15) / 16 * 16;
  scratch_.resize(waves_.size() * kLanes * std::size_t{lane_scratch_bytes_});
}

/// Scratch is the wave's own: its offset among all waves' is 0.
void WorkGroupRunner::start_scratch(Wave& wave, std::uint32_t index) {
  const GivenScalars& given = launch_.kernel->scalars;
  const std::size_t bytes = kLanes * std::size_t{lane_scratch_bytes_};
  wave.scratch = {scratch_.data() + index * bytes, lane_scratch_bytes_};
  const auto address = reinterpret_cast<std::uintptr_t>(wave.scratch.memory);
  if (given.scratch_descriptor) {
    wave.set_pair(*given.scratch_descriptor, address);
    wave.scalars[*given.scratch_descriptor + 2U] = ~0U;
    wave.scalars[*given.scratch_descriptor + 3U] = kScratchDescriptor;
  }
  if (given.flat_scratch) {
    wave.set_pair(*given.flat_scratch, address);
  }
  if (given.scratch_bytes) {
    wave.scalars[*given.scratch_bytes] = lane_scratch_bytes_;
  }
  if (given.scratch_offset) {
    wave.scalars[*given.scratch_offset] = 0;
  }
}

/// The queue and the number of the dispatch are not provided, and compilers ask for them on suspicion: their registers
/// hold what no instruction wrote, which is no address.
void WorkGroupRunner::start_scalars(Wave& wave, const std::array<std::uint32_t, 3>& group) {
  const GivenScalars& given = launch_.kernel->scalars;
  wave.scalars.fill(kUnwritten);
  wave.set_pair(kSharedBase, std::uint64_t{kSharedWindow} << 32);
  wave.set_pair(kSharedLimit, std::uint64_t{kSharedWindow} << 32 | 0xffffffff);
  wave.set_pair(kPrivateBase, std::uint64_t{kPrivateWindow} << 32);
  wave.set_pair(kPrivateLimit, std::uint64_t{kPrivateWindow} << 32 | 0xffffffff);
  if (given.arguments) {
    wave.set_pair(*given.arguments, reinterpret_cast<std::uintptr_t>(launch_.arguments.data()));
  }
  if (given.packet) {
    wave.set_pair(*given.packet, reinterpret_cast<std::uintptr_t>(launch_.arguments.data() + launch_.packet_offset));
  }
  const std::size_t preloaded = std::min<std::size_t>(std::size_t{4} * given.preloaded_dwords,
                                                      launch_.arguments.size() - std::size_t{4} * given.preloaded_from);
  std::memcpy(&wave.scalars[given.preloaded], launch_.arguments.data() + std::size_t{4} * given.preloaded_from,
              preloaded);
  std::uint32_t next = given.groups;
  for (unsigned axis = 0; axis < 3; ++axis) {
    if (given.has_group[axis]) {
      wave.scalars[next++] = group[axis];
    }
  }
}

/// The registers that hold something when a wave starts.
void WorkGroupRunner::note_start(WaveChecks& checks) const {
  const GivenScalars& given = launch_.kernel->scalars;
  checks.reset(launch_.checks, launch_.code->arch);
  checks.note_start({RegisterFile::kVector, 1, 0});
  const auto note = [&checks](const std::optional<std::uint16_t>& first, std::uint8_t count) {
    if (first) {
      checks.note_start({RegisterFile::kScalar, count, *first});
    }
  };
  note(given.scratch_descriptor, 4);
  note(given.packet, 2);
  note(given.arguments, 2);
  note(given.flat_scratch, 2);
  note(given.scratch_bytes, 1);
  note(given.preloaded, static_cast<std::uint8_t>(given.preloaded_dwords));
  note(given.groups, static_cast<std::uint8_t>(std::ranges::count(given.has_group, true)));
  note(given.scratch_offset, 1);
}

void WorkGroupRunner::start(Wave& wave, std::uint32_t index, const std::array<std::uint32_t, 3>& group) {
  start_scalars(wave, group);
  start_scratch(wave, index);
  for (Lane& registers : wave.vectors) {
    registers.fill(kUnwritten);
  }
  std::uint64_t active = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t thread = index * kLanes + lane;
    const std::uint32_t x = thread % launch_.block[0], y = thread / launch_.block[0] % launch_.block[1];
    const std::uint32_t z = thread / launch_.block[0] / launch_.block[1];
    wave.vectors[0][lane] = x | y << kBitsPerAxis | z << (2 * kBitsPerAxis);
    active |= std::uint64_t{thread < launch_.threads()} << lane;
  }
  wave.set_pair(kExec, active);
  wave.scc = wave.skips_vectors = false;
  wave.indexed_operands = 0;
  wave.clock = 0;
  wave.state = WaveState::kRunning;
  wave.index = index;
  wave.pc = launch_.kernel->entry;
  wave.code_dwords = static_cast<std::uint32_t>(launch_.code->text.instructions.size());
  wave.code_address = launch_.code->text.address;
  wave.load_bias = launch_.code->image.bias();
  wave.arch = launch_.arch;
  wave.lds = &lds_;
  wave.memory.attach(launch_.memory);
  wave.checks = checks_.empty() ? nullptr : checks_[index].get();
  if (wave.checks != nullptr) {
    note_start(*wave.checks);
  }
  if (!preemptions_.empty()) {
    const std::uint64_t number =
        group[0] + std::uint64_t{launch_.grid[0]} * (group[1] + std::uint64_t{launch_.grid[1]} * group[2]);
    preemptions_[index].reset(launch_.preemption, number * waves_.size() + index);
  }
}

/// Executes an instruction while VSKIP is on or registers are indexed by M0.
void WorkGroupRunner::execute(Wave& wave, const Instruction& instruction) {
  if (instruction.instruction_class == InstructionClass::kScalar) {
    instruction.execute(wave, instruction);
    return;
  }
  if (wave.skips_vectors) {
    ++counts_.skipped;
    return;
  }
  counts_.vector_memory += instruction.instruction_class == InstructionClass::kVectorMemory ? 1U : 0U;
  Instruction moved = instruction;
  if (instruction.instruction_class == InstructionClass::kVectorAlu) {
    const auto distance = static_cast<std::uint16_t>(wave.scalars[kM0] & 0xff);
    for (unsigned number = 0; number < instruction.operand_count; ++number) {
      const unsigned bit = number == 0 ? 3 : number - instruction.first_source;
      Operand& operand = moved.operands[number];
      if (operand.kind == OperandKind::kVector && (wave.indexed_operands >> bit & 1) != 0) {
        operand.index = static_cast<std::uint16_t>(std::min(operand.index + distance, 511));
      }
    }
  }
  moved.execute(wave, moved);
}

template <bool kIsWatched>
void WorkGroupRunner::run_to_barrier(Wave& wave) {
  const Instruction* const instructions = launch_.code->text.instructions.data();
  while (wave.state == WaveState::kRunning) {
    const Instruction& instruction = instructions[wave.pc];
    wave.next = wave.pc + instruction.dwords;
    ++counts_.instructions;
    if constexpr (kIsWatched) {
      if (!preemptions_.empty()) {
        preemptions_[wave.index].maybe_interrupt(wave);
      }
      const bool is_skipped = wave.skips_vectors && instruction.instruction_class != InstructionClass::kScalar;
      if (wave.checks != nullptr && !is_skipped) {
        wave.checks->before(wave, launch_.code->text.facts[wave.pc], instruction.instruction_class);
        if (wave.state == WaveState::kFaulted) {
          return;
        }
      }
    }
    if (wave.skips_vectors || wave.indexed_operands != 0) {
      execute(wave, instruction);
    } else {
      counts_.vector_memory += instruction.instruction_class == InstructionClass::kVectorMemory ? 1U : 0U;
      instruction.execute(wave, instruction);
    }
    // Of a fault, the instruction is named.
    wave.pc = wave.state == WaveState::kFaulted ? wave.pc : wave.next;
  }
}

Fault WorkGroupRunner::located(const Wave& wave, const std::array<std::uint32_t, 3>& group) const {
  const DecodedText& text = launch_.code->text;
  Fault fault = wave.fault;
  fault.message = fmt::format("kernel {}, work-group {},{},{}, wave {}, at {:#x} \"{}\": {}", launch_.kernel->name,
                              group[0], group[1], group[2], wave.index, text.address + 4 * std::uint64_t{wave.pc},
                              text.texts[wave.pc], wave.fault.message);
  if (!text.problems[wave.pc].empty()) {
    fault.message += fmt::format(" ({})", text.problems[wave.pc]);
  }
  if (const std::string line = launch_.code->source_line(text.address + 4 * std::uint64_t{wave.pc}); !line.empty()) {
    fault.message += fmt::format(" [{}]", line);
  }
  return fault;
}

std::optional<Fault> WorkGroupRunner::run(const std::array<std::uint32_t, 3>& group) {
  lds_.reset(launch_.kernel->lds_bytes + launch_.dynamic_lds_bytes);
  for (std::uint32_t index = 0; index < waves_.size(); ++index) {
    start(*waves_[index], index, group);
  }
  const bool is_watched = !checks_.empty() || !preemptions_.empty();
  bool is_running = true;
  while (is_running) {
    is_running = false;
    for (const std::unique_ptr<Wave>& wave : waves_) {
      is_watched ? run_to_barrier<true>(*wave) : run_to_barrier<false>(*wave);
      if (wave->state == WaveState::kFaulted) {
        return located(*wave, group);
      }
    }
    // Waves that have ended count as arrived.
    lds_.pass_barrier();
    for (const std::unique_ptr<Wave>& wave : waves_) {
      if (wave->state == WaveState::kAtBarrier) {
        wave->state = WaveState::kRunning;
        is_running = true;
      }
    }
  }
  for (const Preemption& preemption : preemptions_) {
    counts_.preemptions += preemption.count();
  }
  return std::nullopt;
}

}  // namespace sinter::sim
