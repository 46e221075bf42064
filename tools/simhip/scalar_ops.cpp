// SPDX-License-Identifier: Apache-2.0

// Scalar instructions: arithmetic, masks, branches, loads, and what steers a wave.

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// What an operation gives besides its result. kKeep: SCC stays.
struct WithScc {
  u64 value = 0;
  bool scc = false;
};

enum class SccRule : std::uint8_t { kKeep, kNonZero };

constexpr SccRule kKeep = SccRule::kKeep;
constexpr SccRule kNonZero = SccRule::kNonZero;

template <SccRule kRule, auto kOperation>
void binary32(Wave& wave, const Instruction& i) {
  const u32 value = kOperation(wave.scalar(i.operands[1]), wave.scalar(i.operands[2]));
  wave.set_scalar(i.operands[0], value);
  wave.scc = kRule == kNonZero ? value != 0 : wave.scc;
}

template <auto kOperation>
void binary64(Wave& wave, const Instruction& i) {
  const u64 value = kOperation(wave.scalar64(i.operands[1]), wave.scalar64(i.operands[2]));
  wave.set_scalar64(i.operands[0], value);
  wave.scc = value != 0;
}

/// Shifts take the amount from a 32-bit operand.
template <auto kOperation>
void shift64(Wave& wave, const Instruction& i) {
  const u64 value = kOperation(wave.scalar64(i.operands[1]), wave.scalar(i.operands[2]) & 63);
  wave.set_scalar64(i.operands[0], value);
  wave.scc = value != 0;
}

/// `kOperation(a, b, scc)` says what becomes of SCC.
template <auto kOperation>
void carry32(Wave& wave, const Instruction& i) {
  const WithScc result = kOperation(wave.scalar(i.operands[1]), wave.scalar(i.operands[2]), wave.scc);
  wave.set_scalar(i.operands[0], static_cast<u32>(result.value));
  wave.scc = result.scc;
}

template <SccRule kRule, auto kOperation>
void unary32(Wave& wave, const Instruction& i) {
  const u32 value = kOperation(wave.scalar(i.operands[1]));
  wave.set_scalar(i.operands[0], value);
  wave.scc = kRule == kNonZero ? value != 0 : wave.scc;
}

template <SccRule kRule, auto kOperation>
void unary64(Wave& wave, const Instruction& i) {
  const u64 value = kOperation(wave.scalar64(i.operands[1]));
  wave.set_scalar64(i.operands[0], value);
  wave.scc = kRule == kNonZero ? value != 0 : wave.scc;
}

template <SccRule kRule, auto kOperation>
void count64(Wave& wave, const Instruction& i) {
  const u32 value = kOperation(wave.scalar64(i.operands[1]));
  wave.set_scalar(i.operands[0], value);
  wave.scc = kRule == kNonZero ? value != 0 : wave.scc;
}

template <auto kOperation>
void compare32(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(wave.scalar(i.operands[0]), wave.scalar(i.operands[1]));
}

template <auto kOperation>
void compare64(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(wave.scalar64(i.operands[0]), wave.scalar64(i.operands[1]));
}

/// A 16-bit immediate, sign-extended.
u32 extended(const Operand& operand) {
  return as_unsigned(std::int32_t{static_cast<std::int16_t>(operand.bits)});
}

template <auto kOperation>
void compare_immediate(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(as_signed(wave.scalar(i.operands[0])), as_signed(extended(i.operands[1])));
}

void move_immediate(Wave& wave, const Instruction& i) { wave.set_scalar(i.operands[0], extended(i.operands[1])); }

void add_immediate(Wave& wave, const Instruction& i) {
  std::int32_t sum = 0;
  wave.scc = __builtin_add_overflow(as_signed(wave.scalar(i.operands[0])), as_signed(extended(i.operands[1])), &sum);
  wave.set_scalar(i.operands[0], as_unsigned(sum));
}

void multiply_immediate(Wave& wave, const Instruction& i) {
  wave.set_scalar(i.operands[0], wave.scalar(i.operands[0]) * extended(i.operands[1]));
}

