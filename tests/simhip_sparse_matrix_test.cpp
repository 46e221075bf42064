// SPDX-License-Identifier: Apache-2.0

// Matrix instructions with a sparse A against plain loops. Layouts are those of AMD's Matrix Instruction Calculator for
// CDNA 3: a lane has row lane % M of A and column lane % M of B, and the stretch lane / M along K of both. Run once per
// device.

#include <cmath>

#include "tests/support/device_twin.h"

namespace sinter {
namespace {

using testing::SimulatedAmd;

struct Sparse {
  std::string_view name, type;
  unsigned size, depth;
  bool is_gfx950 = false;
};

constexpr Sparse kSparse[] = {
    {"v_smfmac_f32_16x16x32_f16", "f16", 16, 32},
    {"v_smfmac_f32_32x32x16_f16", "f16", 32, 16},
    {"v_smfmac_f32_16x16x32_bf16", "bf16", 16, 32},
    {"v_smfmac_f32_32x32x16_bf16", "bf16", 32, 16},
    {"v_smfmac_i32_16x16x64_i8", "i8", 16, 64},
    {"v_smfmac_i32_32x32x32_i8", "i8", 32, 32},
    {"v_smfmac_f32_16x16x64_fp8_fp8", "fp8", 16, 64},
    {"v_smfmac_f32_32x32x32_fp8_fp8", "fp8", 32, 32},
    {"v_smfmac_f32_16x16x64_f16", "f16", 16, 64, true},
    {"v_smfmac_f32_32x32x32_bf16", "bf16", 32, 32, true},
    {"v_smfmac_i32_16x16x128_i8", "i8", 16, 128, true},
    {"v_smfmac_f32_32x32x64_fp8_fp8", "fp8", 32, 64, true},
};

constexpr std::size_t kWords = 32;  // of a lane: 4 of A, 8 of B, 1 of places, 3 unused, 16 of C
constexpr std::size_t kFirstOfB = 4, kPlaces = 12, kFirstOfC = 16;

double value_of(std::string_view type, std::uint32_t bits, bool is_fnuz) {
  if (type == "f16") {
    return static_cast<double>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(bits)));
  }
  if (type == "bf16") {
    return double{std::bit_cast<float>(bits << 16)};
  }
  if (type == "i8") {
    return static_cast<std::int8_t>(bits);
  }
  const int exponent = static_cast<int>(bits >> 3 & 15), mantissa = static_cast<int>(bits & 7), bias = is_fnuz ? 8 : 7;
  const double value = exponent == 0 ? std::ldexp(mantissa, -2 - bias) : std::ldexp(8 + mantissa, exponent - bias - 3);
  return (bits & 0x80) != 0 ? -value : value;
}

std::string step(const Sparse& sparse, unsigned abid, std::size_t out_at) {
  const unsigned bits = sparse.type == "i8" || sparse.type == "fp8" ? 8 : 16;
  const unsigned words_b = sparse.size * sparse.depth / 64 * bits / 32, results = sparse.size * sparse.size / 64;
  const auto vector = [](unsigned words) { return "V<" + std::to_string(words) + ">::type"; };
  return "{ const auto a = *(const " + vector(words_b / 2) + "*)lane; const auto b = *(const " + vector(words_b) +
         "*)(lane + 4); auto d = *(const " + vector(results) + "*)(lane + 16); asm volatile(\"s_nop 1\\n" +
         std::string(sparse.name) + " %0, %1, %2, %3" + (abid != 0 ? " abid:" + std::to_string(abid) : "") +
         "\\ns_nop 15\\ns_nop 7\" : \"+v\"(d) : \"v\"(a), \"v\"(b), \"v\"(lane[12])); *(" + vector(results) +
         "*)(out + " + std::to_string(out_at) + " + t * " + std::to_string(results) + ") = d; }\n";
}

