// SPDX-License-Identifier: Apache-2.0

// Instructions on local memory, and ds_bpermute, which goes through its crossbar.

#include <array>

#include "tools/simhip/lds.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using Dwords = std::array<std::uint32_t, 4>;

/// Calls `body(lane)` for the active lanes until a fault.
template <class Body>
void until_fault(const Wave& wave, const Body& body) {
  for_active_lanes(wave, [&](unsigned lane) {
    if (wave.state == WaveState::kRunning) {
      body(lane);
    }
  });
}

std::uint32_t address_of(const Wave& wave, const Instruction& i, unsigned number, unsigned lane) {
  return wave.vectors[i.operands[number].index][lane] + static_cast<std::uint32_t>(i.modifiers.offset);
}

/// A destination may be the address register: results are kept until all lanes have read theirs.
template <unsigned kDwords>
struct Loaded {
  std::array<Lane, kDwords> values{};

  void write(Wave& wave, const Operand& destination) const {
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      wave.write(destination, values[dword], dword);
    }
  }
};

template <unsigned kDwords>
void read(Wave& wave, const Instruction& i) {
  Loaded<kDwords> loaded;
  until_fault(wave, [&](unsigned lane) {
    Dwords dwords{};
    wave.lds->read(wave, address_of(wave, i, 1, lane), kDwords, dwords.data());
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      loaded.values[dword][lane] = dwords[dword];
    }
  });
  loaded.write(wave, i.operands[0]);
}

template <unsigned kDwords>
void write(Wave& wave, const Instruction& i) {
  until_fault(wave, [&](unsigned lane) {
    Dwords dwords{};
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      dwords[dword] = wave.vectors[i.operands[1].index + dword][lane];
    }
    wave.lds->write(wave, address_of(wave, i, 0, lane), kDwords, dwords.data());
  });
}

/// Two elements at offsets counted in elements, or with st64 in 64 elements.
template <unsigned kDwords, unsigned kStride>
void read_two(Wave& wave, const Instruction& i) {
  Loaded<2 * kDwords> loaded;
  until_fault(wave, [&](unsigned lane) {
    for (unsigned half = 0; half < 2; ++half) {
      Dwords dwords{};
      const std::uint32_t offset = i.modifiers.offsets[half] * kStride * kDwords * 4;
      wave.lds->read(wave, address_of(wave, i, 1, lane) + offset, kDwords, dwords.data());
      for (unsigned dword = 0; dword < kDwords; ++dword) {
        loaded.values[half * kDwords + dword][lane] = dwords[dword];
      }
    }
  });
  loaded.write(wave, i.operands[0]);
}

template <unsigned kDwords, unsigned kStride>
void write_two(Wave& wave, const Instruction& i) {
  until_fault(wave, [&](unsigned lane) {
    for (unsigned half = 0; half < 2; ++half) {
      Dwords dwords{};
      for (unsigned dword = 0; dword < kDwords; ++dword) {
        dwords[dword] = wave.vectors[i.operands[1 + half].index + dword][lane];
      }
      const std::uint32_t offset = i.modifiers.offsets[half] * kStride * kDwords * 4;
      wave.lds->write(wave, address_of(wave, i, 0, lane) + offset, kDwords, dwords.data());
    }
  });
}

void read_half(Wave& wave, const Instruction& i) {
  Loaded<1> loaded;
  until_fault(wave, [&](unsigned lane) {
    wave.lds->read_half(wave, address_of(wave, i, 1, lane), loaded.values[0][lane]);
  });
  loaded.write(wave, i.operands[0]);
}

/// The other half of the destination stays.
void read_high_half(Wave& wave, const Instruction& i) {
  Loaded<1> loaded;
  until_fault(wave, [&](unsigned lane) {
    std::uint32_t half = 0;
    wave.lds->read_half(wave, address_of(wave, i, 1, lane), half);
    loaded.values[0][lane] = (wave.vectors[i.operands[0].index][lane] & 0xffff) | half << 16;
  });
  loaded.write(wave, i.operands[0]);
}

/// Lane values from the lane that the address names; 0 from a lane that is not active.
void permute(Wave& wave, const Instruction& i) {
  Loaded<1> loaded;
  const Lane& values = wave.vectors[i.operands[2].index];
  for_active_lanes(wave, [&](unsigned lane) {
    const unsigned from = address_of(wave, i, 1, lane) / 4 % kLanes;
    loaded.values[0][lane] = wave.is_active(from) ? values[from] : 0;
  });
  loaded.write(wave, i.operands[0]);
}

constexpr Opcode kAll[] = {
    {"ds_read_b32", "vv", read<1>, kOffset},
    {"ds_read_b64", "Vv", read<2>, kOffset},
    {"ds_read_b96", "3v", read<3>, kOffset},
    {"ds_read_b128", "4v", read<4>, kOffset},
    {"ds_read_u16", "vv", read_half, kOffset},
    {"ds_read_u16_d16_hi", "vv", read_high_half, kOffset},
    {"ds_write_b32", "vv", write<1>, kOffset},
    {"ds_write_b64", "vV", write<2>, kOffset},
    {"ds_write_b96", "v3", write<3>, kOffset},
    {"ds_write_b128", "v4", write<4>, kOffset},
    {"ds_read2_b32", "Vv", read_two<1, 1>, kOffsetPair},
    {"ds_read2_b64", "4v", read_two<2, 1>, kOffsetPair},
    {"ds_read2st64_b32", "Vv", read_two<1, 64>, kOffsetPair},
    {"ds_read2st64_b64", "4v", read_two<2, 64>, kOffsetPair},
    {"ds_write2_b32", "vvv", write_two<1, 1>, kOffsetPair},
    {"ds_write2_b64", "vVV", write_two<2, 1>, kOffsetPair},
    {"ds_write2st64_b32", "vvv", write_two<1, 64>, kOffsetPair},
    {"ds_write2st64_b64", "vVV", write_two<2, 64>, kOffsetPair},
    {"ds_bpermute_b32", "vvv", permute, kOffset},
};

}  // namespace

std::span<const Opcode> lds_opcodes() { return kAll; }

}  // namespace sinter::sim
