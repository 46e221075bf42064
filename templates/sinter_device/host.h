// SPDX-License-Identifier: Apache-2.0
#pragma once

// Host CPU (x86-64) as a target: a block is one call of the entry on one thread of the pool.

#define SINTER_DEVICE static inline __attribute__((always_inline))

namespace sinter {

/// The call's place in the launch. Part of the host ABI (runtime/device/host_driver.cpp has the same struct).
struct HostBlock {
  unsigned int index;  ///< 0 to count - 1.
  unsigned int count;
  void* scratch;       ///< This thread's own memory, 64-byte aligned, BodyPlan::dynamic_shared_bytes long.
};

}  // namespace sinter

#define SINTER_KERNEL(name, P)                                                                                      \
  extern "C" __attribute__((visibility("default"))) void name(const void* args, const sinter::HostBlock* block) { \
    sinter::run<P>(*static_cast<const sinter::Args*>(args), *block);                                               \
  }
