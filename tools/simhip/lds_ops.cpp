// SPDX-License-Identifier: Apache-2.0

// Instructions on local memory, and the permutations of lanes that go through its crossbar.

#include <array>
#include <bit>
#include <cstring>

#include "tools/simhip/lds.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using Dwords = std::array<std::uint32_t, 4>;

std::uint32_t address_of(const Wave& wave, const Instruction& i, unsigned number, unsigned lane) {
  return wave.vectors[i.operands[number].index][lane] + static_cast<std::uint32_t>(i.modifiers.offset);
}

/// False: the wave was stopped.
bool read_bytes(Wave& wave, std::uint32_t address, unsigned bytes, Dwords& to) {
  const std::byte* const from = wave.lds->access(wave, address, bytes, Access::kRead);
  if (from != nullptr) {
    std::memcpy(to.data(), from, bytes);
  }
  return from != nullptr;
}

/// A destination may be the address register: results are kept until all lanes have read theirs.
template <unsigned kDwords>
void write_result(Wave& wave, const Operand& destination, const std::array<Lane, kDwords>& values) {
  for (unsigned dword = 0; wave.state == WaveState::kRunning && dword < kDwords; ++dword) {
    wave.write(destination, values[dword], dword);
  }
}

template <unsigned kDwords>
void read(Wave& wave, const Instruction& i) {
  std::array<Lane, kDwords> values;
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    Dwords dwords{};
    read_bytes(wave, address_of(wave, i, 1, lane), 4 * kDwords, dwords);
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      values[dword][lane] = dwords[dword];
    }
  });
  write_result<kDwords>(wave, i.operands[0], values);
}

void put(Wave& wave, std::uint32_t address, std::uint16_t first_register, unsigned lane, unsigned bytes,
         unsigned shift) {
  Dwords dwords{};
  for (unsigned dword = 0; 4 * dword < bytes; ++dword) {
    dwords[dword] = wave.vectors[first_register + dword][lane] >> shift;
  }
  if (std::byte* const to = wave.lds->access(wave, address, bytes, Access::kWrite); to != nullptr) {
    std::memcpy(to, dwords.data(), bytes);
  }
}

/// `kShift` 16: the upper half of the register.
template <unsigned kBytes, unsigned kShift = 0>
void write(Wave& wave, const Instruction& i) {
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    put(wave, address_of(wave, i, 0, lane), i.operands[1].index, lane, kBytes, kShift);
  });
}

/// Two elements at offsets counted in elements, or with st64 in 64 elements.
template <unsigned kDwords, unsigned kStride>
void read_two(Wave& wave, const Instruction& i) {
  std::array<Lane, 2 * kDwords> values;
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    for (unsigned half = 0; half < 2; ++half) {
      Dwords dwords{};
      const std::uint32_t offset = i.modifiers.offsets[half] * kStride * kDwords * 4;
      if (!read_bytes(wave, address_of(wave, i, 1, lane) + offset, 4 * kDwords, dwords)) {
        return;
      }
      for (unsigned dword = 0; dword < kDwords; ++dword) {
        values[half * kDwords + dword][lane] = dwords[dword];
      }
    }
  });
  write_result<2 * kDwords>(wave, i.operands[0], values);
}

template <unsigned kDwords, unsigned kStride>
void write_two(Wave& wave, const Instruction& i) {
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    for (unsigned half = 0; half < 2; ++half) {
      const std::uint32_t offset = i.modifiers.offsets[half] * kStride * kDwords * 4;
      put(wave, address_of(wave, i, 0, lane) + offset, i.operands[1 + half].index, lane, 4 * kDwords, 0);
    }
  });
}

enum class Into : std::uint8_t { kWhole, kLowHalf, kHighHalf };

/// Of the d16 forms the other half of the destination stays.
template <unsigned kBytes, bool kIsSigned, Into kInto = Into::kWhole>
void read_part(Wave& wave, const Instruction& i) {
  std::array<Lane, 1> values;
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    Dwords dwords{};
    read_bytes(wave, address_of(wave, i, 1, lane), kBytes, dwords);
    constexpr unsigned kShift = 32 - 8 * kBytes;
    const std::uint32_t value =
        kIsSigned ? static_cast<std::uint32_t>(static_cast<std::int32_t>(dwords[0] << kShift) >> kShift) : dwords[0];
    const std::uint32_t before = wave.vectors[i.operands[0].index][lane];
    values[0][lane] = kInto == Into::kWhole     ? value
                      : kInto == Into::kLowHalf ? (before & 0xffff0000U) | (value & 0xffffU)
                                                : (before & 0xffffU) | value << 16;
  });
  write_result<1>(wave, i.operands[0], values);
}

