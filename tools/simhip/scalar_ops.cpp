// SPDX-License-Identifier: Apache-2.0

// Scalar arithmetic, masks and comparisons.

#include <algorithm>
#include <array>
#include <bit>

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

/// The second source is a 32-bit description of a field.
template <auto kOperation>
void binary64_32(Wave& wave, const Instruction& i) {
  const u64 value = kOperation(wave.scalar64(i.operands[1]), wave.scalar(i.operands[2]));
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

template <SccRule kRule, auto kOperation>
void binary_mask(Wave& wave, const Instruction& i) {
  const u64 value = kOperation(wave.scalar(i.operands[1]), wave.scalar(i.operands[2]));
  wave.set_scalar64(i.operands[0], value);
  wave.scc = kRule == kNonZero ? value != 0 : wave.scc;
}

/// Bit S0 of the destination.
template <bool kIsSet>
void set_bit(Wave& wave, const Instruction& i) {
  const u32 bit = 1U << (wave.scalar(i.operands[1]) & 31), before = wave.scalar(i.operands[0]);
  wave.set_scalar(i.operands[0], kIsSet ? before | bit : before & ~bit);
}

template <bool kIsSet>
void set_bit64(Wave& wave, const Instruction& i) {
  const u64 bit = u64{1} << (wave.scalar(i.operands[1]) & 63), before = wave.scalar64(i.operands[0]);
  wave.set_scalar64(i.operands[0], kIsSet ? before | bit : before & ~bit);
}

/// Each bit twice.
void replicate_bits(Wave& wave, const Instruction& i) {
  u64 doubled = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    doubled |= (wave.scalar(i.operands[1]) >> bit & u64{1}) * 3 << (2 * bit);
  }
  wave.set_scalar64(i.operands[0], doubled);
}

/// For each four bits whether one is set: one bit, or all four of them.
template <bool kIsWhole>
u64 quads_of(u64 bits) {
  u64 result = 0;
  for (unsigned quad = 0; quad < 16; ++quad) {
    const bool is_any = (bits >> (4 * quad) & 15) != 0;
    result |= is_any ? (kIsWhole ? u64{15} << (4 * quad) : u64{1} << quad) : 0;
  }
  return result;
}

/// Scalars whose number M0 is added to: the source's, or the destination's.
template <unsigned kDwords, bool kIsSource>
void move_indexed(Wave& wave, const Instruction& i) {
  const u32 from = i.operands[1].index + (kIsSource ? wave.scalars[kM0] : 0);
  const u32 to = i.operands[0].index + (kIsSource ? 0 : wave.scalars[kM0]);
  constexpr u32 kLast = 102;  // of the numbered ones
  const bool is_moved = i.operands[1].kind == OperandKind::kScalar || !kIsSource;
  if (!is_moved || (kIsSource ? from : to) > kLast - kDwords) {
    wave.stop(FaultKind::kIllegalCode, "M0 moves the operand out of the scalar registers");
    return;
  }
  const u64 value = kIsSource ? wave.pair(static_cast<std::uint16_t>(from)) : wave.scalar64(i.operands[1]);
  wave.scalars[to] = static_cast<u32>(value);
  if (kDwords == 2) {
    wave.scalars[to + 1] = static_cast<u32>(value >> 32);
  }
}

template <auto kOperation>
void compare32(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(wave.scalar(i.operands[0]), wave.scalar(i.operands[1]));
}

template <auto kOperation>
void compare64(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(wave.scalar64(i.operands[0]), wave.scalar64(i.operands[1]));
}

template <bool kIsSet>
void compare_bit64(Wave& wave, const Instruction& i) {
  wave.scc = ((wave.scalar64(i.operands[0]) >> (wave.scalar(i.operands[1]) & 63) & 1) != 0) == kIsSet;
}

/// A 16-bit immediate, sign-extended.
u32 extended(const Operand& operand) {
  return as_unsigned(std::int32_t{static_cast<std::int16_t>(operand.bits)});
}

template <auto kOperation>
void compare_immediate(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(as_signed(wave.scalar(i.operands[0])), as_signed(extended(i.operands[1])));
}

/// The immediate is not extended by its sign.
template <auto kOperation>
void compare_unsigned_immediate(Wave& wave, const Instruction& i) {
  wave.scc = kOperation(wave.scalar(i.operands[0]), i.operands[1].bits & 0xffff);
}

void move_if32(Wave& wave, const Instruction& i) {
  wave.set_scalar(i.operands[0], wave.scc ? wave.scalar(i.operands[1]) : wave.scalar(i.operands[0]));
}

void move_if64(Wave& wave, const Instruction& i) {
  wave.set_scalar64(i.operands[0], wave.scc ? wave.scalar64(i.operands[1]) : wave.scalar64(i.operands[0]));
}

