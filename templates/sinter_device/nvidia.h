// SPDX-License-Identifier: Apache-2.0
#pragma once

// NVIDIA GPUs: compiled by NVRTC (cubin, PTX) or by clang to PTX, without the CUDA headers.

#if defined(__clang__)  // clang without its CUDA wrapper headers has the builtins but not the names
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __grid_constant__ __attribute__((grid_constant))
#endif

#define SINTER_DEVICE static __device__ inline __attribute__((always_inline))

#define SINTER_KERNEL(name, P)                                                                         \
  extern "C" __global__ void __launch_bounds__(P::kThreads) name(const __grid_constant__ sinter::Args args) { \
    sinter::run<P>(args);                                                                              \
  }
