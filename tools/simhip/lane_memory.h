// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a lane's memory access goes, by the kind of instruction: global, flat (which may be LDS or scratch), scratch,
// or a buffer with its descriptor. Every lane's access is checked against what it may touch.

#include <array>
#include <cstddef>
#include <cstdint>

#include "tools/simhip/memory_map.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

enum class Space : std::uint8_t { kGlobal, kFlat, kScratch, kBuffer };

/// Which operands hold an address.
struct AddressOperands {
  unsigned lane = 0;    ///< Per lane.
  unsigned base = 0;    ///< Scalar: of all but flat. Of buffers the descriptor.
  unsigned offset = 0;  ///< Of buffers.
};

/// The last dword of the descriptor that a wave gets for its scratch. Its base is the wave's, and offsets are swizzled:
/// per lane from a vector register and the instruction, for all lanes together from a scalar register.
inline constexpr std::uint32_t kScratchDescriptor = 0x00e00000;

/// The high halves of flat addresses that are LDS and scratch; no address of a process has bits there.
inline constexpr std::uint32_t kSharedWindow = 0x10000, kPrivateWindow = 0x20000;

/// Where `bytes` bytes are. Null without a fault: a buffer ends before them, so that 0 is read and nothing written.
std::byte* locate(Wave& wave, const Instruction& i, Space space, const AddressOperands& operands, unsigned lane,
                  unsigned bytes, Access access);

/// The address itself, of global memory.
std::uint64_t global_address(const Wave& wave, const Instruction& i, const AddressOperands& operands, unsigned lane);

/// Checks an address in global memory. False: the wave was stopped with the reason.
bool check_global(Wave& wave, std::uint64_t address, unsigned bytes, Access access, unsigned lane);

}  // namespace sinter::sim
