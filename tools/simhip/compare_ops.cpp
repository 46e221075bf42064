// SPDX-License-Identifier: Apache-2.0

// v_cmp: a mask of the active lanes for which a comparison holds.

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
  } else {
    return static_cast<T>(bits);
  }
}

template <class T, auto kHolds>
void compare(Wave& wave, const Instruction& i) {
  std::uint64_t mask = 0;
  if constexpr (sizeof(T) == 8) {
    for_active_lanes(wave, [&](unsigned lane) {
      const bool holds = kHolds(static_cast<T>(wave.source64(i.operands[1], lane)),
                                static_cast<T>(wave.source64(i.operands[2], lane)));
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
  wave.set_scalar64(i.operands[0], mask & wave.exec());
}

constexpr auto kLess = [](auto a, auto b) { return a < b; };
constexpr auto kEqual = [](auto a, auto b) { return a == b; };
constexpr auto kLessEqual = [](auto a, auto b) { return a <= b; };
constexpr auto kGreater = [](auto a, auto b) { return a > b; };
constexpr auto kNotEqual = [](auto a, auto b) { return a != b; };
constexpr auto kGreaterEqual = [](auto a, auto b) { return a >= b; };

using i16 = std::int16_t;
using u16 = std::uint16_t;
using i32 = std::int32_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;
using u64 = std::uint64_t;

constexpr Opcode kAll[] = {
    {"v_cmp_lt_i32", "Dss", compare<i32, kLess>},      {"v_cmp_eq_i32", "Dss", compare<i32, kEqual>},
    {"v_cmp_le_i32", "Dss", compare<i32, kLessEqual>}, {"v_cmp_gt_i32", "Dss", compare<i32, kGreater>},
    {"v_cmp_ne_i32", "Dss", compare<i32, kNotEqual>},  {"v_cmp_ge_i32", "Dss", compare<i32, kGreaterEqual>},
    {"v_cmp_lt_u32", "Dss", compare<u32, kLess>},      {"v_cmp_eq_u32", "Dss", compare<u32, kEqual>},
    {"v_cmp_le_u32", "Dss", compare<u32, kLessEqual>}, {"v_cmp_gt_u32", "Dss", compare<u32, kGreater>},
    {"v_cmp_ne_u32", "Dss", compare<u32, kNotEqual>},  {"v_cmp_ge_u32", "Dss", compare<u32, kGreaterEqual>},
    {"v_cmp_lt_i16", "Dhh", compare<i16, kLess>},      {"v_cmp_eq_i16", "Dhh", compare<i16, kEqual>},
    {"v_cmp_le_i16", "Dhh", compare<i16, kLessEqual>}, {"v_cmp_gt_i16", "Dhh", compare<i16, kGreater>},
    {"v_cmp_ne_i16", "Dhh", compare<i16, kNotEqual>},  {"v_cmp_ge_i16", "Dhh", compare<i16, kGreaterEqual>},
    {"v_cmp_lt_u16", "Dhh", compare<u16, kLess>},      {"v_cmp_eq_u16", "Dhh", compare<u16, kEqual>},
    {"v_cmp_le_u16", "Dhh", compare<u16, kLessEqual>}, {"v_cmp_gt_u16", "Dhh", compare<u16, kGreater>},
    {"v_cmp_ne_u16", "Dhh", compare<u16, kNotEqual>},  {"v_cmp_ge_u16", "Dhh", compare<u16, kGreaterEqual>},
    {"v_cmp_lt_i64", "DSS", compare<i64, kLess>},      {"v_cmp_eq_i64", "DSS", compare<i64, kEqual>},
    {"v_cmp_le_i64", "DSS", compare<i64, kLessEqual>}, {"v_cmp_gt_i64", "DSS", compare<i64, kGreater>},
    {"v_cmp_ne_i64", "DSS", compare<i64, kNotEqual>},  {"v_cmp_ge_i64", "DSS", compare<i64, kGreaterEqual>},
    {"v_cmp_lt_u64", "DSS", compare<u64, kLess>},      {"v_cmp_eq_u64", "DSS", compare<u64, kEqual>},
    {"v_cmp_le_u64", "DSS", compare<u64, kLessEqual>}, {"v_cmp_gt_u64", "DSS", compare<u64, kGreater>},
    {"v_cmp_ne_u64", "DSS", compare<u64, kNotEqual>},  {"v_cmp_ge_u64", "DSS", compare<u64, kGreaterEqual>},
    {"v_cmp_lt_f32", "Dff", compare<float, kLess>},      {"v_cmp_eq_f32", "Dff", compare<float, kEqual>},
    {"v_cmp_le_f32", "Dff", compare<float, kLessEqual>}, {"v_cmp_gt_f32", "Dff", compare<float, kGreater>},
    {"v_cmp_ge_f32", "Dff", compare<float, kGreaterEqual>},
    // n*: the opposite, and so true where one is NaN. lg: less or greater.
    {"v_cmp_neq_f32", "Dff", compare<float, kNotEqual>},
    {"v_cmp_nlt_f32", "Dff", compare<float, ([](float a, float b) { return !(a < b); })>},
    {"v_cmp_nle_f32", "Dff", compare<float, ([](float a, float b) { return !(a <= b); })>},
    {"v_cmp_ngt_f32", "Dff", compare<float, ([](float a, float b) { return !(a > b); })>},
    {"v_cmp_nge_f32", "Dff", compare<float, ([](float a, float b) { return !(a >= b); })>},
    {"v_cmp_lg_f32", "Dff", compare<float, ([](float a, float b) { return std::islessgreater(a, b); })>},
    {"v_cmp_nlg_f32", "Dff", compare<float, ([](float a, float b) { return !std::islessgreater(a, b); })>},
    {"v_cmp_o_f32", "Dff", compare<float, ([](float a, float b) { return !std::isnan(a) && !std::isnan(b); })>},
    {"v_cmp_u_f32", "Dff", compare<float, ([](float a, float b) { return std::isnan(a) || std::isnan(b); })>},
};

}  // namespace

std::span<const Opcode> compare_opcodes() { return kAll; }

}  // namespace sinter::sim
