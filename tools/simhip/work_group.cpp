// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/work_group.h"

#include <algorithm>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

// What no instruction wrote: a quiet NaN that is no address either.
constexpr std::uint32_t kUnwritten = 0x7fc0dead;

// gfx90a and later pack the three numbers of a work-item into v0.
constexpr unsigned kBitsPerAxis = 10;

}  // namespace

WorkGroupRunner::WorkGroupRunner(const Launch& launch)
    : launch_(launch),
      lds_((launch.checks & kCheckUnwrittenLds) != 0 ? Lds::Unwritten::kIsFault : Lds::Unwritten::kIsPoison) {
  for (std::uint32_t thread = 0; thread < launch.threads(); thread += kLanes) {
    waves_.push_back(std::make_unique<Wave>());
    if ((launch.checks & ~std::uint32_t{kCheckUnwrittenLds}) != 0) {
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
    lds_.watch(std::move(watched));
  }
}

/// Scalars: the arguments' address, then the work-group's number. The ABI of LLVM's AMDGPU user guide.
void WorkGroupRunner::start_scalars(Wave& wave, const std::array<std::uint32_t, 3>& group) {
  wave.scalars.fill(kUnwritten);
  if (launch_.kernel->has_argument_pointer) {
    wave.set_pair(launch_.kernel->argument_pointer, reinterpret_cast<std::uintptr_t>(launch_.arguments.data()));
  }
  if (launch_.kernel->has_packet_pointer) {
    wave.set_pair(launch_.kernel->packet_pointer,
                  reinterpret_cast<std::uintptr_t>(launch_.arguments.data() + launch_.packet_offset));
  }
  std::uint32_t next = launch_.kernel->user_scalars;
  for (unsigned axis = 0; axis < 3; ++axis) {
    if (launch_.kernel->has_group_id[axis]) {
      wave.scalars[next++] = group[axis];
    }
  }
}

/// The registers that hold something when a wave starts.
void WorkGroupRunner::note_start(WaveChecks& checks) const {
  const KernelCode& kernel = *launch_.kernel;
  checks.reset(launch_.checks, launch_.code->arch);
  checks.note_start({RegisterFile::kVector, 1, 0});
  if (kernel.has_argument_pointer) {
    checks.note_start({RegisterFile::kScalar, 2, kernel.argument_pointer});
  }
  if (kernel.has_packet_pointer) {
    checks.note_start({RegisterFile::kScalar, 2, kernel.packet_pointer});
  }
  const auto groups = static_cast<std::uint8_t>(std::ranges::count(kernel.has_group_id, true));
  checks.note_start({RegisterFile::kScalar, groups, static_cast<std::uint16_t>(kernel.user_scalars)});
}

void WorkGroupRunner::start(Wave& wave, std::uint32_t index, const std::array<std::uint32_t, 3>& group) {
  start_scalars(wave, group);
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
  wave.state = WaveState::kRunning;
  wave.index = index;
  wave.pc = launch_.kernel->entry;
  wave.code_dwords = static_cast<std::uint32_t>(launch_.code->text.instructions.size());
  wave.code_address = launch_.code->text.address;
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
    if (wave.skips_vectors && instruction.instruction_class != InstructionClass::kScalar) {
      ++counts_.skipped;
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
