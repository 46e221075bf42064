// SPDX-License-Identifier: Apache-2.0

// Vector instructions on integers of 16, 32 and 64 bits, and what moves registers between lanes.

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

struct WithCarry {
  u32 value = 0;
  bool carry = false;
};

/// Operands: result, carry out, a, b, and for those with a carry in, the mask that it comes from.
template <bool kHasCarryIn, auto kOperation>
void carry(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 2, storage_a);
  const Lane& b = wave.source(i, 3, storage_b);
  const u64 carries_in = kHasCarryIn ? wave.scalar64(i.operands[4]) : 0;
  u64 carries = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const WithCarry sum = kOperation(a[lane], b[lane], (carries_in >> lane & 1) != 0);
    result[lane] = sum.value;
    carries |= u64{sum.carry} << lane;
  }
  wave.write(i, result);
  wave.set_mask(i, i.operands[1], carries);
}

/// Operands: result pair, carry out, a, b, addend pair.
template <auto kOperation>
void multiply_add64(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, low, high;
  const Lane& a = wave.source(i, 2, storage_a);
  const Lane& b = wave.source(i, 3, storage_b);
  u64 carries = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const u64 product = kOperation(a[lane], b[lane]);
    const u64 sum = product + wave.source64(i.operands[4], lane);
    low[lane] = static_cast<u32>(sum);
    high[lane] = static_cast<u32>(sum >> 32);
    carries |= u64{sum < product} << lane;
  }
  wave.write(i.operands[0], low, 0);
  wave.write(i.operands[0], high, 1);
  wave.set_mask(i, i.operands[1], carries);
}

void select(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const u64 mask = wave.scalar64(i.operands[3]);
  Lane& to = wave.target(i, result);
#pragma GCC ivdep
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    to[lane] = (mask >> lane & 1) != 0 ? b[lane] : a[lane];
  }
  wave.write(i, to);
}

void read_first_lane(Wave& wave, const Instruction& i) {
  const u64 exec = wave.exec();
  const unsigned lane = exec == 0 ? 0 : static_cast<unsigned>(std::countr_zero(exec));
  wave.set_scalar(i.operands[0], in_lane(wave, i.operands[1], lane));
}

void read_lane(Wave& wave, const Instruction& i) {
  wave.set_scalar(i.operands[0], in_lane(wave, i.operands[1], wave.scalar(i.operands[2]) & 63));
}

void write_lane(Wave& wave, const Instruction& i) {
  wave.vectors[i.operands[0].index][wave.scalar(i.operands[2]) & 63] = wave.scalar(i.operands[1]);
}

/// Counts the mask's bits below the lane, in one half of the wave.
template <unsigned kHalf>
void count_below(Wave& wave, const Instruction& i) {
  Lane storage_mask, storage_base, result;
  const Lane& mask = wave.source(i, 1, storage_mask);
  const Lane& base = wave.source(i, 2, storage_base);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned begin = 32 * kHalf;
    const u32 below = lane < begin ? 0 : lane - begin >= 32 ? ~0U : (1U << (lane - begin)) - 1;
    result[lane] = static_cast<u32>(std::popcount(mask[lane] & below)) + base[lane];
  }
  wave.write(i, result);
}

/// Both registers of v_swap_b32 are written.
void swap_registers(Wave& wave, const Instruction& i) {
  const Lane a = wave.vectors[i.operands[0].index], b = wave.vectors[i.operands[1].index];
  wave.write(i.operands[0], b);
  wave.write(i.operands[1], a);
}

/// Rows of `kSize` lanes: the odd ones of the first register change places with the even ones of the second.
template <unsigned kSize>
void swap_rows(Wave& wave, const Instruction& i) {
  const Lane before_a = wave.vectors[i.operands[0].index], before_b = wave.vectors[i.operands[1].index];
  Lane a = before_a, b = before_b;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (lane / kSize % 2 == 1) {
      a[lane] = before_b[lane - kSize];
      b[lane - kSize] = before_a[lane];
    }
  }
  wave.write(i.operands[0], a);
  wave.write(i.operands[1], b);
}

/// Sources of 16 bits.
template <auto kOperation>
u32 on_halves(u32 a, u32 b, u32 c) {
  return kOperation(a & 0xffff, b & 0xffff, c & 0xffff);
}

