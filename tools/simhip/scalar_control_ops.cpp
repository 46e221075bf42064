// SPDX-License-Identifier: Apache-2.0

// Scalar instructions that steer a wave: branches and calls, loads, waits, modes.

#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// A 16-bit immediate, sign-extended.
u32 extended(const Operand& operand) {
  return as_unsigned(std::int32_t{static_cast<std::int16_t>(operand.bits)});
}

template <auto kCondition>
void branch(Wave& wave, const Instruction& i) {
  if (!kCondition(wave)) {
    return;
  }
  const std::int64_t target = std::int64_t{wave.pc} + 1 + as_signed(extended(i.operands[0]));
  if (target < 0 || target >= wave.code_dwords) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("the branch leaves the code, to dword {}", target));
    return;
  }
  wave.next = static_cast<u32>(target);
}

/// Code addresses are where the code object was loaded, so that data beside the code can be read.
void get_pc(Wave& wave, const Instruction& i) {
  wave.set_scalar64(i.operands[0], wave.load_bias + wave.code_address + 4 * u64{wave.next});
}

void jump(Wave& wave, u64 address) {
  const u64 begin = wave.load_bias + wave.code_address;
  const u64 dword = (address - begin) / 4;
  if (address < begin || address % 4 != 0 || dword >= wave.code_dwords) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("the jump leaves the code, to {:#x}", address));
    return;
  }
  wave.next = static_cast<u32>(dword);
}

void set_pc(Wave& wave, const Instruction& i) { jump(wave, wave.scalar64(i.operands[0])); }

void swap_pc(Wave& wave, const Instruction& i) {
  const u64 target = wave.scalar64(i.operands[1]);
  get_pc(wave, i);
  jump(wave, target);
}

/// Saves the next instruction's address and branches.
void call(Wave& wave, const Instruction& i) {
  get_pc(wave, i);
  wave.next = wave.pc + 1 + extended(i.operands[1]);
}

template <unsigned kDwords>
void load_from(Wave& wave, const Instruction& i, u64 address) {
  if (!wave.memory.allows(address, 4 * kDwords, Access::kRead)) {
    wave.stop(FaultKind::kIllegalAddress, fmt::format("scalar read of {} bytes at {:#x}: {}", 4 * kDwords, address,
                                                      wave.memory.describe(address, 4 * kDwords)));
    return;
  }
  std::memcpy(&wave.scalars[i.operands[0].index], reinterpret_cast<const void*>(address), 4 * kDwords);
}

/// The address is aligned down to a dword.
template <unsigned kDwords>
void load(Wave& wave, const Instruction& i) {
  const auto offset = static_cast<u64>(std::int64_t{i.modifiers.offset});
  // An immediate offset has a sign, one in a register has none.
  const Operand& operand = i.operands[2];
  const u64 more = operand.kind == OperandKind::kConstant ? static_cast<u64>(std::int64_t{as_signed(operand.bits)})
                                                         : u64{wave.scalar(operand)};
  load_from<kDwords>(wave, i, (wave.scalar64(i.operands[1]) + more + offset) & ~u64{3});
}

/// From a buffer: nothing is read behind its end, and 0 is.
template <unsigned kDwords>
void load_buffer(Wave& wave, const Instruction& i) {
  const std::uint16_t descriptor = i.operands[1].index;
  const u64 base = wave.pair(descriptor) & 0xffffffffffffULL;
  const u32 stride = wave.scalars[descriptor + 1U] >> 16 & 0x3fff, records = wave.scalars[descriptor + 2U];
  const u64 bytes = stride == 0 ? records : u64{stride} * records;
  const u64 offset = (wave.scalar(i.operands[2]) + u64{static_cast<u32>(i.modifiers.offset)}) & ~u64{3};
  for (unsigned dword = 0; dword < kDwords; ++dword) {
    Instruction one = i;
    one.operands[0].index = static_cast<std::uint16_t>(i.operands[0].index + dword);
    if (offset + 4 * (dword + 1) > bytes) {
      wave.scalars[one.operands[0].index] = 0;
    } else {
      load_from<1>(wave, one, base + offset + 4 * dword);
    }
  }
}

constexpr u32 kModeRegister = 1;
constexpr u32 kModeAtStart = 0x3f0;  // subnormals of all widths, rounding to nearest, DX10_CLAMP, IEEE

/// Fields: number, offset from bit 6, size - 1 from bit 11.
void get_hardware_register(Wave& wave, const Instruction& i) {
  const u32 field = i.operands[1].bits, size = (field >> 11) + 1;
  // Where a wave runs differs from launch to launch; it is 0 here.
  const u32 value = (field & 63) == kModeRegister ? kModeAtStart : 0;
  wave.set_scalar(i.operands[0], value >> (field >> 6 & 31) & (size == 32 ? ~0U : (1U << size) - 1));
}

/// Only to what it is already: other modes are not simulated.
void set_hardware_register(Wave& wave, const Instruction& i) {
  const u32 field = i.operands[0].bits, size = (field >> 11) + 1, mask = size == 32 ? ~0U : (1U << size) - 1;
  const u32 now = kModeAtStart >> (field >> 6 & 31) & mask;
  if ((field & 63) != kModeRegister || (wave.scalar(i.operands[1]) & mask) != now) {
    wave.stop(FaultKind::kIllegalCode, "only the float mode that the kernel starts with is simulated");
  }
}

