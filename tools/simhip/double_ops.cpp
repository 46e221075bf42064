// SPDX-License-Identifier: Apache-2.0

// Vector instructions on 64-bit floats: a pair of registers per lane.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "tools/simhip/division_steps.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

double number(const Wave& wave, const Instruction& i, unsigned operand_number, unsigned lane) {
  const Operand& operand = i.operands[operand_number];
  const double value = std::bit_cast<double>(wave.source64(operand, lane));
  const double magnitude = operand.absolute ? std::fabs(value) : value;
  return operand.negate ? -magnitude : magnitude;
}

/// Applies `kOperation` to as many sources as it takes, from operand `kFirst` on.
template <unsigned kCount, unsigned kFirst, auto kOperation>
u64 applied(const Wave& wave, const Instruction& i, unsigned lane) {
  if constexpr (kCount == 1) {
    return std::bit_cast<u64>(kOperation(number(wave, i, kFirst, lane)));
  } else if constexpr (kCount == 2) {
    return std::bit_cast<u64>(kOperation(number(wave, i, kFirst, lane), number(wave, i, kFirst + 1, lane)));
  } else {
    return std::bit_cast<u64>(kOperation(number(wave, i, kFirst, lane), number(wave, i, kFirst + 1, lane),
                                         number(wave, i, kFirst + 2, lane)));
  }
}

template <auto kOperation>
constexpr Handler kUnary = wide<applied<1, 1, kOperation>>;
template <auto kOperation>
constexpr Handler kBinary = wide<applied<2, 1, kOperation>>;
template <auto kOperation>
constexpr Handler kTernary = wide<applied<3, 1, kOperation>>;

/// The destination is the third source.
u64 accumulated(const Wave& wave, const Instruction& i, unsigned lane) {
  return std::bit_cast<u64>(std::fma(number(wave, i, 1, lane), number(wave, i, 2, lane), number(wave, i, 0, lane)));
}

u64 scaled_by_power(const Wave& wave, const Instruction& i, unsigned lane) {
  return std::bit_cast<u64>(std::ldexp(number(wave, i, 1, lane), as_signed(in_lane(wave, i.operands[2], lane))));
}

double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(a) ? b : a;
  }
  return a > b || (a == b && !std::signbit(a)) ? a : b;
}

double minimum(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(a) ? b : a;
  }
  return a < b || (a == b && std::signbit(a)) ? a : b;
}

double fraction(double a) {
  return std::isinf(a) ? std::numeric_limits<double>::quiet_NaN()
                       : std::min(a - std::floor(a), std::nextafter(1.0, 0.0));
}

double mantissa(double a) {
  int exponent = 0;
  return std::isfinite(a) ? std::frexp(a, &exponent) : a;
}

void division_scale(Wave& wave, const Instruction& i) {
  u64 scaled = 0;
  Lane low{}, high{};
  for_active_lanes(wave, [&](unsigned lane) {
    const auto operand =
        scale_for_division(number(wave, i, 2, lane), number(wave, i, 3, lane), number(wave, i, 4, lane));
    const auto bits = std::bit_cast<u64>(operand.value);
    low[lane] = static_cast<u32>(bits);
    high[lane] = static_cast<u32>(bits >> 32);
    scaled |= u64{operand.quotient_is_scaled} << lane;
  });
  wave.write(i.operands[0], low, 0);
  wave.write(i.operands[0], high, 1);
  wave.set_mask(i, i.operands[1], scaled);
}

u64 division_fused(const Wave& wave, const Instruction& i, unsigned lane) {
  const bool is_scaled = (wave.pair(kVcc) >> lane & 1) != 0;
  return std::bit_cast<u64>(
      fused_division_step(number(wave, i, 1, lane), number(wave, i, 2, lane), number(wave, i, 3, lane), is_scaled));
}

constexpr Opcode kAll[] = {
    {"v_add_f64", "Vpp", kBinary<[](double a, double b) { return a + b; }>},
    {"v_mul_f64", "Vpp", kBinary<[](double a, double b) { return a * b; }>},
    {"v_max_f64", "Vpp", kBinary<maximum>},
    {"v_min_f64", "Vpp", kBinary<minimum>},
    {"v_fma_f64", "Vppp", kTernary<[](double a, double b, double c) { return std::fma(a, b, c); }>},
    {"v_fmac_f64", "Vpp", wide<accumulated>},
    {"v_ldexp_f64", "Vps", wide<scaled_by_power>},
    {"v_div_scale_f64", "VDppp", division_scale},
    {"v_div_fmas_f64", "Vppp", wide<division_fused>},
    {"v_div_fixup_f64", "Vppp", kTernary<[](double a, double b, double c) { return finish_division(a, b, c); }>},
    // Approximations on the device, of about 2^-24 for the first two; rounded right here.
    {"v_rcp_f64", "Vp", kUnary<[](double a) { return 1.0 / a; }>},
    {"v_rsq_f64", "Vp", kUnary<[](double a) { return 1.0 / std::sqrt(a); }>},
    {"v_sqrt_f64", "Vp", kUnary<[](double a) { return std::sqrt(a); }>},
    {"v_floor_f64", "Vp", kUnary<[](double a) { return std::floor(a); }>},
    {"v_ceil_f64", "Vp", kUnary<[](double a) { return std::ceil(a); }>},
    {"v_trunc_f64", "Vp", kUnary<[](double a) { return std::trunc(a); }>},
    {"v_rndne_f64", "Vp", kUnary<[](double a) { return std::nearbyint(a); }>},
    {"v_fract_f64", "Vp", kUnary<fraction>},
    {"v_frexp_mant_f64", "Vp", kUnary<mantissa>},
};

}  // namespace

std::span<const Opcode> double_opcodes() { return kAll; }

}  // namespace sinter::sim