/// Lane values from the lane that the address names; 0 from a lane that is not active.
void permute_backward(Wave& wave, const Instruction& i) {
  std::array<Lane, 1> result{};
  const Lane& values = wave.vectors[i.operands[2].index];
  for_active_lanes(wave, [&](unsigned lane) {
    const unsigned from = address_of(wave, i, 1, lane) / 4 % kLanes;
    result[0][lane] = wave.is_active(from) ? values[from] : 0;
  });
  write_result<1>(wave, i.operands[0], result);
}

/// Lane values to the lane that the address names; of several the highest lane wins, and where none is it is 0.
void permute_forward(Wave& wave, const Instruction& i) {
  std::array<Lane, 1> result{};
  const Lane& values = wave.vectors[i.operands[2].index];
  for_active_lanes(wave, [&](unsigned lane) { result[0][address_of(wave, i, 1, lane) / 4 % kLanes] = values[lane]; });
  write_result<1>(wave, i.operands[0], result);
}

/// The lane of its 32 that a lane reads, by the pattern in the offset.
unsigned swizzled(unsigned lane, unsigned pattern) {
  if ((pattern & 0xe000U) == 0xc000U) {  // rotates
    const unsigned amount = pattern >> 5 & 31, mask = pattern & 31;
    const unsigned rotated = (pattern >> 10 & 1) != 0 ? lane - amount : lane + amount;
    return (lane & mask) | (rotated & ~mask & 31);
  }
  if ((pattern & 0x8000U) != 0) {
    return (lane & ~3U) | (pattern >> (2 * (lane & 3)) & 3);
  }
  return ((lane & pattern) | (pattern >> 5 & 31)) ^ (pattern >> 10 & 31);
}

void swizzle(Wave& wave, const Instruction& i) {
  std::array<Lane, 1> result{};
  const Lane& values = wave.vectors[i.operands[1].index];
  for_active_lanes(wave, [&](unsigned lane) {
    const unsigned from = (lane & 32) | (swizzled(lane & 31, static_cast<unsigned>(i.modifiers.offset)) & 31);
    result[0][lane] = wave.is_active(from) ? values[from] : 0;
  });
  write_result<1>(wave, i.operands[0], result);
}

/// gfx950's transposing reads: each lane reads `kDwords`, and 16 lanes exchange what they read. Their elements are the
/// rows of a matrix of 16 columns, a row in as many lanes as it needs; lane c gets column c, a row's element after the
/// other's. (Of 16 bits as rocjitsu's correction for gfx950 has it, of 8 as HipKittens uses it; the others alike.)
template <unsigned kDwords, unsigned kBits>
void read_transposed(Wave& wave, const Instruction& i) {
  constexpr unsigned kColumns = 16, kElements = 32 * kDwords / kBits, kLanesOfRow = kColumns / kElements;
  std::array<Dwords, kLanes> read{};
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    read_bytes(wave, address_of(wave, i, 1, lane), 4 * kDwords, read[lane]);
  });
  std::array<Lane, kDwords> values{};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned column = lane % kColumns, group = lane - column;
    for (unsigned row = 0; row < kElements; ++row) {
      const Dwords& from = read[group + row * kLanesOfRow + column / kElements];
      const unsigned from_bit = column % kElements * kBits, to_bit = row * kBits;
      for (unsigned bit = 0; bit < kBits; ++bit) {
        const std::uint32_t value = from[(from_bit + bit) / 32] >> ((from_bit + bit) % 32) & 1;
        values[(to_bit + bit) / 32][lane] |= value << ((to_bit + bit) % 32);
      }
    }
  }
  write_result<kDwords>(wave, i.operands[0], values);
}