void select32(Wave& wave, const Instruction& i) {
  wave.set_scalar(i.operands[0], wave.scalar(i.operands[wave.scc ? 1 : 2]));
}

void select64(Wave& wave, const Instruction& i) {
  wave.set_scalar64(i.operands[0], wave.scalar64(i.operands[wave.scc ? 1 : 2]));
}

template <auto kOperation>
void save_exec(Wave& wave, const Instruction& i) {
  const u64 before = wave.exec();
  const u64 after = kOperation(wave.scalar64(i.operands[1]), before);
  wave.set_scalar64(i.operands[0], before);
  wave.set_pair(kExec, after);
  wave.scc = after != 0;
}

/// Field of `b`: offset in bits 0 to 4, width in bits 16 to 22.
u32 unsigned_field(u32 a, u32 b) {
  const u32 width = b >> 16 & 127, shifted = a >> (b & 31);
  return width >= 32 ? shifted : shifted & ((1U << width) - 1);
}

u32 signed_field(u32 a, u32 b) {
  const u32 offset = b & 31, width = std::min(b >> 16 & 127, 32 - offset);
  return width == 0 ? 0 : as_unsigned(as_signed(a << (32 - width - offset)) >> (32 - width));
}

u32 reversed(u32 a) {
  u32 result = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    result |= (a >> bit & 1) << (31 - bit);
  }
  return result;
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

/// Code addresses are the code object's own: positions in it, which only these instructions make and use.
void get_pc(Wave& wave, const Instruction& i) {
  wave.set_scalar64(i.operands[0], wave.code_address + 4 * u64{wave.next});
}

