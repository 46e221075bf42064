// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which statuses of a launch tell of a fault that happened before it.

namespace sinter {

/// Whether the device stopped at a fault, which every call in its context repeats from then on. CUDA and HIP number these
/// alike (CUresult, hipError_t); their neighbours from 700 to 720 are about one call: 701 asks for too many resources.
constexpr bool is_sticky(int status) {
  switch (status) {
    case 700:  // an illegal address
    case 702:  // the watchdog ended a kernel
    case 710:  // an assertion in a kernel
    case 714:  // a fault of the hardware's stack
    case 715:  // an illegal instruction
    case 716:  // a misaligned address
    case 717:  // an address of another space
    case 718:  // an invalid program counter
    case 719:  // a fault without a name
      return true;
    default:
      return false;
  }
}

}  // namespace sinter
