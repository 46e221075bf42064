// SPDX-License-Identifier: Apache-2.0

// Vector loads and stores: global, flat, scratch and buffer, and loads from memory to LDS past the registers.

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/lane_memory.h"
#include "tools/simhip/lds.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using Dwords = std::array<std::uint32_t, 4>;

enum class Into : std::uint8_t { kWhole, kSigned, kLowHalf, kHighHalf, kSignedLowHalf, kSignedHighHalf };

constexpr AddressOperands load_operands(Space space) {
  return space == Space::kBuffer ? AddressOperands{1, 2, 3} : AddressOperands{1, 2, 0};
}

constexpr AddressOperands store_operands(Space space) {
  return space == Space::kBuffer ? AddressOperands{1, 2, 3} : AddressOperands{0, 2, 0};
}

constexpr unsigned data_operand(Space space) { return space == Space::kBuffer ? 0 : 1; }

/// Whether the per-lane operand is as wide as the form of the address needs.
bool has_valid_address(Wave& wave, const Instruction& i, Space space, const AddressOperands& operands) {
  if (space == Space::kScratch || space == Space::kBuffer) {
    return true;
  }
  const unsigned dwords = space == Space::kFlat || i.operands[operands.base].kind == OperandKind::kNone ? 2 : 1;
  if (i.operands[operands.lane].dwords != dwords) {
    wave.stop(FaultKind::kIllegalCode, "this form of address is not known to the simulator");
    return false;
  }
  return true;
}

/// What is less than a dword in its register.
template <unsigned kBytes, Into kInto>
std::uint32_t placed(std::uint32_t value, std::uint32_t before) {
  constexpr bool kIsSigned = kInto == Into::kSigned || kInto == Into::kSignedLowHalf || kInto == Into::kSignedHighHalf;
  if constexpr (kIsSigned) {
    constexpr unsigned kShift = 32 - 8 * kBytes;
    value = static_cast<std::uint32_t>(static_cast<std::int32_t>(value << kShift) >> kShift);
  }
  if constexpr (kInto == Into::kLowHalf || kInto == Into::kSignedLowHalf) {
    return (before & 0xffff0000U) | (value & 0xffffU);
  } else if constexpr (kInto == Into::kHighHalf || kInto == Into::kSignedHighHalf) {
    return (before & 0xffffU) | value << 16;
  } else {
    return value;
  }
}

template <Space kSpace, unsigned kBytes, Into kInto = Into::kWhole>
void load(Wave& wave, const Instruction& i) {
  constexpr unsigned kDwords = (kBytes + 3) / 4;
  constexpr AddressOperands kOperands = load_operands(kSpace);
  if (!has_valid_address(wave, i, kSpace, kOperands)) {
    return;
  }
  // A destination may be the address: results are kept until all lanes have read theirs.
  std::array<Lane, kDwords> loaded;
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    const std::byte* const from = locate(wave, i, kSpace, kOperands, lane, kBytes, Access::kRead);
    Dwords dwords{};
    if (from != nullptr) {
      std::memcpy(dwords.data(), from, kBytes);
    }
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      loaded[dword][lane] = dwords[dword];
    }
    if constexpr (kInto != Into::kWhole) {
      loaded[0][lane] = placed<kBytes, kInto>(dwords[0], wave.vectors[i.operands[0].index][lane]);
    }
  });
  if (wave.state != WaveState::kRunning) {
    return;
  }
  for (unsigned dword = 0; dword < kDwords; ++dword) {
    wave.write(i.operands[0], loaded[dword], dword);
  }
}

/// `kFromHigh`: the upper half of the register.
template <Space kSpace, unsigned kBytes, bool kFromHigh = false>
void store(Wave& wave, const Instruction& i) {
  constexpr unsigned kDwords = (kBytes + 3) / 4;
  constexpr AddressOperands kOperands = store_operands(kSpace);
  const std::uint16_t data = i.operands[data_operand(kSpace)].index;
  if (!has_valid_address(wave, i, kSpace, kOperands)) {
    return;
  }
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    std::byte* const to = locate(wave, i, kSpace, kOperands, lane, kBytes, Access::kWrite);
    Dwords dwords{};
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      dwords[dword] = wave.vectors[data + dword][lane] >> (kFromHigh ? 16 : 0);
    }
    if (to != nullptr) {
      std::memcpy(to, dwords.data(), kBytes);
    }
  });
}

