// SPDX-License-Identifier: Apache-2.0

// Matrix instructions whose A is sparse: D += A * B, where of four elements of A along K two are there. A lane has
// half as many elements of A as of B, both of the same stretch of K, and of each two the places among their four, two
// bits each, in a register. As in AMD's CDNA 3 ISA document and matrix calculator; gfx950's larger ones by analogy.

#include "tools/simhip/matrix_core.h"
#include "tools/simhip/matrix_elements.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

/// The rows of A without what is not there.
template <class Shape>
struct SparseRows {
  static constexpr unsigned kElements = Shape::kDepth / 2;
  std::array<std::array<double, kElements>, Shape::kSize> value;
  std::array<std::array<unsigned, kElements>, Shape::kSize> depth;
};

/// The register may hold the places of several instructions; abid numbers them, where cbsz is 0.
template <class Shape>
std::uint32_t places_of(const Wave& wave, const Instruction& i, unsigned lane) {
  constexpr unsigned kBits = Shape::kPerLane;  // two for each of half as many elements
  const std::uint32_t all = wave.vectors[i.operands[3].index][lane];
  const unsigned set = i.modifiers.cbsz == 0 ? i.modifiers.abid % (32 / kBits) : 0;
  return all >> (set * kBits);
}

template <class Shape, class A>
void read_sparse(const Wave& wave, const Instruction& i, SparseRows<Shape>& rows) {
  const A element(wave);
  constexpr unsigned kPerLane = Shape::kPerLane / 2;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const LanePlace place = place_of<Shape>(lane);
    const std::uint32_t places = places_of<Shape>(wave, i, lane);
    for (unsigned item = 0; item < kPerLane; ++item) {
      const unsigned at = place.depth / 2 + item;
      rows.value[place.row][at] = element_at(wave, i.operands[1], element, lane, item);
      rows.depth[place.row][at] = place.depth + item / 2 * 4 + (places >> (2 * item) & 3);
    }
  }
}

template <class Shape, class A, class B>
void multiply(Wave& wave, const Instruction& i) {
  SparseRows<Shape> a;
  std::array<std::array<double, Shape::kSize>, Shape::kDepth> b;
  read_sparse<Shape, A>(wave, i, a);
  const B element(wave);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const LanePlace place = place_of<Shape>(lane);
    for (unsigned item = 0; item < Shape::kPerLane; ++item) {
      b[place.depth + item][place.row] = element_at(wave, i.operands[2], element, lane, item);
    }
  }
  const unsigned to = i.operands[0].index;
  for_results<Shape, kRowsTogether>([&](unsigned lane, unsigned item, unsigned, unsigned row, unsigned column) {
    double sum = 0;
    for (unsigned at = 0; at < SparseRows<Shape>::kElements; ++at) {
      sum += a.value[row][at] * b[a.depth[row][at]][column];
    }
    std::uint32_t& result = wave.vectors[to + item][lane];
    if constexpr (std::is_same_v<A, Int8>) {
      result += static_cast<std::uint32_t>(static_cast<std::int64_t>(sum));
    } else {
      result = as_bits(static_cast<float>(sum + double{as_float(result)}));
    }
  });
}

template <unsigned kM, unsigned kK, class A, class B = A>
constexpr Handler kProduct = multiply<MatrixShape<kM, kK, 1>, A, B>;

constexpr Opcode kAll[] = {
    {"v_smfmac_f32_16x16x32_f16", "NV4v", kProduct<16, 32, Float16>, kMatrix},
    {"v_smfmac_f32_32x32x16_f16", "MV4v", kProduct<32, 16, Float16>, kMatrix},
    {"v_smfmac_f32_16x16x32_bf16", "NV4v", kProduct<16, 32, Bfloat16>, kMatrix},
    {"v_smfmac_f32_32x32x16_bf16", "MV4v", kProduct<32, 16, Bfloat16>, kMatrix},
    {"v_smfmac_i32_16x16x64_i8", "NV4v", kProduct<16, 64, Int8>, kMatrix},
    {"v_smfmac_i32_32x32x32_i8", "MV4v", kProduct<32, 32, Int8>, kMatrix},
    {"v_smfmac_f32_16x16x64_fp8_fp8", "NV4v", kProduct<16, 64, Fp8>, kMatrix},
    {"v_smfmac_f32_16x16x64_fp8_bf8", "NV4v", kProduct<16, 64, Fp8, Bf8>, kMatrix},
    {"v_smfmac_f32_16x16x64_bf8_fp8", "NV4v", kProduct<16, 64, Bf8, Fp8>, kMatrix},
    {"v_smfmac_f32_16x16x64_bf8_bf8", "NV4v", kProduct<16, 64, Bf8>, kMatrix},
    {"v_smfmac_f32_32x32x32_fp8_fp8", "MV4v", kProduct<32, 32, Fp8>, kMatrix},
    {"v_smfmac_f32_32x32x32_fp8_bf8", "MV4v", kProduct<32, 32, Fp8, Bf8>, kMatrix},
    {"v_smfmac_f32_32x32x32_bf8_fp8", "MV4v", kProduct<32, 32, Bf8, Fp8>, kMatrix},
    {"v_smfmac_f32_32x32x32_bf8_bf8", "MV4v", kProduct<32, 32, Bf8>, kMatrix},
    // gfx950's, twice as deep.
    {"v_smfmac_f32_16x16x64_f16", "N48v", kProduct<16, 64, Float16>, kMatrix},
    {"v_smfmac_f32_32x32x32_f16", "M48v", kProduct<32, 32, Float16>, kMatrix},
    {"v_smfmac_f32_16x16x64_bf16", "N48v", kProduct<16, 64, Bfloat16>, kMatrix},
    {"v_smfmac_f32_32x32x32_bf16", "M48v", kProduct<32, 32, Bfloat16>, kMatrix},
    {"v_smfmac_i32_16x16x128_i8", "N48v", kProduct<16, 128, Int8>, kMatrix},
    {"v_smfmac_i32_32x32x64_i8", "M48v", kProduct<32, 64, Int8>, kMatrix},
    {"v_smfmac_f32_16x16x128_fp8_fp8", "N48v", kProduct<16, 128, Fp8>, kMatrix},
    {"v_smfmac_f32_16x16x128_fp8_bf8", "N48v", kProduct<16, 128, Fp8, Bf8>, kMatrix},
    {"v_smfmac_f32_16x16x128_bf8_fp8", "N48v", kProduct<16, 128, Bf8, Fp8>, kMatrix},
    {"v_smfmac_f32_16x16x128_bf8_bf8", "N48v", kProduct<16, 128, Bf8>, kMatrix},
    {"v_smfmac_f32_32x32x64_fp8_fp8", "M48v", kProduct<32, 64, Fp8>, kMatrix},
    {"v_smfmac_f32_32x32x64_fp8_bf8", "M48v", kProduct<32, 64, Fp8, Bf8>, kMatrix},
    {"v_smfmac_f32_32x32x64_bf8_fp8", "M48v", kProduct<32, 64, Bf8, Fp8>, kMatrix},
    {"v_smfmac_f32_32x32x64_bf8_bf8", "M48v", kProduct<32, 64, Bf8>, kMatrix},
};

}  // namespace

std::span<const Opcode> sparse_matrix_opcodes() { return kAll; }

}  // namespace sinter::sim