void move_immediate_if(Wave& wave, const Instruction& i) {
  wave.set_scalar(i.operands[0], wave.scc ? extended(i.operands[1]) : wave.scalar(i.operands[0]));
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

/// EXEC and the destination both become the result.
template <auto kOperation>
void write_exec(Wave& wave, const Instruction& i) {
  const u64 after = kOperation(wave.scalar64(i.operands[1]), wave.exec());
  wave.set_scalar64(i.operands[0], after);
  wave.set_pair(kExec, after);
  wave.scc = after != 0;
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

u64 wide_field(u64 a, u32 b) {
  const u32 offset = b & 63, width = std::min(b >> 16 & 127, 64 - offset);
  return width == 0 ? 0 : a << (64 - width - offset) >> (64 - width);
}

u64 wide_signed_field(u64 a, u32 b) {
  const u32 offset = b & 63, width = std::min(b >> 16 & 127, 64 - offset);
  return width == 0 ? 0 : static_cast<u64>(static_cast<std::int64_t>(a << (64 - width - offset)) >> (64 - width));
}

/// The highest bit that differs from the sign, counted from it; -1 if none.
u32 leading_signs(u32 a) {
  const u32 differing = as_signed(a) < 0 ? ~a : a;
  return differing == 0 ? ~0U : static_cast<u32>(std::countl_zero(differing));
}

template <unsigned kShift>
WithScc shifted_sum(u32 a, u32 b, bool) {
  const u64 sum = (u64{a} << kShift) + b;
  return {static_cast<u32>(sum), sum > 0xffffffffU};
}

u64 reversed64(u64 a) {
  u64 result = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    result |= (a >> bit & 1) << (63 - bit);
  }
  return result;
}

u32 reversed(u32 a) {
  u32 result = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    result |= (a >> bit & 1) << (31 - bit);
  }
  return result;
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
    {"s_absdiff_i32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) {
       const u32 difference = a - b;
       return as_signed(difference) < 0 ? 0 - difference : difference;
     })>},
    {"s_bfm_b32", "dcc", binary32<kKeep, ([](u32 a, u32 b) { return ((1U << (a & 31)) - 1) << (b & 31); })>},
    {"s_bfm_b64", "Dcc", binary_mask<kKeep, ([](u32 a, u32 b) { return ((u64{1} << (a & 63)) - 1) << (b & 63); })>},
    {"s_bfe_u64", "DCc", binary64_32<wide_field>},
    {"s_bfe_i64", "DCc", binary64_32<wide_signed_field>},
    {"s_lshl1_add_u32", "dcc", carry32<shifted_sum<1>>},
    {"s_lshl2_add_u32", "dcc", carry32<shifted_sum<2>>},
    {"s_lshl3_add_u32", "dcc", carry32<shifted_sum<3>>},
    {"s_lshl4_add_u32", "dcc", carry32<shifted_sum<4>>},
    {"s_pack_ll_b32_b16", "dcc", binary32<kKeep, ([](u32 a, u32 b) { return (a & 0xffff) | b << 16; })>},
    {"s_pack_lh_b32_b16", "dcc", binary32<kKeep, ([](u32 a, u32 b) { return (a & 0xffff) | (b & 0xffff0000U); })>},
    {"s_pack_hh_b32_b16", "dcc", binary32<kKeep, ([](u32 a, u32 b) { return a >> 16 | (b & 0xffff0000U); })>},
    {"s_sext_i32_i8", "dc", unary32<kKeep, ([](u32 a) { return as_unsigned(static_cast<std::int8_t>(a)); })>},
    {"s_sext_i32_i16", "dc", unary32<kKeep, ([](u32 a) { return as_unsigned(static_cast<std::int16_t>(a)); })>},
    {"s_movk_i32", "dk", move_immediate},
    {"s_cmovk_i32", "dk", move_immediate_if},
    {"s_cmov_b32", "dc", move_if32},
    {"s_cmov_b64", "DC", move_if64},
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
    {"s_nand_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return ~(a & b); })>},
    {"s_nor_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return ~(a | b); })>},
    {"s_xnor_b32", "dcc", binary32<kNonZero, ([](u32 a, u32 b) { return ~(a ^ b); })>},
    {"s_nand_b64", "DCC", binary64<([](u64 a, u64 b) { return ~(a & b); })>},
    {"s_nor_b64", "DCC", binary64<([](u64 a, u64 b) { return ~(a | b); })>},
    {"s_xnor_b64", "DCC", binary64<([](u64 a, u64 b) { return ~(a ^ b); })>},
    {"s_bitset0_b32", "dc", set_bit<false>},
    {"s_bitset1_b32", "dc", set_bit<true>},
    {"s_bitset0_b64", "Dc", set_bit64<false>},
    {"s_bitset1_b64", "Dc", set_bit64<true>},
    {"s_bitreplicate_b64_b32", "Dc", replicate_bits},
    {"s_quadmask_b32", "dc", unary32<kNonZero, ([](u32 a) { return static_cast<u32>(quads_of<false>(a)); })>},
    {"s_quadmask_b64", "DC", unary64<kNonZero, quads_of<false>>},
    {"s_wqm_b32", "dc", unary32<kNonZero, ([](u32 a) { return static_cast<u32>(quads_of<true>(a)); })>},
    {"s_wqm_b64", "DC", unary64<kNonZero, quads_of<true>>},
    {"s_movrels_b32", "dc", move_indexed<1, true>},
    {"s_movrels_b64", "DC", move_indexed<2, true>},
    {"s_movreld_b32", "dc", move_indexed<1, false>},
    {"s_movreld_b64", "DC", move_indexed<2, false>},
    {"s_brev_b64", "DC", unary64<kKeep, reversed64>},
    {"s_ff1_i32_b32", "dc", unary32<kKeep, ([](u32 a) {
       return a == 0 ? ~0U : static_cast<u32>(std::countr_zero(a));
     })>},
    {"s_ff0_i32_b32", "dc", unary32<kKeep, ([](u32 a) {
       return a == ~0U ? ~0U : static_cast<u32>(std::countr_one(a));
     })>},
    {"s_ff0_i32_b64", "dC", count64<kKeep, ([](u64 a) {
       return a == ~u64{0} ? ~0U : static_cast<u32>(std::countr_one(a));
     })>},
    {"s_flbit_i32_b32", "dc", unary32<kKeep, ([](u32 a) {
       return a == 0 ? ~0U : static_cast<u32>(std::countl_zero(a));
     })>},
    {"s_flbit_i32_b64", "dC", count64<kKeep, ([](u64 a) {
       return a == 0 ? ~0U : static_cast<u32>(std::countl_zero(a));
     })>},
    {"s_flbit_i32", "dc", unary32<kKeep, leading_signs>},
    {"s_flbit_i32_i64", "dC", count64<kKeep, ([](u64 a) {
       const u64 differing = static_cast<std::int64_t>(a) < 0 ? ~a : a;
       return differing == 0 ? ~0U : static_cast<u32>(std::countl_zero(differing));
     })>},
    {"s_bcnt1_i32_b32", "dc", unary32<kNonZero, ([](u32 a) { return static_cast<u32>(std::popcount(a)); })>},
    {"s_bcnt0_i32_b32", "dc", unary32<kNonZero, ([](u32 a) { return static_cast<u32>(std::popcount(~a)); })>},
    {"s_bcnt0_i32_b64", "dC", count64<kNonZero, ([](u64 a) { return static_cast<u32>(std::popcount(~a)); })>},
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
    {"s_xor_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return a ^ exec; })>},
    {"s_xnor_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return ~(a ^ exec); })>},
    {"s_nand_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return ~(a & exec); })>},
    {"s_nor_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return ~(a | exec); })>},
    {"s_orn1_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return ~a | exec; })>},
    {"s_orn2_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return a | ~exec; })>},
    {"s_andn1_saveexec_b64", "DC", save_exec<([](u64 a, u64 exec) { return ~a & exec; })>},
    {"s_andn1_wrexec_b64", "DC", write_exec<([](u64 a, u64 exec) { return ~a & exec; })>},
    {"s_andn2_wrexec_b64", "DC", write_exec<([](u64 a, u64 exec) { return a & ~exec; })>},
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
    {"s_cmpk_le_i32", "dk", compare_immediate<([](std::int32_t a, std::int32_t b) { return a <= b; })>},
    {"s_cmpk_ge_i32", "dk", compare_immediate<([](std::int32_t a, std::int32_t b) { return a >= b; })>},
    {"s_cmpk_eq_u32", "dk", compare_unsigned_immediate<([](u32 a, u32 b) { return a == b; })>},
    {"s_cmpk_lg_u32", "dk", compare_unsigned_immediate<([](u32 a, u32 b) { return a != b; })>},
    {"s_cmpk_lt_u32", "dk", compare_unsigned_immediate<([](u32 a, u32 b) { return a < b; })>},
    {"s_cmpk_le_u32", "dk", compare_unsigned_immediate<([](u32 a, u32 b) { return a <= b; })>},
    {"s_cmpk_gt_u32", "dk", compare_unsigned_immediate<([](u32 a, u32 b) { return a > b; })>},
    {"s_cmpk_ge_u32", "dk", compare_unsigned_immediate<([](u32 a, u32 b) { return a >= b; })>},
    {"s_bitcmp0_b64", "Cc", compare_bit64<false>},
    {"s_bitcmp1_b64", "Cc", compare_bit64<true>},
    {"s_bitcmp0_b32", "cc", compare32<([](u32 a, u32 b) { return (a >> (b & 31) & 1) == 0; })>},
    {"s_bitcmp1_b32", "cc", compare32<([](u32 a, u32 b) { return (a >> (b & 31) & 1) != 0; })>},
};

constexpr auto kAll = [] {
  constexpr std::size_t kCount =
      std::size(kArithmetic) + std::size(kLogic) + std::size(kCompare);
  std::array<Opcode, kCount> all{};
  auto end = std::ranges::copy(kArithmetic, all.begin()).out;
  end = std::ranges::copy(kLogic, end).out;
  std::ranges::copy(kCompare, end);
  return all;
}();

}  // namespace

std::span<const Opcode> scalar_opcodes() { return kAll; }

}  // namespace sinter::sim