/// To LDS, lane after lane from M0 plus the instruction's offset on. Of buffers the offset counts on both sides.
template <Space kSpace, unsigned kBytes>
void load_to_lds(Wave& wave, const Instruction& i) {
  constexpr AddressOperands kOperands = kSpace == Space::kBuffer ? AddressOperands{0, 1, 2} : AddressOperands{0, 1, 0};
  if (!has_valid_address(wave, i, kSpace, kOperands)) {
    return;
  }
  constexpr unsigned kWritten = kBytes < 4 ? 4 : kBytes;
  const std::uint32_t first = (wave.scalars[kM0] & 0xffffU) + static_cast<std::uint32_t>(i.modifiers.offset);
  wave.lds_writes_are_loads = true;
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    const std::byte* const from = locate(wave, i, kSpace, kOperands, lane, kBytes, Access::kRead);
    if (wave.state != WaveState::kRunning) {
      return;
    }
    Dwords dwords{};
    if (from != nullptr) {
      std::memcpy(dwords.data(), from, kBytes);
    }
    if (std::byte* const to = wave.lds->access(wave, first + lane * kWritten, kWritten, Access::kWrite);
        to != nullptr) {
      std::memcpy(to, dwords.data(), kWritten);
    }
  });
  wave.lds_writes_are_loads = false;
}

void do_nothing(Wave&, const Instruction&) {}

constexpr std::uint32_t kMemory = kOffset | kCachePolicy;
constexpr std::uint32_t kOfBuffer = kMemory | kBuffer;
constexpr auto kGlobal = Space::kGlobal;
constexpr auto kFlat = Space::kFlat;
constexpr auto kScratch = Space::kScratch;
constexpr auto kInBuffer = Space::kBuffer;

