// SPDX-License-Identifier: Apache-2.0

// v_cmp: a mask of the active lanes for which a comparison holds.

#include <bit>
#include <cmath>
#include <type_traits>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

/// The low bits of a lane as a number.
template <class T>
T number(std::uint32_t bits) {
  if constexpr (std::is_same_v<T, float>) {
    return as_float(bits);
  } else if constexpr (std::is_same_v<T, Half>) {
    return as_half(bits);
  } else {
    return static_cast<T>(bits);
  }
}

/// A 64-bit source of a lane.
template <class T>
T wide_number(const Wave& wave, const Operand& operand, unsigned lane) {
  const std::uint64_t bits = wave.source64(operand, lane);
  if constexpr (std::is_same_v<T, double>) {
    const auto value = std::bit_cast<double>(bits);
    const double magnitude = operand.absolute ? std::fabs(value) : value;
    return operand.negate ? -magnitude : magnitude;
  } else {
    return static_cast<T>(bits);
  }
}

/// The v_cmpx forms set EXEC too.
void finish(Wave& wave, const Instruction& i, std::uint64_t mask) {
  wave.set_mask(i, i.operands[0], mask);
  if (i.modifiers.sets_exec) {
    wave.set_pair(kExec, mask & wave.exec());
  }
}

template <class T, auto kHolds>
void compare(Wave& wave, const Instruction& i) {
  std::uint64_t mask = 0;
  if constexpr (sizeof(T) == 8) {
    for_active_lanes(wave, [&](unsigned lane) {
      const bool holds =
          kHolds(wide_number<T>(wave, i.operands[1], lane), wide_number<T>(wave, i.operands[2], lane));
      mask |= std::uint64_t{holds} << lane;
    });
  } else {
    Lane storage_a, storage_b;
    const Lane& a = wave.source(i, 1, storage_a);
    const Lane& b = wave.source(i, 2, storage_b);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      mask |= std::uint64_t{kHolds(number<T>(a[lane]), number<T>(b[lane]))} << lane;
    }
  }
  finish(wave, i, mask);
}

/// The bit of v_cmp_class for a number: signalling NaN, quiet NaN, then -infinity, -normal, -subnormal, -0 and the
/// same for positive numbers backwards.
template <class Bits>
unsigned class_of(Bits bits, unsigned mantissa_bits) {
  const bool is_negative = bits >> (8 * sizeof(Bits) - 1) != 0;
  const auto mantissa = static_cast<Bits>(bits & ((Bits{1} << mantissa_bits) - 1));
  const auto all_exponent = static_cast<Bits>(((Bits{1} << (8 * sizeof(Bits) - 1)) - 1) >> mantissa_bits);
  const auto exponent = static_cast<Bits>(bits >> mantissa_bits & all_exponent);
  if (exponent == all_exponent) {
    return mantissa == 0 ? (is_negative ? 2 : 9) : (mantissa >> (mantissa_bits - 1) != 0 ? 1 : 0);
  }
  const unsigned magnitude = exponent != 0 ? 0 : mantissa != 0 ? 1 : 2;  // normal, subnormal, zero
  return is_negative ? 3 + magnitude : 8 - magnitude;
}

/// Operand 2 is the mask of classes.
template <class T>
void compare_class(Wave& wave, const Instruction& i) {
  std::uint64_t mask = 0;
  Lane storage_a, storage_b;
  const Lane& classes = wave.source(i, 2, storage_b);
  if constexpr (sizeof(T) == 8) {
    for_active_lanes(wave, [&](unsigned lane) {
      const auto value = wide_number<double>(wave, i.operands[1], lane);
      mask |= std::uint64_t{classes[lane] >> class_of(std::bit_cast<std::uint64_t>(value), 52) & 1U} << lane;
    });
  } else {
    const Lane& a = wave.source(i, 1, storage_a);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned found = std::is_same_v<T, Half>
                                 ? class_of(static_cast<std::uint16_t>(a[lane]), 10)
                                 : class_of(a[lane], 23);
      mask |= std::uint64_t{classes[lane] >> found & 1U} << lane;
    }
  }
  finish(wave, i, mask);
}

