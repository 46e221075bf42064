// SPDX-License-Identifier: Apache-2.0
#pragma once

// NVIDIA GPUs, sm_80 and later: compiled by NVRTC (cubin, PTX) or by clang to PTX, without the CUDA headers.
//
// What the two compilers do not share (special registers, intrinsics) is inline PTX here, so that a body is written
// once.

#if defined(__clang__)  // clang without its CUDA wrapper headers has the builtins but not the names
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __grid_constant__ __attribute__((grid_constant))
#endif

#define SINTER_DEVICE static __device__ inline __attribute__((always_inline))

#define SINTER_KERNEL(name, P)                                                                                \
  extern "C" __global__ void __launch_bounds__(P::kThreads) name(const __grid_constant__ sinter::Args args) { \
    sinter::run<P>(args);                                                                                     \
  }

namespace sinter {

using U8 = unsigned char;
using U16 = unsigned short;
using U32 = unsigned int;
using U64 = unsigned long long;
static_assert(sizeof(U16) == 2 && sizeof(U32) == 4 && sizeof(U64) == 8, "PTX operand sizes");

inline constexpr int kWarpSize = 32;

/// 16 bytes, the widest access of one thread.
struct alignas(16) Vec16 {
  U32 x, y, z, w;
};
struct alignas(8) Vec8 {
  U32 x, y;
};

// --- indices ---------------------------------------------------------------------------------------------------------

SINTER_DEVICE int thread_index() {
  int value;
  asm("mov.u32 %0, %%tid.x;" : "=r"(value));
  return value;
}

SINTER_DEVICE int block_index() {
  int value;
  asm("mov.u32 %0, %%ctaid.x;" : "=r"(value));
  return value;
}

SINTER_DEVICE int block_count() {
  int value;
  asm("mov.u32 %0, %%nctaid.x;" : "=r"(value));
  return value;
}

// --- threads of a block ----------------------------------------------------------------------------------------------

/// All threads of the block arrive before any goes on; orders their shared-memory accesses.
SINTER_DEVICE void barrier() { asm volatile("bar.sync 0;" ::: "memory"); }

/// The value of the lane `distance` below; lanes below that keep theirs. All lanes call.
SINTER_DEVICE int shuffle_up(int value, int distance) {
  int out;
  asm volatile("shfl.sync.up.b32 %0, %1, %2, 0, 0xffffffff;" : "=r"(out) : "r"(value), "r"(distance));
  return out;
}

/// The value of the lane whose index differs in the bits of `mask`. All lanes call.
SINTER_DEVICE U32 shuffle_xor(U32 value, int mask) {
  U32 out;
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(out) : "r"(value), "r"(mask));
  return out;
}

// --- numbers ---------------------------------------------------------------------------------------------------------

SINTER_DEVICE U32 float_bits(float value) {
  U32 out;
  asm("mov.b32 %0, %1;" : "=r"(out) : "f"(value));
  return out;
}

SINTER_DEVICE float bits_float(U32 value) {
  float out;
  asm("mov.b32 %0, %1;" : "=f"(out) : "r"(value));
  return out;
}

/// Two fp32 as bf16, to nearest, ties to even; `low` in the lower half.
SINTER_DEVICE U32 bf16x2(float low, float high) {
  U32 out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}

/// The same as fp16; what is too large becomes infinity.
SINTER_DEVICE U32 f16x2(float low, float high) {
  U32 out;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}

/// The value of fp16 bits.
SINTER_DEVICE float f16_float(U16 value) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(value));
  return out;
}

/// value / (1 + e^-value), by the fast instructions: a few units of fp32's last place off.
SINTER_DEVICE float silu(float value) {
  float power, inverse;
  asm("ex2.approx.f32 %0, %1;" : "=f"(power) : "f"(value * -1.44269504f));
  asm("rcp.approx.f32 %0, %1;" : "=f"(inverse) : "f"(1.0f + power));
  return value * inverse;
}

/// a / b as IEEE 754 says, subnormals included, whatever the compiler's options.
SINTER_DEVICE float divide(float a, float b) {
  float out;
  asm("div.rn.f32 %0, %1, %2;" : "=f"(out) : "f"(a), "f"(b));
  return out;
}

/// 1 / a, likewise.
SINTER_DEVICE float reciprocal(float a) {
  float out;
  asm("rcp.rn.f32 %0, %1;" : "=f"(out) : "f"(a));
  return out;
}

/// a * b + c with one rounding, and a * b that no compiler fuses into a sum.
SINTER_DEVICE float multiply_add(float a, float b, float c) {
  float out;
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(out) : "f"(a), "f"(b), "f"(c));
  return out;
}
SINTER_DEVICE float multiply(float a, float b) {
  float out;
  asm("mul.rn.f32 %0, %1, %2;" : "=f"(out) : "f"(a), "f"(b));
  return out;
}

// --- memory ----------------------------------------------------------------------------------------------------------

/// Reads through the read-only path; `from` is 16-byte aligned and not written during the kernel.
SINTER_DEVICE Vec16 load_readonly(const Vec16* from) {
  Vec16 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
}

/// The address of shared memory as cp.async and ldmatrix take it.
SINTER_DEVICE U32 shared_address(const void* pointer) {
  U32 out;
  asm("{ .reg .u64 address; cvta.to.shared.u64 address, %1; cvt.u32.u64 %0, address; }" : "=r"(out) : "l"(pointer));
  return out;
}

/// Starts a copy of 16 bytes to shared memory past the L1 cache. With `valid` false nothing is read and zeros are
/// written; `from` may then point anywhere.
SINTER_DEVICE void copy_async_16(U32 to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
}

/// The same for 4 bytes, through the L1 cache: neighbours in the sector are wanted soon.
SINTER_DEVICE void copy_async_4(U32 to, const void* from, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(valid ? 4 : 0) : "memory");
}

/// Closes the group of copies that this thread started since the last call; a group may be empty.
SINTER_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most the `kPending` youngest groups of this thread are under way. Other threads see the data after
/// a barrier.
template <int kPending>
SINTER_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

SINTER_DEVICE float load_shared_float(U32 address) {
  float out;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(out) : "r"(address) : "memory");
  return out;
}

}  // namespace sinter