/// The largest error of an instruction's results, in units of what its sums' magnitudes allow; 1 is too much.
double worst_error(const Sparse& sparse, unsigned abid, bool is_fnuz, const std::vector<std::uint32_t>& in,
                   const std::uint32_t* out) {
  const unsigned bits = sparse.type == "i8" || sparse.type == "fp8" ? 8 : 16, size = sparse.size;
  const unsigned stretch = size * sparse.depth / 64, results = size * size / 64;
  const auto element = [&](unsigned lane, std::size_t first, unsigned item) {
    const std::uint32_t word = in[lane * kWords + first + item * bits / 32];
    return value_of(sparse.type, word >> (item * bits % 32) & ((1U << bits) - 1), is_fnuz);
  };
  double worst = 0;
  for (unsigned row = 0; row < size; ++row) {
    for (unsigned column = 0; column < size; ++column) {
      const unsigned lane = column + size * (row / 4 % (64 / size)), item = row % 4 + 4 * (row / 4 / (64 / size));
      const std::uint32_t c = in[lane * kWords + kFirstOfC + item];
      double sum = sparse.type == "i8" ? 0 : double{std::bit_cast<float>(c)}, magnitude = std::fabs(sum);
      for (unsigned part = 0; part < 64 / size; ++part) {
        const unsigned lane_a = row + size * part, lane_b = column + size * part;
        for (unsigned at = 0; at < stretch / 2; ++at) {
          // Two bits for each element, as many for an instruction as it has elements of B in a lane.
          const unsigned place = in[lane_a * kWords + kPlaces] >> (abid * stretch + 2 * at) & 3;
          const double product = element(lane_a, 0, at) * element(lane_b, kFirstOfB, at / 2 * 4 + place);
          sum += product;
          magnitude += std::fabs(product);
        }
      }
      const std::uint32_t found = out[lane * results + item];
      const double error = sparse.type == "i8"
                               ? found == c + static_cast<std::uint32_t>(static_cast<std::int64_t>(sum)) ? 0 : 2
                               : std::fabs(double{std::bit_cast<float>(found)} - sum) / (magnitude * 2e-7 + 1e-37);
      worst = std::max(worst, error);
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("sparse matrix instructions multiply what is there by its places in B") {
  const SimulatedAmd amd;
  const std::string arch = amd.device().properties.arch;
  if (arch == "gfx90a") {
    return;
  }
  std::vector<std::uint32_t> in = testing::random_words(64 * kWords, 5);
  for (std::uint32_t& word : in) {
    word &= 0xbfbfbfbfU;  // of any type numbers are finite
  }
  std::string source =
      "template <int n> struct V { typedef unsigned type __attribute__((ext_vector_type(n))); }; extern \"C\" "
      "__attribute__((global, amdgpu_flat_work_group_size(64, 64))) void kernel(const unsigned* in, unsigned* out) {"
      "const unsigned t = __builtin_amdgcn_workitem_id_x(); const unsigned* const lane = in + t * 32;\n";
  struct Step {
    const Sparse* sparse;
    unsigned abid;
    std::size_t at;
  };
  std::vector<Step> steps;
  std::size_t words = 0;
  for (const Sparse& sparse : kSparse) {
    if (sparse.is_gfx950 && arch != "gfx950") {
      continue;
    }
    const unsigned sets = 32 / (sparse.size * sparse.depth / 64);  // of places in a register
    for (const unsigned abid : {0U, sets - 1}) {
      source += step(sparse, abid, words);
      steps.push_back({&sparse, abid, words});
      words += std::size_t{sparse.size} * sparse.size;
    }
  }
  const std::vector<std::uint32_t> out = testing::run_on_device(amd, source + "}", in, words);
  for (const Step& done : steps) {
    CAPTURE(done.sparse->name, done.abid);
    CHECK(worst_error(*done.sparse, done.abid, arch == "gfx942", in, out.data() + done.at) < 1);
  }
}

}  // namespace sinter