template <auto kOperation>
constexpr Handler ternary16 = ternary_half<on_halves<kOperation>>;

u32 by_truth_table(u32 a, u32 b, u32 c, unsigned table) {
  u32 bits = 0;
  for (unsigned row = 0; row < 8; ++row) {
    const u32 matches = ((row & 4) != 0 ? a : ~a) & ((row & 2) != 0 ? b : ~b) & ((row & 1) != 0 ? c : ~c);
    bits |= (table >> row & 1) != 0 ? matches : 0;
  }
  return bits;
}

template <bool kIsHalf>
void truth_table(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, storage_c, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.source(i, 3, storage_c);
  const Lane& before = wave.vectors[i.operands[0].index];
  const unsigned shift = (i.modifiers.op_sel & 8U) != 0 ? 16 : 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const u32 bits = by_truth_table(a[lane], b[lane], c[lane], i.modifiers.truth_table);
    result[lane] = kIsHalf ? (before[lane] & ~(0xffffU << shift)) | (bits & 0xffff) << shift : bits;
  }
  wave.write(i, result);
}

i32 low16(u32 a) { return static_cast<std::int16_t>(a); }
i32 low24(u32 a) { return as_signed(a << 8) >> 8; }

u32 saturated(i64 value) { return as_unsigned(static_cast<i32>(std::clamp<i64>(value, INT32_MIN, INT32_MAX))); }

template <class T>
T median_of(T a, T b, T c) {
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

/// The difference of two numbers, whichever is larger.
u32 difference(u32 x, u32 y) { return x > y ? x - y : y - x; }

/// Adds the differences of four bytes to what was summed before; of the masked kind not where b's byte is 0.
template <bool kIsMasked>
u32 byte_sad(u32 a, u32 b, u32 c) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    const u32 x = a >> shift & 0xff, y = b >> shift & 0xff;
    c += kIsMasked && y == 0 ? 0 : difference(x, y);
  }
  return c;
}

/// Averages of bytes, rounded up where c's lowest bit of the byte is set.
u32 byte_averages(u32 a, u32 b, u32 c) {
  u32 result = 0;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    result |= ((a >> shift & 0xff) + (b >> shift & 0xff) + (c >> shift & 1)) / 2 << shift;
  }
  return result;
}

/// Two shifted numbers, each saturated to a byte of the low half.
template <int kLeast, int kMost>
u32 packed_bytes(u32 a, u32 b, u32 c) {
  const auto byte = [c](u32 x) {
    return as_unsigned(std::clamp(as_signed(x) >> (c & 31), kLeast, kMost)) & 0xff;
  };
  return byte(a) | byte(b) << 8;
}

u32 saturated16(i32 value) { return as_unsigned(std::clamp(value, -32768, 32767)) & 0xffff; }

/// Registers of 64 bits, through DPP's selection of lanes where there is one.
void move_pair(Wave& wave, const Instruction& i) {
  std::array<Lane, 2> storage;
  const Lane low = wave.source(i, 1, storage[0], 0), high = wave.source(i, 1, storage[1], 1);
  wave.write(i, low, 0);
  wave.write(i, high, 1);
}

/// The highest bit that differs from the sign, counted from it; -1 if none.
u32 leading_signs(u32 a) {
  const u32 differing = as_signed(a) < 0 ? ~a : a;
  return differing == 0 ? ~0U : static_cast<u32>(std::countl_zero(differing));
}

/// Bytes of {a, b} by the selectors in c. 8 to 11 are sign bits.
u32 permuted_bytes(u32 a, u32 b, u32 c) {
  const u64 bytes = u64{a} << 32 | b;
  u32 result = 0;
  for (unsigned byte = 0; byte < 4; ++byte) {
    const u32 select_byte = c >> (8 * byte) & 0xff;
    u32 value = 0xff;
    if (select_byte < 8) {
      value = static_cast<u32>(bytes >> (8 * select_byte) & 0xff);
    } else if (select_byte < 12) {
      value = (bytes >> (16 * (select_byte - 8) + 15) & 1) != 0 ? 0xff : 0;
    } else if (select_byte == 12) {
      value = 0;
    }
    result |= value << (8 * byte);
  }
  return result;
}

u32 field(u32 a, u32 b, u32 c) {
  const u32 width = c & 31;
  return a >> (b & 31) & ((1U << width) - 1);
}