constexpr auto kLess = [](auto a, auto b) { return a < b; };
constexpr auto kEqual = [](auto a, auto b) { return a == b; };
constexpr auto kLessEqual = [](auto a, auto b) { return a <= b; };
constexpr auto kGreater = [](auto a, auto b) { return a > b; };
constexpr auto kNotEqual = [](auto a, auto b) { return a != b; };
constexpr auto kGreaterEqual = [](auto a, auto b) { return a >= b; };

constexpr auto kNotLess = [](auto a, auto b) { return !(a < b); };
constexpr auto kNotLessEqual = [](auto a, auto b) { return !(a <= b); };
constexpr auto kNotGreater = [](auto a, auto b) { return !(a > b); };
constexpr auto kNotGreaterEqual = [](auto a, auto b) { return !(a >= b); };
constexpr auto kLessOrGreater = [](auto a, auto b) { return a < b || a > b; };
constexpr auto kNotLessOrGreater = [](auto a, auto b) { return !(a < b || a > b); };
constexpr auto kOrdered = [](auto a, auto b) { return a == a && b == b; };
constexpr auto kUnordered = [](auto a, auto b) { return a != a || b != b; };

constexpr auto kNever = [](auto, auto) { return false; };
constexpr auto kAlways = [](auto, auto) { return true; };

using i16 = std::int16_t;
using u16 = std::uint16_t;
using i32 = std::int32_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;
using u64 = std::uint64_t;

