// SPDX-License-Identifier: Apache-2.0
#pragma once

// AMD GPUs (gfx9: wave64): compiled by clang or hiprtc, without the HIP headers. hiprtc brings its own macros.

#ifndef __HIPCC_RTC__
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#endif

#define SINTER_DEVICE static __device__ inline __attribute__((always_inline))

#define SINTER_KERNEL(name, P)                                                                                  \
  extern "C" __global__ __attribute__((amdgpu_flat_work_group_size(P::kThreads, P::kThreads))) void name(sinter::Args args) { \
    sinter::run<P>(args);                                                                                       \
  }