u32 signed_field(u32 a, u32 b, u32 c) {
  const u32 offset = b & 31, width = std::min(c & 31, 32 - offset);
  return width == 0 ? 0 : as_unsigned(as_signed(a << (32 - width - offset)) >> (32 - width));
}

u32 reversed(u32 a) {
  u32 result = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    result |= (a >> bit & 1) << (31 - bit);
  }
  return result;
}

constexpr Opcode kAll[] = {
    {"v_mov_b32", "vs", unary<([](u32 a) { return a; })>, kLaneForms},
    {"v_not_b32", "vs", unary<([](u32 a) { return ~a; })>, kLaneForms},
    {"v_bfrev_b32", "vs", unary<reversed>, kLaneForms},
    {"v_accvgpr_read_b32", "vs", unary<([](u32 a) { return a; })>},
    {"v_accvgpr_write_b32", "vs", unary<([](u32 a) { return a; })>},
    {"v_accvgpr_mov_b32", "vs", unary<([](u32 a) { return a; })>},
    {"v_add_u32", "vss", binary<([](u32 a, u32 b) { return a + b; })>, kLaneForms},
    {"v_sub_u32", "vss", binary<([](u32 a, u32 b) { return a - b; })>, kLaneForms},
    {"v_subrev_u32", "vss", binary<([](u32 a, u32 b) { return b - a; })>, kLaneForms},
    {"v_mul_lo_u32", "vss", binary<([](u32 a, u32 b) { return a * b; })>},
    {"v_mul_hi_u32", "vss", binary<([](u32 a, u32 b) { return static_cast<u32>(u64{a} * b >> 32); })>},
    {"v_mul_hi_i32", "vss",
     binary<([](u32 a, u32 b) { return static_cast<u32>(i64{as_signed(a)} * as_signed(b) >> 32); })>},
    {"v_mul_u32_u24", "vss", binary<([](u32 a, u32 b) { return (a & 0xffffff) * (b & 0xffffff); })>, kLaneForms},
    {"v_and_b32", "vss", binary<([](u32 a, u32 b) { return a & b; })>, kLaneForms},
    {"v_or_b32", "vss", binary<([](u32 a, u32 b) { return a | b; })>, kLaneForms},
    {"v_xor_b32", "vss", binary<([](u32 a, u32 b) { return a ^ b; })>, kLaneForms},
    {"v_lshlrev_b32", "vss", binary<([](u32 a, u32 b) { return b << (a & 31); })>, kLaneForms},
    {"v_lshrrev_b32", "vss", binary<([](u32 a, u32 b) { return b >> (a & 31); })>, kLaneForms},
    {"v_ashrrev_i32", "vss", binary<([](u32 a, u32 b) { return as_unsigned(as_signed(b) >> (a & 31)); })>, kLaneForms},
    {"v_max_i32", "vss", binary<([](u32 a, u32 b) { return as_signed(a) > as_signed(b) ? a : b; })>, kLaneForms},
    {"v_min_i32", "vss", binary<([](u32 a, u32 b) { return as_signed(a) < as_signed(b) ? a : b; })>, kLaneForms},
    {"v_max_u32", "vss", binary<([](u32 a, u32 b) { return std::max(a, b); })>, kLaneForms},
    {"v_min_u32", "vss", binary<([](u32 a, u32 b) { return std::min(a, b); })>, kLaneForms},
    {"v_xnor_b32", "vss", binary<([](u32 a, u32 b) { return ~(a ^ b); })>, kLaneForms},
    {"v_bcnt_u32_b32", "vss", binary<([](u32 a, u32 b) { return static_cast<u32>(std::popcount(a)) + b; })>},
    {"v_bfm_b32", "vss", binary<([](u32 a, u32 b) { return ((1U << (a & 31)) - 1) << (b & 31); })>},
    {"v_ffbh_u32", "vs", unary<([](u32 a) { return a == 0 ? ~0U : static_cast<u32>(std::countl_zero(a)); })>,
     kLaneForms},
    {"v_ffbl_b32", "vs", unary<([](u32 a) { return a == 0 ? ~0U : static_cast<u32>(std::countr_zero(a)); })>,
     kLaneForms},
    {"v_ffbh_i32", "vs", unary<leading_signs>, kLaneForms},
    {"v_mul_i32_i24", "vss", binary<([](u32 a, u32 b) { return static_cast<u32>(i64{low24(a)} * low24(b)); })>,
     kLaneForms},
    {"v_mul_hi_u32_u24", "vss",
     binary<([](u32 a, u32 b) { return static_cast<u32>(u64{a & 0xffffff} * (b & 0xffffff) >> 32); })>, kLaneForms},
    {"v_mul_hi_i32_i24", "vss", binary<([](u32 a, u32 b) { return static_cast<u32>(i64{low24(a)} * low24(b) >> 32); })>,
     kLaneForms},
    {"v_mad_i32_i24", "vsss",
     ternary<([](u32 a, u32 b, u32 c) { return static_cast<u32>(i64{low24(a)} * low24(b)) + c; })>},
    {"v_add_u32 clamp", "vss", binary<([](u32 a, u32 b) { return a + b < a ? ~0U : a + b; })>},
    {"v_sub_u32 clamp", "vss", binary<([](u32 a, u32 b) { return a < b ? 0 : a - b; })>},
    {"v_subrev_u32 clamp", "vss", binary<([](u32 a, u32 b) { return b < a ? 0 : b - a; })>},
    {"v_add_i32", "vss", binary<([](u32 a, u32 b) { return a + b; })>},
    {"v_sub_i32", "vss", binary<([](u32 a, u32 b) { return a - b; })>},
    {"v_add_i32 clamp", "vss", binary<([](u32 a, u32 b) { return saturated(i64{as_signed(a)} + as_signed(b)); })>},
    {"v_sub_i32 clamp", "vss", binary<([](u32 a, u32 b) { return saturated(i64{as_signed(a)} - as_signed(b)); })>},
    {"v_sad_u8", "vsss", ternary<byte_sad<false>>},
    {"v_sad_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return difference(a, b) + c; })>},
    {"v_sad_u16", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return difference(a & 0xffff, b & 0xffff) + difference(a >> 16, b >> 16) + c;
     })>},
    {"v_sad_hi_u8", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (byte_sad<false>(a, b, 0) << 16) + c; })>},
    {"v_msad_u8", "vsss", ternary<byte_sad<true>>},
    {"v_lerp_u8", "vsss", ternary<byte_averages>},
    {"v_ashr_pk_i8_i32", "vsss", ternary_half<packed_bytes<-128, 127>>, kOpSel},
    {"v_ashr_pk_u8_i32", "vsss", ternary_half<packed_bytes<0, 255>>, kOpSel},
    {"v_sat_pk_u8_i16", "vs", unary<([](u32 a) {
       return as_unsigned(std::clamp(low16(a), 0, 255)) | as_unsigned(std::clamp(low16(a >> 16), 0, 255)) << 8;
     })>, kLaneForms},
    {"v_prng_b32", "vs", unary<([](u32 a) { return a << 1 ^ ((a >> 31) != 0 ? 197U : 0U); })>, kLaneForms},
    {"v_add_i16", "vhh", binary<([](u32 a, u32 b) { return (a + b) & 0xffff; })>},
    {"v_sub_i16", "vhh", binary<([](u32 a, u32 b) { return (a - b) & 0xffff; })>},
    {"v_add_i16 clamp", "vhh", binary<([](u32 a, u32 b) { return saturated16(low16(a) + low16(b)); })>},
    {"v_sub_i16 clamp", "vhh", binary<([](u32 a, u32 b) { return saturated16(low16(a) - low16(b)); })>},
    {"v_alignbyte_b32", "vsss",
     ternary<([](u32 a, u32 b, u32 c) { return static_cast<u32>((u64{a} << 32 | b) >> (8 * (c & 3))); })>},
    {"v_add_u16", "vhh", binary<([](u32 a, u32 b) { return (a + b) & 0xffff; })>, kLaneForms},
    {"v_sub_u16", "vhh", binary<([](u32 a, u32 b) { return (a - b) & 0xffff; })>, kLaneForms},
    {"v_subrev_u16", "vhh", binary<([](u32 a, u32 b) { return (b - a) & 0xffff; })>, kLaneForms},
    {"v_add_u16 clamp", "vhh", binary<([](u32 a, u32 b) { return std::min((a & 0xffff) + (b & 0xffff), 0xffffU); })>},
    {"v_sub_u16 clamp", "vhh",
     binary<([](u32 a, u32 b) { return (a & 0xffff) < (b & 0xffff) ? 0 : (a & 0xffff) - (b & 0xffff); })>},
    {"v_mul_lo_u16", "vhh", binary<([](u32 a, u32 b) { return (a & 0xffff) * (b & 0xffff) & 0xffff; })>, kLaneForms},
    {"v_min_u16", "vhh", binary<([](u32 a, u32 b) { return std::min(a & 0xffff, b & 0xffff); })>, kLaneForms},
    {"v_max_i16", "vhh", binary<([](u32 a, u32 b) { return as_unsigned(std::max(low16(a), low16(b))) & 0xffff; })>,
     kLaneForms},
    {"v_min_i16", "vhh", binary<([](u32 a, u32 b) { return as_unsigned(std::min(low16(a), low16(b))) & 0xffff; })>,
     kLaneForms},
    {"v_lshrrev_b16", "vhh", binary<([](u32 a, u32 b) { return (b & 0xffff) >> (a & 15); })>, kLaneForms},
    {"v_ashrrev_i16", "vhh", binary<([](u32 a, u32 b) { return as_unsigned(low16(b) >> (a & 15)) & 0xffff; })>,
     kLaneForms},
    {"v_mad_legacy_u16", "vhhh",
     ternary<([](u32 a, u32 b, u32 c) { return ((a & 0xffff) * (b & 0xffff) + c) & 0xffff; })>},
    {"v_mad_legacy_i16", "vhhh",
     ternary<([](u32 a, u32 b, u32 c) { return ((a & 0xffff) * (b & 0xffff) + c) & 0xffff; })>},
    {"v_mad_u16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) { return a * b + c; })>, kOpSel},
    {"v_mad_i16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) { return a * b + c; })>, kOpSel},
    {"v_max3_i16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) {
       return as_unsigned(std::max({low16(a), low16(b), low16(c)}));
     })>,
     kOpSel},
    {"v_min3_i16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) {
       return as_unsigned(std::min({low16(a), low16(b), low16(c)}));
     })>,
     kOpSel},
    {"v_med3_i16", "vhhh",
     ternary16<([](u32 a, u32 b, u32 c) { return as_unsigned(median_of(low16(a), low16(b), low16(c))); })>, kOpSel},
    {"v_max3_u16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) {
       return std::max({a, b, c});
     })>,
     kOpSel},
    {"v_min3_u16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) {
       return std::min({a, b, c});
     })>,
     kOpSel},
    {"v_med3_u16", "vhhh", ternary16<([](u32 a, u32 b, u32 c) { return median_of(a, b, c); })>, kOpSel},
    {"v_mad_u32_u16", "vhhs", ternary<([](u32 a, u32 b, u32 c) { return (a & 0xffff) * (b & 0xffff) + c; })>},
    {"v_mad_i32_i16", "vhhs", ternary<([](u32 a, u32 b, u32 c) { return as_unsigned(low16(a) * low16(b)) + c; })>},
    {"v_max_u16", "vhh", binary<([](u32 a, u32 b) { return std::max(a & 0xffff, b & 0xffff); })>, kLaneForms},
    {"v_lshlrev_b16", "vhh", binary<([](u32 a, u32 b) { return (b << (a & 15)) & 0xffff; })>, kLaneForms},
    {"v_add3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return a + b + c; })>},
    {"v_and_or_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a & b) | c; })>},
    {"v_or3_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return a | b | c; })>},
    {"v_xad_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a ^ b) + c; })>},
    {"v_lshl_or_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return a << (b & 31) | c; })>},
    {"v_lshl_add_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a << (b & 31)) + c; })>},
    {"v_add_lshl_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a + b) << (c & 31); })>},
    {"v_mad_u32_u24", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a & 0xffffff) * (b & 0xffffff) + c; })>},
    {"v_bfe_u32", "vsss", ternary<field>},
    {"v_bfe_i32", "vsss", ternary<signed_field>},
    {"v_bfi_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a & b) | (~a & c); })>},
    {"v_perm_b32", "vsss", ternary<permuted_bytes>},
    {"v_alignbit_b32", "vsss",
     ternary<([](u32 a, u32 b, u32 c) { return static_cast<u32>((u64{a} << 32 | b) >> (c & 31)); })>},
    {"v_med3_i32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       const i32 x = as_signed(a), y = as_signed(b), z = as_signed(c);
       return as_unsigned(std::max(std::min(x, y), std::min(std::max(x, y), z)));
     })>},
    {"v_med3_u32", "vsss",
     ternary<([](u32 a, u32 b, u32 c) { return std::max(std::min(a, b), std::min(std::max(a, b), c)); })>},
    {"v_max3_i32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return as_unsigned(std::max({as_signed(a), as_signed(b), as_signed(c)}));
     })>},
    {"v_min3_i32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return as_unsigned(std::min({as_signed(a), as_signed(b), as_signed(c)}));
     })>},
    {"v_max3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return std::max({a, b, c});
     })>},
    {"v_min3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return std::min({a, b, c});
     })>},
    {"v_bitop3_b32", "vsss", truth_table<false>, kTruthTable},
    {"v_bitop3_b16", "vhhh", truth_table<true>, kTruthTable | kOpSel},
    {"v_add_co_u32", "vDss", carry<false, ([](u32 a, u32 b, bool) {
                                     return WithCarry{a + b, a + b < a};
                                   })>,
     kLaneForms},
    {"v_sub_co_u32", "vDss", carry<false, ([](u32 a, u32 b, bool) {
                                     return WithCarry{a - b, b > a};
                                   })>,
     kLaneForms},
    {"v_subrev_co_u32", "vDss", carry<false, ([](u32 a, u32 b, bool) {
                                        return WithCarry{b - a, a > b};
                                      })>,
     kLaneForms},
    {"v_addc_co_u32", "vDssD", carry<true, ([](u32 a, u32 b, bool c) {
                                       const u64 sum = u64{a} + b + (c ? 1U : 0U);
                                       return WithCarry{static_cast<u32>(sum), sum >> 32 != 0};
                                     })>,
     kLaneForms},
    {"v_subb_co_u32", "vDssD", carry<true, ([](u32 a, u32 b, bool c) {
                                       const u32 borrow = c ? 1 : 0;
                                       return WithCarry{a - b - borrow, u64{b} + borrow > a};
                                     })>,
     kLaneForms},
    {"v_subbrev_co_u32", "vDssD", carry<true, ([](u32 a, u32 b, bool c) {
                                          const u32 borrow = c ? 1 : 0;
                                          return WithCarry{b - a - borrow, u64{a} + borrow > b};
                                        })>,
     kLaneForms},
    {"v_mad_i64_i32", "VDssS",
     multiply_add64<([](u32 a, u32 b) { return static_cast<u64>(i64{as_signed(a)} * as_signed(b)); })>},
    {"v_mad_u64_u32", "VDssS", multiply_add64<([](u32 a, u32 b) { return u64{a} * b; })>},
    {"v_lshl_add_u64", "VSsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return (wave.source64(i.operands[1], lane) << (in_lane(wave, i.operands[2], lane) & 7)) +
              wave.source64(i.operands[3], lane);
     })>},
    {"v_lshlrev_b64", "VsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return wave.source64(i.operands[2], lane) << (in_lane(wave, i.operands[1], lane) & 63);
     })>},
    {"v_lshrrev_b64", "VsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return wave.source64(i.operands[2], lane) >> (in_lane(wave, i.operands[1], lane) & 63);
     })>},
    {"v_mov_b64", "VS", move_pair, kLaneForms},
    {"v_ashrrev_i64", "VsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       const auto value = static_cast<std::int64_t>(wave.source64(i.operands[2], lane));
       return static_cast<u64>(value >> (in_lane(wave, i.operands[1], lane) & 63));
     })>},
    {"v_cndmask_b32", "vffC", select, kLaneForms},
    {"v_readfirstlane_b32", "dv", read_first_lane},
    {"v_readlane_b32", "dvc", read_lane},
    {"v_writelane_b32", "vcc", write_lane},
    {"v_mbcnt_lo_u32_b32", "vss", count_below<0>},
    {"v_mbcnt_hi_u32_b32", "vss", count_below<1>},
    {"v_swap_b32", "vv", swap_registers},
    {"v_permlane16_swap_b32", "vv", swap_rows<16>},
    {"v_permlane32_swap_b32", "vv", swap_rows<32>},
    {"v_nop", "", [](Wave&, const Instruction&) {}},
};

}  // namespace

std::span<const Opcode> vector_opcodes() { return kAll; }

}  // namespace sinter::sim