constexpr Opcode kAll[] = {
    {"v_cmp_lt_i32", "Dss", compare<i32, kLess>, kLaneForms},
    {"v_cmp_eq_i32", "Dss", compare<i32, kEqual>, kLaneForms},
    {"v_cmp_le_i32", "Dss", compare<i32, kLessEqual>, kLaneForms},
    {"v_cmp_gt_i32", "Dss", compare<i32, kGreater>, kLaneForms},
    {"v_cmp_ne_i32", "Dss", compare<i32, kNotEqual>, kLaneForms},
    {"v_cmp_ge_i32", "Dss", compare<i32, kGreaterEqual>, kLaneForms},
    {"v_cmp_lt_u32", "Dss", compare<u32, kLess>, kLaneForms},
    {"v_cmp_eq_u32", "Dss", compare<u32, kEqual>, kLaneForms},
    {"v_cmp_le_u32", "Dss", compare<u32, kLessEqual>, kLaneForms},
    {"v_cmp_gt_u32", "Dss", compare<u32, kGreater>, kLaneForms},
    {"v_cmp_ne_u32", "Dss", compare<u32, kNotEqual>, kLaneForms},
    {"v_cmp_ge_u32", "Dss", compare<u32, kGreaterEqual>, kLaneForms},
    {"v_cmp_lt_i16", "Dhh", compare<i16, kLess>, kLaneForms},
    {"v_cmp_eq_i16", "Dhh", compare<i16, kEqual>, kLaneForms},
    {"v_cmp_le_i16", "Dhh", compare<i16, kLessEqual>, kLaneForms},
    {"v_cmp_gt_i16", "Dhh", compare<i16, kGreater>, kLaneForms},
    {"v_cmp_ne_i16", "Dhh", compare<i16, kNotEqual>, kLaneForms},
    {"v_cmp_ge_i16", "Dhh", compare<i16, kGreaterEqual>, kLaneForms},
    {"v_cmp_lt_u16", "Dhh", compare<u16, kLess>, kLaneForms},
    {"v_cmp_eq_u16", "Dhh", compare<u16, kEqual>, kLaneForms},
    {"v_cmp_le_u16", "Dhh", compare<u16, kLessEqual>, kLaneForms},
    {"v_cmp_gt_u16", "Dhh", compare<u16, kGreater>, kLaneForms},
    {"v_cmp_ne_u16", "Dhh", compare<u16, kNotEqual>, kLaneForms},
    {"v_cmp_ge_u16", "Dhh", compare<u16, kGreaterEqual>, kLaneForms},
    {"v_cmp_lt_i64", "DSS", compare<i64, kLess>},
    {"v_cmp_eq_i64", "DSS", compare<i64, kEqual>},
    {"v_cmp_le_i64", "DSS", compare<i64, kLessEqual>},
    {"v_cmp_gt_i64", "DSS", compare<i64, kGreater>},
    {"v_cmp_ne_i64", "DSS", compare<i64, kNotEqual>},
    {"v_cmp_ge_i64", "DSS", compare<i64, kGreaterEqual>},
    {"v_cmp_lt_u64", "DSS", compare<u64, kLess>},
    {"v_cmp_eq_u64", "DSS", compare<u64, kEqual>},
    {"v_cmp_le_u64", "DSS", compare<u64, kLessEqual>},
    {"v_cmp_gt_u64", "DSS", compare<u64, kGreater>},
    {"v_cmp_ne_u64", "DSS", compare<u64, kNotEqual>},
    {"v_cmp_ge_u64", "DSS", compare<u64, kGreaterEqual>},
    // n*: the opposite, and so true where one is NaN. lg: less or greater.
    {"v_cmp_lt_f32", "Dff", compare<float, kLess>, kLaneForms},
    {"v_cmp_eq_f32", "Dff", compare<float, kEqual>, kLaneForms},
    {"v_cmp_le_f32", "Dff", compare<float, kLessEqual>, kLaneForms},
    {"v_cmp_gt_f32", "Dff", compare<float, kGreater>, kLaneForms},
    {"v_cmp_ge_f32", "Dff", compare<float, kGreaterEqual>, kLaneForms},
    {"v_cmp_neq_f32", "Dff", compare<float, kNotEqual>, kLaneForms},
    {"v_cmp_nlt_f32", "Dff", compare<float, kNotLess>, kLaneForms},
    {"v_cmp_nle_f32", "Dff", compare<float, kNotLessEqual>, kLaneForms},
    {"v_cmp_ngt_f32", "Dff", compare<float, kNotGreater>, kLaneForms},
    {"v_cmp_nge_f32", "Dff", compare<float, kNotGreaterEqual>, kLaneForms},
    {"v_cmp_lg_f32", "Dff", compare<float, kLessOrGreater>, kLaneForms},
    {"v_cmp_nlg_f32", "Dff", compare<float, kNotLessOrGreater>, kLaneForms},
    {"v_cmp_o_f32", "Dff", compare<float, kOrdered>, kLaneForms},
    {"v_cmp_u_f32", "Dff", compare<float, kUnordered>, kLaneForms},
    {"v_cmp_lt_f16", "Dgg", compare<Half, kLess>, kLaneForms},
    {"v_cmp_eq_f16", "Dgg", compare<Half, kEqual>, kLaneForms},
    {"v_cmp_le_f16", "Dgg", compare<Half, kLessEqual>, kLaneForms},
    {"v_cmp_gt_f16", "Dgg", compare<Half, kGreater>, kLaneForms},
    {"v_cmp_ge_f16", "Dgg", compare<Half, kGreaterEqual>, kLaneForms},
    {"v_cmp_neq_f16", "Dgg", compare<Half, kNotEqual>, kLaneForms},
    {"v_cmp_nlt_f16", "Dgg", compare<Half, kNotLess>, kLaneForms},
    {"v_cmp_nle_f16", "Dgg", compare<Half, kNotLessEqual>, kLaneForms},
    {"v_cmp_ngt_f16", "Dgg", compare<Half, kNotGreater>, kLaneForms},
    {"v_cmp_nge_f16", "Dgg", compare<Half, kNotGreaterEqual>, kLaneForms},
    {"v_cmp_lg_f16", "Dgg", compare<Half, kLessOrGreater>, kLaneForms},
    {"v_cmp_nlg_f16", "Dgg", compare<Half, kNotLessOrGreater>, kLaneForms},
    {"v_cmp_o_f16", "Dgg", compare<Half, kOrdered>, kLaneForms},
    {"v_cmp_u_f16", "Dgg", compare<Half, kUnordered>, kLaneForms},
    {"v_cmp_lt_f64", "Dpp", compare<double, kLess>},
    {"v_cmp_eq_f64", "Dpp", compare<double, kEqual>},
    {"v_cmp_le_f64", "Dpp", compare<double, kLessEqual>},
    {"v_cmp_gt_f64", "Dpp", compare<double, kGreater>},
    {"v_cmp_ge_f64", "Dpp", compare<double, kGreaterEqual>},
    {"v_cmp_neq_f64", "Dpp", compare<double, kNotEqual>},
    {"v_cmp_nlt_f64", "Dpp", compare<double, kNotLess>},
    {"v_cmp_nle_f64", "Dpp", compare<double, kNotLessEqual>},
    {"v_cmp_ngt_f64", "Dpp", compare<double, kNotGreater>},
    {"v_cmp_nge_f64", "Dpp", compare<double, kNotGreaterEqual>},
    {"v_cmp_lg_f64", "Dpp", compare<double, kLessOrGreater>},
    {"v_cmp_nlg_f64", "Dpp", compare<double, kNotLessOrGreater>},
    {"v_cmp_o_f64", "Dpp", compare<double, kOrdered>},
    {"v_cmp_u_f64", "Dpp", compare<double, kUnordered>},
    {"v_cmp_f_i16", "Dhh", compare<i16, kNever>, kLaneForms},
    {"v_cmp_t_i16", "Dhh", compare<i16, kAlways>, kLaneForms},
    {"v_cmp_f_u16", "Dhh", compare<u16, kNever>, kLaneForms},
    {"v_cmp_t_u16", "Dhh", compare<u16, kAlways>, kLaneForms},
    {"v_cmp_f_i32", "Dss", compare<i32, kNever>, kLaneForms},
    {"v_cmp_t_i32", "Dss", compare<i32, kAlways>, kLaneForms},
    {"v_cmp_f_u32", "Dss", compare<u32, kNever>, kLaneForms},
    {"v_cmp_t_u32", "Dss", compare<u32, kAlways>, kLaneForms},
    {"v_cmp_f_i64", "DSS", compare<i64, kNever>},
    {"v_cmp_t_i64", "DSS", compare<i64, kAlways>},
    {"v_cmp_f_u64", "DSS", compare<u64, kNever>},
    {"v_cmp_t_u64", "DSS", compare<u64, kAlways>},
    {"v_cmp_f_f16", "Dgg", compare<Half, kNever>, kLaneForms},
    {"v_cmp_tru_f16", "Dgg", compare<Half, kAlways>, kLaneForms},
    {"v_cmp_f_f32", "Dff", compare<float, kNever>, kLaneForms},
    {"v_cmp_tru_f32", "Dff", compare<float, kAlways>, kLaneForms},
    {"v_cmp_f_f64", "Dpp", compare<double, kNever>},
    {"v_cmp_tru_f64", "Dpp", compare<double, kAlways>},
    {"v_cmp_class_f32", "Dfs", compare_class<float>, kLaneForms},
    {"v_cmp_class_f16", "Dgh", compare_class<Half>, kLaneForms},
    {"v_cmp_class_f64", "Dps", compare_class<double>},
};

}  // namespace

std::span<const Opcode> compare_opcodes() { return kAll; }

}  // namespace sinter::sim
