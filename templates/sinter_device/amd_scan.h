// SPDX-License-Identifier: Apache-2.0
#pragma once

// Scans over the threads of a block, through lane permutations and one int of LDS per wave.

#include "sinter_device/amd.h"

namespace sinter {

/// Inclusive scan over the lanes of a wave.
template <class Op>
SINTER_DEVICE int wave_scan(int value, int lane, Op op) {
#pragma unroll
  for (int distance = 1; distance < kWaveSize; distance *= 2) {
    const int before = from_lane(value, lane - distance);
    if (lane >= distance) value = op(value, before);
  }
  return value;
}

/// Exclusive scan over the threads of a block; the waves meet in `lds`, one int each. Values are not negative.
template <int kWaves, class Op>
SINTER_DEVICE int block_scan(int value, int thread, int* lds, Op op) {
  const int lane = thread % kWaveSize, wave = thread / kWaveSize;
  const int inclusive = wave_scan(value, lane, op);
  if (lane == kWaveSize - 1) lds[wave] = inclusive;
  block_barrier();
  int before = from_lane(inclusive, lane - 1);
  if (lane == 0) before = 0;
#pragma unroll
  for (int i = 0; i < kWaves - 1; ++i) {
    if (i < wave) before = op(before, lds[i]);
  }
  return before;
}

/// The result of `op` over the values of all threads of a block, in every thread; the waves meet in `lds`, one int
/// each, which is free again after the next barrier.
template <int kWaves, class Op>
SINTER_DEVICE int block_total(int value, int thread, int* lds, Op op) {
  const int inclusive = wave_scan(value, thread % kWaveSize, op);
  if (thread % kWaveSize == kWaveSize - 1) lds[thread / kWaveSize] = inclusive;
  block_barrier();
  int total = lds[0];
#pragma unroll
  for (int i = 1; i < kWaves; ++i) total = op(total, lds[i]);
  return total;
}

struct Maximum {
  __device__ __attribute__((always_inline)) int operator()(int a, int b) const { return a > b ? a : b; }
};
struct Sum {
  __device__ __attribute__((always_inline)) int operator()(int a, int b) const { return a + b; }
};

}  // namespace sinter