constexpr Opcode kAll[] = {
    {"global_load_ubyte", "vao", load<kGlobal, 1>, kMemory},
    {"global_load_sbyte", "vao", load<kGlobal, 1, Into::kSigned>, kMemory},
    {"global_load_ushort", "vao", load<kGlobal, 2>, kMemory},
    {"global_load_sshort", "vao", load<kGlobal, 2, Into::kSigned>, kMemory},
    {"global_load_ubyte_d16", "vao", load<kGlobal, 1, Into::kLowHalf>, kMemory},
    {"global_load_ubyte_d16_hi", "vao", load<kGlobal, 1, Into::kHighHalf>, kMemory},
    {"global_load_sbyte_d16", "vao", load<kGlobal, 1, Into::kSignedLowHalf>, kMemory},
    {"global_load_sbyte_d16_hi", "vao", load<kGlobal, 1, Into::kSignedHighHalf>, kMemory},
    {"global_load_short_d16", "vao", load<kGlobal, 2, Into::kLowHalf>, kMemory},
    {"global_load_short_d16_hi", "vao", load<kGlobal, 2, Into::kHighHalf>, kMemory},
    {"global_load_dword", "vao", load<kGlobal, 4>, kMemory},
    {"global_load_dwordx2", "Vao", load<kGlobal, 8>, kMemory},
    {"global_load_dwordx3", "3ao", load<kGlobal, 12>, kMemory},
    {"global_load_dwordx4", "4ao", load<kGlobal, 16>, kMemory},
    {"global_store_byte", "avo", store<kGlobal, 1>, kMemory},
    {"global_store_byte_d16_hi", "avo", store<kGlobal, 1, true>, kMemory},
    {"global_store_short", "avo", store<kGlobal, 2>, kMemory},
    {"global_store_short_d16_hi", "avo", store<kGlobal, 2, true>, kMemory},
    {"global_store_dword", "avo", store<kGlobal, 4>, kMemory},
    {"global_store_dwordx2", "aVo", store<kGlobal, 8>, kMemory},
    {"global_store_dwordx3", "a3o", store<kGlobal, 12>, kMemory},
    {"global_store_dwordx4", "a4o", store<kGlobal, 16>, kMemory},
    {"flat_load_ubyte", "va", load<kFlat, 1>, kMemory},
    {"flat_load_sbyte", "va", load<kFlat, 1, Into::kSigned>, kMemory},
    {"flat_load_ushort", "va", load<kFlat, 2>, kMemory},
    {"flat_load_sshort", "va", load<kFlat, 2, Into::kSigned>, kMemory},
    {"flat_load_ubyte_d16", "va", load<kFlat, 1, Into::kLowHalf>, kMemory},
    {"flat_load_ubyte_d16_hi", "va", load<kFlat, 1, Into::kHighHalf>, kMemory},
    {"flat_load_sbyte_d16", "va", load<kFlat, 1, Into::kSignedLowHalf>, kMemory},
    {"flat_load_sbyte_d16_hi", "va", load<kFlat, 1, Into::kSignedHighHalf>, kMemory},
    {"flat_load_short_d16", "va", load<kFlat, 2, Into::kLowHalf>, kMemory},
    {"flat_load_short_d16_hi", "va", load<kFlat, 2, Into::kHighHalf>, kMemory},
    {"flat_load_dword", "va", load<kFlat, 4>, kMemory},
    {"flat_load_dwordx2", "Va", load<kFlat, 8>, kMemory},
    {"flat_load_dwordx3", "3a", load<kFlat, 12>, kMemory},
    {"flat_load_dwordx4", "4a", load<kFlat, 16>, kMemory},
    {"flat_store_byte", "av", store<kFlat, 1>, kMemory},
    {"flat_store_byte_d16_hi", "av", store<kFlat, 1, true>, kMemory},
    {"flat_store_short", "av", store<kFlat, 2>, kMemory},
    {"flat_store_short_d16_hi", "av", store<kFlat, 2, true>, kMemory},
    {"flat_store_dword", "av", store<kFlat, 4>, kMemory},
    {"flat_store_dwordx2", "aV", store<kFlat, 8>, kMemory},
    {"flat_store_dwordx3", "a3", store<kFlat, 12>, kMemory},
    {"flat_store_dwordx4", "a4", store<kFlat, 16>, kMemory},
    {"scratch_load_ubyte", "vwr", load<kScratch, 1>, kMemory},
    {"scratch_load_sbyte", "vwr", load<kScratch, 1, Into::kSigned>, kMemory},
    {"scratch_load_ushort", "vwr", load<kScratch, 2>, kMemory},
    {"scratch_load_sshort", "vwr", load<kScratch, 2, Into::kSigned>, kMemory},
    {"scratch_load_ubyte_d16", "vwr", load<kScratch, 1, Into::kLowHalf>, kMemory},
    {"scratch_load_ubyte_d16_hi", "vwr", load<kScratch, 1, Into::kHighHalf>, kMemory},
    {"scratch_load_sbyte_d16", "vwr", load<kScratch, 1, Into::kSignedLowHalf>, kMemory},
    {"scratch_load_sbyte_d16_hi", "vwr", load<kScratch, 1, Into::kSignedHighHalf>, kMemory},
    {"scratch_load_short_d16", "vwr", load<kScratch, 2, Into::kLowHalf>, kMemory},
    {"scratch_load_short_d16_hi", "vwr", load<kScratch, 2, Into::kHighHalf>, kMemory},
    {"scratch_load_dword", "vwr", load<kScratch, 4>, kMemory},
    {"scratch_load_dwordx2", "Vwr", load<kScratch, 8>, kMemory},
    {"scratch_load_dwordx3", "3wr", load<kScratch, 12>, kMemory},
    {"scratch_load_dwordx4", "4wr", load<kScratch, 16>, kMemory},
    {"scratch_store_byte", "wvr", store<kScratch, 1>, kMemory},
    {"scratch_store_byte_d16_hi", "wvr", store<kScratch, 1, true>, kMemory},
    {"scratch_store_short", "wvr", store<kScratch, 2>, kMemory},
    {"scratch_store_short_d16_hi", "wvr", store<kScratch, 2, true>, kMemory},
    {"scratch_store_dword", "wvr", store<kScratch, 4>, kMemory},
    {"scratch_store_dwordx2", "wVr", store<kScratch, 8>, kMemory},
    {"scratch_store_dwordx3", "w3r", store<kScratch, 12>, kMemory},
    {"scratch_store_dwordx4", "w4r", store<kScratch, 16>, kMemory},
    {"buffer_load_ubyte", "vwQc", load<kInBuffer, 1>, kOfBuffer},
    {"buffer_load_sbyte", "vwQc", load<kInBuffer, 1, Into::kSigned>, kOfBuffer},
    {"buffer_load_ushort", "vwQc", load<kInBuffer, 2>, kOfBuffer},
    {"buffer_load_sshort", "vwQc", load<kInBuffer, 2, Into::kSigned>, kOfBuffer},
    {"buffer_load_ubyte_d16", "vwQc", load<kInBuffer, 1, Into::kLowHalf>, kOfBuffer},
    {"buffer_load_ubyte_d16_hi", "vwQc", load<kInBuffer, 1, Into::kHighHalf>, kOfBuffer},
    {"buffer_load_sbyte_d16", "vwQc", load<kInBuffer, 1, Into::kSignedLowHalf>, kOfBuffer},
    {"buffer_load_sbyte_d16_hi", "vwQc", load<kInBuffer, 1, Into::kSignedHighHalf>, kOfBuffer},
    {"buffer_load_short_d16", "vwQc", load<kInBuffer, 2, Into::kLowHalf>, kOfBuffer},
    {"buffer_load_short_d16_hi", "vwQc", load<kInBuffer, 2, Into::kHighHalf>, kOfBuffer},
    {"buffer_load_dword", "vwQc", load<kInBuffer, 4>, kOfBuffer},
    {"buffer_load_dwordx2", "VwQc", load<kInBuffer, 8>, kOfBuffer},
    {"buffer_load_dwordx3", "3wQc", load<kInBuffer, 12>, kOfBuffer},
    {"buffer_load_dwordx4", "4wQc", load<kInBuffer, 16>, kOfBuffer},
    {"buffer_store_byte", "vwQc", store<kInBuffer, 1>, kOfBuffer},
    {"buffer_store_byte_d16_hi", "vwQc", store<kInBuffer, 1, true>, kOfBuffer},
    {"buffer_store_short", "vwQc", store<kInBuffer, 2>, kOfBuffer},
    {"buffer_store_short_d16_hi", "vwQc", store<kInBuffer, 2, true>, kOfBuffer},
    {"buffer_store_dword", "vwQc", store<kInBuffer, 4>, kOfBuffer},
    {"buffer_store_dwordx2", "VwQc", store<kInBuffer, 8>, kOfBuffer},
    {"buffer_store_dwordx3", "3wQc", store<kInBuffer, 12>, kOfBuffer},
    {"buffer_store_dwordx4", "4wQc", store<kInBuffer, 16>, kOfBuffer},
    {"global_load_lds_ubyte", "ao", load_to_lds<kGlobal, 1>, kMemory},
    {"buffer_load_ubyte lds", "wQc", load_to_lds<kInBuffer, 1>, kOfBuffer},
    {"global_load_lds_ushort", "ao", load_to_lds<kGlobal, 2>, kMemory},
    {"buffer_load_ushort lds", "wQc", load_to_lds<kInBuffer, 2>, kOfBuffer},
    {"global_load_lds_dword", "ao", load_to_lds<kGlobal, 4>, kMemory},
    {"buffer_load_dword lds", "wQc", load_to_lds<kInBuffer, 4>, kOfBuffer},
    {"global_load_lds_dwordx3", "ao", load_to_lds<kGlobal, 12>, kMemory},
    {"buffer_load_dwordx3 lds", "wQc", load_to_lds<kInBuffer, 12>, kOfBuffer},
    {"global_load_lds_dwordx4", "ao", load_to_lds<kGlobal, 16>, kMemory},
    {"buffer_load_dwordx4 lds", "wQc", load_to_lds<kInBuffer, 16>, kOfBuffer},
    // gfx90a's form.
    {"global_load_ubyte lds", "ao", load_to_lds<kGlobal, 1>, kOfBuffer},
    {"global_load_ushort lds", "ao", load_to_lds<kGlobal, 2>, kOfBuffer},
    {"global_load_dword lds", "ao", load_to_lds<kGlobal, 4>, kOfBuffer},
    // Caches are not simulated: there is nothing to write back.
    {"buffer_wbl2", "*", do_nothing},
    {"buffer_inv", "*", do_nothing},
    {"buffer_wbinvl1", "*", do_nothing},
    {"buffer_wbinvl1_vol", "*", do_nothing},
    {"buffer_invl2", "*", do_nothing},
};

}  // namespace

std::span<const Opcode> memory_opcodes() { return kAll; }

}  // namespace sinter::sim