/// Launches take no time that could be told: every read gives the wave's count of reads.
void read_time(Wave& wave, const Instruction& i) { wave.set_scalar64(i.operands[0], ++wave.clock); }

void trap(Wave& wave, const Instruction& i) {
  wave.stop(FaultKind::kIllegalCode, fmt::format("the kernel gave up with trap {}", i.operands[0].bits));
}

/// Which operands of vector instructions are moved, and by how many registers: M0.
void start_indexing(Wave& wave, const Instruction& i) {
  wave.indexed_operands = static_cast<std::uint8_t>(i.operands[1].bits);
  wave.scalars[kM0] = (wave.scalars[kM0] & ~0xf0ffU) | (wave.scalar(i.operands[0]) & 0xff) | i.operands[1].bits << 12;
}

void set_index(Wave& wave, const Instruction& i) {
  wave.scalars[kM0] = (wave.scalars[kM0] & ~0xffU) | (wave.scalar(i.operands[0]) & 0xff);
}

void set_index_mode(Wave& wave, const Instruction& i) {
  wave.indexed_operands = static_cast<std::uint8_t>(i.operands[0].bits);
}

void stop_indexing(Wave& wave, const Instruction&) { wave.indexed_operands = 0; }

void end_program(Wave& wave, const Instruction&) { wave.state = WaveState::kEnded; }
void wait_at_barrier(Wave& wave, const Instruction&) { wave.state = WaveState::kAtBarrier; }
void do_nothing(Wave&, const Instruction&) {}

/// VSKIP = S0[S1[4:0]].
void set_vskip(Wave& wave, const Instruction& i) {
  wave.skips_vectors = (wave.scalar(i.operands[0]) >> (wave.scalar(i.operands[1]) & 31) & 1) != 0;
}

constexpr std::uint32_t kScalarLoad = kOffset | kCachePolicy;

constexpr Opcode kAll[] = {
    {"s_branch", "k", branch<([](const Wave&) { return true; })>},
    {"s_cbranch_scc0", "k", branch<([](const Wave& wave) { return !wave.scc; })>},
    {"s_cbranch_scc1", "k", branch<([](const Wave& wave) { return wave.scc; })>},
    {"s_cbranch_vccz", "k", branch<([](const Wave& wave) { return wave.pair(kVcc) == 0; })>},
    {"s_cbranch_vccnz", "k", branch<([](const Wave& wave) { return wave.pair(kVcc) != 0; })>},
    {"s_cbranch_execz", "k", branch<([](const Wave& wave) { return wave.exec() == 0; })>},
    {"s_getpc_b64", "D", get_pc},
    {"s_setpc_b64", "D", set_pc},
    {"s_swappc_b64", "DD", swap_pc},
    {"s_cbranch_execnz", "k", branch<([](const Wave& wave) { return wave.exec() != 0; })>},
    {"s_call_b64", "Dk", call},
    {"s_getreg_b32", "dm", get_hardware_register},
    {"s_setreg_b32", "mc", set_hardware_register},
    {"s_setreg_imm32_b32", "mk", set_hardware_register},
    {"s_memtime", "D", read_time},
    {"s_memrealtime", "D", read_time},
    {"s_trap", "k", trap},
    {"s_set_gpr_idx_on", "cn", start_indexing},
    {"s_set_gpr_idx_idx", "c", set_index},
    {"s_set_gpr_idx_mode", "n", set_index_mode},
    {"s_set_gpr_idx_off", "", stop_indexing},
    {"s_buffer_load_dword", "dQc", load_buffer<1>, kScalarLoad},
    {"s_buffer_load_dwordx2", "DQc", load_buffer<2>, kScalarLoad},
    {"s_buffer_load_dwordx4", "QQc", load_buffer<4>, kScalarLoad},
    {"s_buffer_load_dwordx8", "EQc", load_buffer<8>, kScalarLoad},
    {"s_buffer_load_dwordx16", "FQc", load_buffer<16>, kScalarLoad},
    {"s_load_dword", "dDc", load<1>, kScalarLoad},
    {"s_load_dwordx2", "DDc", load<2>, kScalarLoad},
    {"s_load_dwordx4", "QDc", load<4>, kScalarLoad},
    {"s_load_dwordx8", "EDc", load<8>, kScalarLoad},
    {"s_load_dwordx16", "FDc", load<16>, kScalarLoad},
    {"s_setvskip", "cc", set_vskip},
    {"s_endpgm", "", end_program},
    {"s_barrier", "", wait_at_barrier},
    {"s_nop", "k", do_nothing},
    {"s_setprio", "k", do_nothing},
    {"s_dcache_inv", "", do_nothing},
    {"s_dcache_wb", "", do_nothing},
    {"s_dcache_inv_vol", "", do_nothing},
    {"s_dcache_wb_vol", "", do_nothing},
    {"s_icache_inv", "", do_nothing},
    {"s_wakeup", "", do_nothing},
    {"s_incperflevel", "k", do_nothing},
    {"s_decperflevel", "k", do_nothing},
    {"s_sleep", "k", do_nothing},
    {"s_waitcnt", "*", do_nothing},
};

}  // namespace

std::span<const Opcode> scalar_control_opcodes() { return kAll; }

}  // namespace sinter::sim
