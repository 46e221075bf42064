// SPDX-License-Identifier: Apache-2.0
#pragma once

// Handlers for instructions that do the same to every lane. Inactive lanes are computed too and not written: no
// operation may be undefined for any bits.
//
// The result may be the register that a source is: lanes do not depend on each other, which the compiler has to be
// told.

#include <cstdint>

#include "tools/simhip/wave.h"

namespace sinter::sim {

template <auto kOperation>
void unary(Wave& wave, const Instruction& i) {
  Lane storage, result;
  const Lane& a = wave.source(i, 1, storage);
  Lane& to = wave.target(i, result);
#pragma GCC ivdep
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    to[lane] = kOperation(a[lane]);
  }
  wave.write(i, to);
}

template <auto kOperation>
void binary(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  Lane& to = wave.target(i, result);
#pragma GCC ivdep
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    to[lane] = kOperation(a[lane], b[lane]);
  }
  wave.write(i, to);
}

template <auto kOperation>
void ternary(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, storage_c, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.source(i, 3, storage_c);
  Lane& to = wave.target(i, result);
#pragma GCC ivdep
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    to[lane] = kOperation(a[lane], b[lane], c[lane]);
  }
  wave.write(i, to);
}

/// A result of 16 bits: of instructions of three sources it is one half of the destination, the high one by op_sel's bit
/// 3, and the other half stays.
template <auto kOperation>
void ternary_half(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, storage_c, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.source(i, 3, storage_c);
  const Lane& before = wave.vectors[i.operands[0].index];
  const unsigned shift = (i.modifiers.op_sel & 8U) != 0 ? 16 : 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t value = kOperation(a[lane], b[lane], c[lane]) & 0xffff;
    result[lane] = (before[lane] & ~(0xffffU << shift)) | value << shift;
  }
  wave.write(i, result);
}

/// The destination is the third source.
template <auto kOperation>
void accumulate(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.vectors[i.operands[0].index];
  Lane& to = wave.target(i, result);
#pragma GCC ivdep
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    to[lane] = kOperation(a[lane], b[lane], c[lane]);
  }
  wave.write(i, to);
}

/// `kOperation(wave, instruction, lane)` gives 64 bits.
template <auto kOperation>
void wide(Wave& wave, const Instruction& i) {
  Lane low{}, high{};
  for_active_lanes(wave, [&](unsigned lane) {
    const std::uint64_t value = kOperation(wave, i, lane);
    low[lane] = static_cast<std::uint32_t>(value);
    high[lane] = static_cast<std::uint32_t>(value >> 32);
  });
  wave.write(i.operands[0], low, 0);
  wave.write(i.operands[0], high, 1);
}

inline std::uint32_t in_lane(const Wave& wave, const Operand& operand, unsigned lane) {
  return operand.kind == OperandKind::kVector ? wave.vectors[operand.index][lane] : wave.scalar(operand);
}

}  // namespace sinter::sim