void jump(Wave& wave, u64 address) {
  const u64 dword = (address - wave.code_address) / 4;
  if (address < wave.code_address || address % 4 != 0 || dword >= wave.code_dwords) {
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

template <unsigned kDwords>
void load(Wave& wave, const Instruction& i) {
  const u64 address = wave.scalar64(i.operands[1]) + wave.scalar(i.operands[2]);
  if (!wave.memory.allows(address, 4 * kDwords, Access::kRead)) {
    wave.stop(FaultKind::kIllegalAddress, fmt::format("scalar read of {} bytes at {:#x}: {}", 4 * kDwords, address,
                                                      wave.memory.describe(address, 4 * kDwords)));
    return;
  }
  std::memcpy(&wave.scalars[i.operands[0].index], reinterpret_cast<const void*>(address), 4 * kDwords);
}

void end_program(Wave& wave, const Instruction&) { wave.state = WaveState::kEnded; }
void wait_at_barrier(Wave& wave, const Instruction&) { wave.state = WaveState::kAtBarrier; }
void do_nothing(Wave&, const Instruction&) {}

/// VSKIP = S0[S1[4:0]].
void set_vskip(Wave& wave, const Instruction& i) {
  wave.skips_vectors = (wave.scalar(i.operands[0]) >> (wave.scalar(i.operands[1]) & 31) & 1) != 0;
}

constexpr Opcode kArithmetic[] = {
    {"s_add_u32", "dcc", carry32<([](u32 a, u32 b, bool) { return WithScc{a + b, u64{a} + b > 0xffffffffU}; })>},
    {"s_addc_u32", "dcc", carry32<([](u32 a, u32 b, bool c) {
       return WithScc{u64{a} + b + c, u64{a} + b + c > 0xffffffffU};
     })>},
    {"s_sub_u32", "dcc", carry32<([](u32 a, u32 b, bool) { return WithScc{a - b, b > a}; })>},
    {"s_subb_u32", "dcc", carry32<([](u32 a, u32 b, bool c) { return WithScc{a - b - c, u64{b} + c > a}; })>},
    {"s_add_i32", "dcc", carry32<([](u32 a, u32 b, bool) {
       std::int32_t sum = 0;
       const bool overflows = __builtin_add_overflow(as_signed(a), as_signed(b), &sum);
       return WithScc{as_unsigned(sum), overflows};
     })>},
    {"s_sub_i32", "dcc", carry32<([](u32 a, u32 b, bool) {
       std::int32_t difference = 0;
       const bool overflows = __builtin_sub_overflow(as_signed(a), as_signed(b), &difference);
       return WithScc{as_unsigned(difference), overflows};
     })>},
    {"s_min_i32", "dcc", carry32<([](u32 a, u32 b, bool) {
       return WithScc{as_signed(a) < as_signed(b) ? a : b, as_signed(a) < as_signed(b)};
     })>},
    {"s_max_i32", "dcc", carry32<([](u32 a, u32 b, bool) {
       return WithScc{as_signed(a) > as_signed(b) ? a : b, as_signed(a) > as_signed(b)};
     })>},
    {"s_min_u32", "dcc", carry32<([](u32 a, u32 b, bool) { return WithScc{std::min(a, b), a < b}; })>},
    {"s_max_u32", "dcc", carry32<([](u32 a, u32 b, bool) { return WithScc{std::max(a, b), a > b}; })>},
    {"s_mul_i32", "dcc", binary32<kKeep, ([](u32 a, u32 b) { return a * b; })>},
    {"s_mul_hi_u32", "dcc", binary32<kKeep, ([](u32 a, u32 b) { return static_cast<u32>(u64{a} * b >> 32); })>},
    {"s_mul_hi_i32", "dcc", binary32<kKeep, ([](u32 a, u32 b) {
       return static_cast<u32>(std::int64_t{as_signed(a)} * as_signed(b) >> 32);
     })>},
    {"s_abs_i32", "dc", unary32<kNonZero, ([](u32 a) { return as_signed(a) < 0 ? 0 - a : a; })>},
    {"s_lshl_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a << (b & 31); })>},
    {"s_lshr_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a >> (b & 31); })>},
    {"s_ashr_i32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return as_unsigned(as_signed(a) >> (b & 31)); })>},
    {"s_lshl_b64", "DCc", shift64<([](u64 a, u32 b) { return a << b; })>},
    {"s_lshr_b64", "DCc", shift64<([](u64 a, u32 b) { return a >> b; })>},
    {"s_ashr_i64", "DCc", shift64<([](u64 a, u32 b) { return static_cast<u64>(static_cast<std::int64_t>(a) >> b); })>},
    {"s_bfe_u32", "dcc", binary32<kNonZero, unsigned_field>},
    {"s_bfe_i32", "dcc", binary32<kNonZero, signed_field>},
    {"s_movk_i32", "dk", move_immediate},
    {"s_addk_i32", "dk", add_immediate},
    {"s_mulk_i32", "dk", multiply_immediate},
};

constexpr Opcode kLogic[] = {
    {"s_and_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a & b; })>},
    {"s_or_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a | b; })>},
    {"s_xor_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a ^ b; })>},
    {"s_andn2_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a & ~b; })>},
    {"s_orn2_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return a | ~b; })>},
    {"s_and_b64", "DCC", binary64<([](u64 a, u64 b) { return a & b; })>},
    {"s_or_b64", "DCC", binary64<([](u64 a, u64 b) { return a | b; })>},
    {"s_xor_b64", "DCC", binary64<([](u64 a, u64 b) { return a ^ b; })>},
    {"s_andn2_b64", "DCC", binary64<([](u64 a, u64 b) { return a & ~b; })>},
    {"s_orn2_b64", "DCC", binary64<([](u64 a, u64 b) { return a | ~b; })>},
    {"s_not_b32", "dc", unary32<kNonZero, ([](u32 a) { return ~a; })>},
    {"s_not_b64", "DC", unary64<kNonZero, ([](u64 a) { return ~a; })>},
    {"s_mov_b32", "dc", unary32<kKeep, ([](u32 a) { return a; })>},
    {"s_mov_b64", "DC", unary64<kKeep, ([](u64 a) { return a; })>},
    {"s_brev_b32", "dc", unary32<kKeep, reversed>},
    {"s_ff1_i32_b64", "dC", count64<kKeep, ([](u64 a) {
       return a == 0 ? ~0U : static_cast<u32>(std::countr_zero(a));
     })>},
    {"s_bcnt1_i32_b64", "dC", count64<kNonZero, ([](u64 a) { return static_cast<u32>(std::popcount(a)); })>},
    {"s_cselect_b32", "dcc", select32},
    {"s_cselect_b64", "DCC", select64},
    {"s_and_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return a & exec; })>},
    {"s_or_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return a | exec; })>},
    {"s_andn2_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return a & ~exec; })>},
};

constexpr Opcode kCompare[] = {
    {"s_cmp_eq_u32", "cc", compare32<([](u32 a, u32 b) { return a == b; })>},
    {"s_cmp_lg_u32", "cc", compare32<([](u32 a, u32 b) { return a != b; })>},
    {"s_cmp_lt_u32", "cc", compare32<([](u32 a, u32 b) { return a < b; })>},
    {"s_cmp_le_u32", "cc", compare32<([](u32 a, u32 b) { return a <= b; })>},
    {"s_cmp_gt_u32", "cc", compare32<([](u32 a, u32 b) { return a > b; })>},
    {"s_cmp_ge_u32", "cc", compare32<([](u32 a, u32 b) { return a >= b; })>},
    {"s_cmp_eq_i32", "cc", compare32<([](u32 a, u32 b) { return a == b; })>},
    {"s_cmp_lg_i32", "cc", compare32<([](u32 a, u32 b) { return a != b; })>},
    {"s_cmp_lt_i32", "cc", compare32<([](u32 a, u32 b) { return as_signed(a) < as_signed(b); })>},
    {"s_cmp_le_i32", "cc", compare32<([](u32 a, u32 b) { return as_signed(a) <= as_signed(b); })>},
    {"s_cmp_gt_i32", "cc", compare32<([](u32 a, u32 b) { return as_signed(a) > as_signed(b); })>},
    {"s_cmp_ge_i32", "cc", compare32<([](u32 a, u32 b) { return as_signed(a) >= as_signed(b); })>},
    {"s_cmp_eq_u64", "CC", compare64<([](u64 a, u64 b) { return a == b; })>},
    {"s_cmp_lg_u64", "CC", compare64<([](u64 a, u64 b) { return a != b; })>},
    {"s_cmpk_eq_i32", "dk", compare_immediate<([](std::int32_t a, std::int32_t b) { return a == b; })>},
    {"s_cmpk_lg_i32", "dk", compare_immediate<([](std::int32_t a, std::int32_t b) { return a != b; })>},
    {"s_cmpk_lt_i32", "dk", compare_immediate<([](std::int32_t a, std::int32_t b) { return a < b; })>},
    {"s_cmpk_gt_i32", "dk", compare_immediate<([](std::int32_t a, std::int32_t b) { return a > b; })>},
    {"s_bitcmp0_b32", "cc", compare32<([](u32 a, u32 b) { return (a >> (b & 31) & 1) == 0; })>},
    {"s_bitcmp1_b32", "cc", compare32<([](u32 a, u32 b) { return (a >> (b & 31) & 1) != 0; })>},
};

constexpr Opcode kControl[] = {
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
    {"s_load_dword", "dDc", load<1>, kCachePolicy},
    {"s_load_dwordx2", "DDc", load<2>, kCachePolicy},
    {"s_load_dwordx4", "QDc", load<4>, kCachePolicy},
    {"s_load_dwordx8", "EDc", load<8>, kCachePolicy},
    {"s_load_dwordx16", "FDc", load<16>, kCachePolicy},
    {"s_setvskip", "cc", set_vskip},
    {"s_endpgm", "", end_program},
    {"s_barrier", "", wait_at_barrier},
    {"s_nop", "k", do_nothing},
    {"s_setprio", "k", do_nothing},
    {"s_sleep", "k", do_nothing},
    {"s_waitcnt", "*", do_nothing},
};

constexpr auto kAll = [] {
  constexpr std::size_t kCount =
      std::size(kArithmetic) + std::size(kLogic) + std::size(kCompare) + std::size(kControl);
  std::array<Opcode, kCount> all{};
  auto end = std::ranges::copy(kArithmetic, all.begin()).out;
  end = std::ranges::copy(kLogic, end).out;
  end = std::ranges::copy(kCompare, end).out;
  std::ranges::copy(kControl, end);
  return all;
}();

}  // namespace

std::span<const Opcode> scalar_opcodes() { return kAll; }

}  // namespace sinter::sim