/// A counter at M0's address that the number of active lanes is added to or taken from; they all get what it was.
template <bool kAdds>
void count_lanes(Wave& wave, const Instruction& i) {
  const auto lanes = static_cast<std::uint32_t>(std::popcount(wave.exec()));
  const std::uint32_t address = (wave.scalars[kM0] & 0xffff) + static_cast<std::uint32_t>(i.modifiers.offset);
  std::byte* const counter = wave.lds->access(wave, address, sizeof(std::uint32_t), Access::kAtomic);
  if (lanes == 0 || counter == nullptr) {
    return;
  }
  std::uint32_t before = 0;
  std::memcpy(&before, counter, sizeof before);
  const std::uint32_t after = kAdds ? before + lanes : before - lanes;
  std::memcpy(counter, &after, sizeof after);
  std::array<Lane, 1> values;
  values[0].fill(before);
  write_result<1>(wave, i.operands[0], values);
}

constexpr Opcode kAll[] = {
    {"ds_read_b64_tr_b16", "Vv", read_transposed<2, 16>, kOffset},
    {"ds_read_b64_tr_b8", "Vv", read_transposed<2, 8>, kOffset},
    {"ds_read_b64_tr_b4", "Vv", read_transposed<2, 4>, kOffset},
    {"ds_read_b96_tr_b6", "3v", read_transposed<3, 6>, kOffset},
    {"ds_nop", "", [](Wave&, const Instruction&) {}},
    {"ds_append", "v", count_lanes<true>, kOffset},
    {"ds_consume", "v", count_lanes<false>, kOffset},
    {"ds_read_b32", "vv", read<1>, kOffset},
    {"ds_read_b64", "Vv", read<2>, kOffset},
    {"ds_read_b96", "3v", read<3>, kOffset},
    {"ds_read_b128", "4v", read<4>, kOffset},
    {"ds_read_u8", "vv", read_part<1, false>, kOffset},
    {"ds_read_i8", "vv", read_part<1, true>, kOffset},
    {"ds_read_u16", "vv", read_part<2, false>, kOffset},
    {"ds_read_i16", "vv", read_part<2, true>, kOffset},
    {"ds_read_u8_d16", "vv", read_part<1, false, Into::kLowHalf>, kOffset},
    {"ds_read_u8_d16_hi", "vv", read_part<1, false, Into::kHighHalf>, kOffset},
    {"ds_read_i8_d16", "vv", read_part<1, true, Into::kLowHalf>, kOffset},
    {"ds_read_i8_d16_hi", "vv", read_part<1, true, Into::kHighHalf>, kOffset},
    {"ds_read_u16_d16", "vv", read_part<2, false, Into::kLowHalf>, kOffset},
    {"ds_read_u16_d16_hi", "vv", read_part<2, false, Into::kHighHalf>, kOffset},
    {"ds_write_b8", "vv", write<1>, kOffset},
    {"ds_write_b16", "vv", write<2>, kOffset},
    {"ds_write_b8_d16_hi", "vv", write<1, 16>, kOffset},
    {"ds_write_b16_d16_hi", "vv", write<2, 16>, kOffset},
    {"ds_write_b32", "vv", write<4>, kOffset},
    {"ds_write_b64", "vV", write<8>, kOffset},
    {"ds_write_b96", "v3", write<12>, kOffset},
    {"ds_write_b128", "v4", write<16>, kOffset},
    {"ds_read2_b32", "Vv", read_two<1, 1>, kOffsetPair},
    {"ds_read2_b64", "4v", read_two<2, 1>, kOffsetPair},
    {"ds_read2st64_b32", "Vv", read_two<1, 64>, kOffsetPair},
    {"ds_read2st64_b64", "4v", read_two<2, 64>, kOffsetPair},
    {"ds_write2_b32", "vvv", write_two<1, 1>, kOffsetPair},
    {"ds_write2_b64", "vVV", write_two<2, 1>, kOffsetPair},
    {"ds_write2st64_b32", "vvv", write_two<1, 64>, kOffsetPair},
    {"ds_write2st64_b64", "vVV", write_two<2, 64>, kOffsetPair},
    {"ds_bpermute_b32", "vvv", permute_backward, kOffset},
    {"ds_permute_b32", "vvv", permute_forward, kOffset},
    {"ds_swizzle_b32", "vv", swizzle, kOffset},
};

}  // namespace

std::span<const Opcode> lds_opcodes() { return kAll; }

}  // namespace sinter::sim
