// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/instruction_census.h"

#include <array>
#include <cstdint>
#include <span>

#include "tools/simhip/decoder.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;

/// Where an encoding has its opcode, as AMD's CDNA ISA documents lay encodings out. Those of graphics are left out.
struct Encoding {
  u32 base;
  unsigned shift, bits;
};

constexpr Encoding kEncodings[] = {
    {0x80000000, 23, 7},   // SOP2
    {0xb0000000, 23, 5},   // SOPK
    {0xbe800000, 8, 8},    // SOP1
    {0xbf000000, 16, 7},   // SOPC
    {0xbf800000, 16, 7},   // SOPP
    {0xc0000000, 18, 8},   // SMEM
    {0x00000000, 25, 6},   // VOP2
    {0x7e000000, 9, 8},    // VOP1
    {0x7c000000, 17, 8},   // VOPC
    {0xd0000000, 16, 10},  // VOP3, and among it VOP3P
    {0xd8000000, 17, 8},   // DS
    {0xdc000000, 18, 7},   // FLAT
    {0xe0000000, 18, 7},   // MUBUF
    {0xe8000000, 15, 4},   // MTBUF
};

/// Rest of the first dword: a vector or scalar source, SDWA, DPP; segments and glc of FLAT, VOP3P's op_sel_hi; bits that
/// MUBUF and SMEM have for glc and lds; a hardware register. All are tried with all: what does not exist is not decoded.
constexpr u32 kFirstRests[] = {0, 0x100, 0xf9, 0xfa, 0x4000, 0x8000, 0x10000, 0x14000, 0x18000, 0x2000, 0xa000, 0xf801};

/// The second dword: sources of VOP3 that are scalars, vectors and both; an address without a base ("off"); selectors
/// of SDWA and DPP for whole registers; vectors with VOP3P's op_sel_hi.
constexpr u32 kSecondDwords[] = {0x00000000, 0x04020100, 0x00020100, 0x00000100, 0x04000100, 0x007f0000,
                                 0x80000000, 0x06060600, 0x1100e400, 0x11015000, 0x1c020100};

/// The matrix instructions with scales are two of VOP3P's: one of the scales, then the product.
constexpr u32 kScales = 0xd3ac0000, kProducts = 0xd3800000;
constexpr unsigned kProductShift = 16, kProductBits = 7;

std::string mnemonic_of(const std::string& text) {
  std::string name = text.substr(0, text.find(' '));
  // Atomics that return the old value are rows of their own.
  const bool returns = name.find("_atomic_") != std::string::npos &&
                       (text.ends_with(" glc") || text.ends_with(" sc0") || text.find(" glc ") != std::string::npos ||
                        text.find(" sc0 ") != std::string::npos);
  return returns ? name + " rtn" : name;
}

void note(const InstructionDecoder& decoder, std::span<const u32> words, InstructionCensus& census) {
  const DecodedInstruction decoded = decoder.decode(std::as_bytes(words));
  if (decoded.bytes == 0) {
    return;
  }
  // Operands that an instruction cannot have are decoded too: one form that is known is enough.
  const auto [row, is_new] = census.try_emplace(mnemonic_of(decoded.text), decoded.problem);
  if (!is_new && decoded.problem.empty()) {
    row->second.clear();
  }
}

}  // namespace

Result<InstructionCensus> take_census(const std::string& arch) {
  SINTER_TRY(const InstructionDecoder decoder, InstructionDecoder::create(arch));
  InstructionCensus census;
  for (const Encoding& encoding : kEncodings) {
    for (u32 opcode = 0; opcode < 1U << encoding.bits; ++opcode) {
      for (const u32 rest : kFirstRests) {
        for (const u32 second : kSecondDwords) {
          const std::array<u32, 5> words{encoding.base | opcode << encoding.shift | rest, second};
          note(decoder, words, census);
        }
      }
    }
  }
  for (u32 product = 0; product < 1U << kProductBits; ++product) {
    const std::array<u32, 5> words{kScales, 0x00020100, kProducts | product << kProductShift, 0x04020100};
    note(decoder, words, census);
  }
  return census;
}

}  // namespace sinter::sim
