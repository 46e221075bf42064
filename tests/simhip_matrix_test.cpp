// SPDX-License-Identifier: Apache-2.0

// Matrix instructions against products in plain loops, with the layouts that AMD's calculator gives, and gfx950's
// scaled ones. Run once per device.

#include <cmath>
#include <cstring>
#include <map>

#include "tests/support/device_twin.h"
#include "tests/support/matrix_layouts.h"

namespace sinter {
namespace {

using testing::MatrixLayout;
using testing::SimulatedAmd;

struct Place {
  unsigned i = 0, j = 0, k = 0, b = 0;
};

/// Adds what the bits of `number` give by the next words of `layout`; stops behind "|" or at the end.
void add_bits(std::string_view& layout, unsigned number, Place& place) {
  for (unsigned bit = 0; !layout.empty(); ++bit) {
    const std::string_view word = layout.substr(0, layout.find(' '));
    layout.remove_prefix(std::min(layout.size(), word.size() + 1));
    if (word == "|") {
      return;
    }
    unsigned& coordinate = word[0] == 'i' ? place.i : word[0] == 'j' ? place.j : word[0] == 'k' ? place.k : place.b;
    coordinate += (number >> bit & 1) != 0 ? static_cast<unsigned>(std::stoul(std::string(word.substr(1)))) : 0;
  }
}

Place place_of(std::string_view layout, unsigned lane, unsigned item) {
  Place place;
  add_bits(layout, lane, place);
  add_bits(layout, item, place);
  return place;
}

unsigned items_of(std::string_view layout) {
  return 1U << std::count(layout.begin() + static_cast<std::ptrdiff_t>(layout.find('|')), layout.end(), ' ');
}

/// Element types by the end of the name.
struct Types {
  std::string_view a, b;
  unsigned bits = 0;
};

Types types_of(std::string_view name) {
  static constexpr std::pair<std::string_view, unsigned> kTypes[] = {{"f64", 64},     {"xf32", 32}, {"f32", 32},
                                                                     {"bf16_1k", 16}, {"bf16", 16}, {"f16", 16},
                                                                     {"i8", 8},       {"fp8", 8},   {"bf8", 8}};
  Types types;
  for (const auto& [type, bits] : kTypes) {
    if (name.ends_with(type)) {
      types = {type, type, bits};
      break;
    }
  }
  if (types.bits == 8 && types.b != "i8") {
    types.a = name.substr(name.size() - 7, 3);
  }
  return types;
}

/// FNUZ, as on gfx942: bias 8 or 16.
double float8(unsigned byte, unsigned mantissa_bits) {
  const int bias = mantissa_bits == 3 ? 8 : 16, exponent = static_cast<int>((byte & 0x7f) >> mantissa_bits);
  const int mantissa = static_cast<int>(byte & ((1U << mantissa_bits) - 1));
  const double value =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias - static_cast<int>(mantissa_bits))
                    : std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - static_cast<int>(mantissa_bits));
  return (byte & 0x80) != 0 ? -value : value;
}

/// gfx90a's matrix instructions take subnormal numbers of 16 bits for 0.
std::uint64_t without_subnormals(std::string_view type, std::uint64_t bits) {
  const std::uint64_t exponent = type == "f16" ? 0x7c00 : type.starts_with("bf16") ? 0x7f80 : 0;
  return exponent != 0 && (bits & exponent) == 0 ? 0 : bits;
}

double value_of(std::string_view type, std::uint64_t bits) {
  if (type == "f64") {
    return std::bit_cast<double>(bits);
  }
  const auto word = static_cast<std::uint32_t>(bits);
  if (type == "f32" || type == "xf32") {
    return double{std::bit_cast<float>(type == "f32" ? word : word & 0xffffe000U)};
  }
  if (type == "f16") {
    return static_cast<double>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(word)));
  }
  if (type == "i8") {
    return static_cast<std::int8_t>(word);
  }
  return type == "fp8" ? float8(word, 3) : type == "bf8" ? float8(word, 2) : double{std::bit_cast<float>(word << 16)};
}

constexpr std::size_t kInputWords = 48;  // of a lane: 8 of A, 8 of B, 32 of C
constexpr std::size_t kFirstOfB = 8, kFirstOfC = 16;

/// Element `item` of `bits` bits among a lane's words from `first` on.
std::uint64_t element(const std::vector<std::uint32_t>& in, unsigned lane, std::size_t first, unsigned item,
                      unsigned bits) {
  const std::size_t word = lane * kInputWords + first + item * bits / 32;
  if (bits == 64) {
    return std::uint64_t{in[word + 1]} << 32 | in[word];
  }
  return bits == 32 ? in[word] : in[word] >> (item * bits % 32) & ((1U << bits) - 1);
}

std::string asm_step(const MatrixLayout& layout, std::size_t out_at) {
  const Types types = types_of(layout.name);
  const unsigned operand = items_of(layout.a) * types.bits / 32,
                 results = items_of(layout.d) * (types.bits == 64 ? 2 : 1);
  const auto vector = [](unsigned words) {
    return words == 1 ? std::string("unsigned") : "V<" + std::to_string(words) + ">::type";
  };
  return "{ const auto a = *(const " + vector(operand) + "*)lane; const auto b = *(const " + vector(operand) +
         "*)(lane + 8); auto d = *(const " + vector(results) + "*)(lane + 16); asm volatile(\"s_nop 1\\n" +
         std::string(layout.name) + " %0, %1, %2, %0\\ns_nop 15\\ns_nop 7\" : \"+v\"(d) : \"v\"(a), \"v\"(b)); *(" +
         vector(results) + "*)(out + " + std::to_string(out_at) + " + t * " + std::to_string(results) + ") = d; }\n";
}

/// The largest error of an instruction's results, in units of what its sums' magnitudes allow; 1 is too much.
double worst_error(const MatrixLayout& layout, const std::vector<std::uint32_t>& in, const std::uint32_t* out) {
  const Types types = types_of(layout.name);
  const unsigned per_lane = items_of(layout.a), results = items_of(layout.d);
  std::map<std::array<unsigned, 3>, double> a, b;
  const auto read = [&](std::string_view type, unsigned lane, std::size_t first, unsigned item) {
    const std::uint64_t bits = element(in, lane, first, item, types.bits);
    return value_of(type, layout.arch == "gfx90a" ? without_subnormals(type, bits) : bits);
  };
  for (unsigned lane = 0; lane < 64; ++lane) {
    for (unsigned item = 0; item < per_lane; ++item) {
      const Place place = place_of(layout.a, lane, item);
      a[{place.b, place.i, place.k}] = read(types.a, lane, 0, item);
      b[{place.b, place.i, place.k}] = read(types.b, lane, kFirstOfB, item);
    }
  }
  unsigned depth = 0;
  for (const auto& [key, value] : a) {
    depth = std::max(depth, key[2] + 1);
  }
  double worst = 0;
  for (unsigned lane = 0; lane < 64; ++lane) {
    for (unsigned item = 0; item < results; ++item) {
      const Place place = place_of(layout.d, lane, item);
      const unsigned c_bits = types.bits == 64 ? 64 : 32;
      const std::string_view c_type = types.bits == 64 ? "f64" : "f32";
      const std::uint64_t c = element(in, lane, kFirstOfC, item, c_bits);
      double sum = types.a == "i8" ? 0 : value_of(c_type, c), magnitude = std::fabs(sum);
      for (unsigned k = 0; k < depth; ++k) {
        const double product = a.at({place.b, place.i, k}) * b.at({place.b, place.j, k});
        sum += product;
        magnitude += std::fabs(product);
      }
      const std::uint32_t* const word = out + (lane * results + item) * (c_bits / 32);
      if (types.a == "i8") {
        worst = word[0] == static_cast<std::uint32_t>(c) + static_cast<std::uint32_t>(static_cast<std::int64_t>(sum))
                    ? worst
                    : 2;
        continue;
      }
      const double found = c_bits == 64 ? std::bit_cast<double>(std::uint64_t{word[1]} << 32 | word[0])
                                        : double{std::bit_cast<float>(word[0])};
      const double allowed = magnitude * (c_bits == 64 ? 1e-15 : 2e-7) + 1e-37;
      worst = std::max(worst, std::fabs(found - sum) / allowed);
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("matrix instructions multiply what AMD's calculator says their registers hold") {
  const SimulatedAmd amd;
  // Of any type numbers are finite: a high bit of every exponent is clear.
  std::vector<std::uint32_t> in = testing::random_words(64 * kInputWords, 3);
  for (std::uint32_t& word : in) {
    word &= 0xbfbfbfbfU;
  }
  std::string source =
      "template <int n> struct V { typedef unsigned type __attribute__((ext_vector_type(n))); }; extern \"C\" "
      "__attribute__((global, amdgpu_flat_work_group_size(64, 64))) void kernel(const unsigned* in, unsigned* out) {"
      "const unsigned t = __builtin_amdgcn_workitem_id_x(); const unsigned* const lane = in + t * 48;\n";
  std::size_t words = 0;
  std::vector<std::pair<const MatrixLayout*, std::size_t>> steps;
  for (const MatrixLayout& layout : testing::kMatrixLayouts) {
    if (layout.arch == amd.device().properties.arch ||
        (amd.device().properties.arch == "gfx950" && layout.arch == "gfx942" &&
         layout.name.find("xf32") == std::string_view::npos && layout.name.find("p8") == std::string_view::npos &&
         layout.name.find("f8") == std::string_view::npos)) {
      source += asm_step(layout, words);
      steps.emplace_back(&layout, words);
      words += 64 * std::size_t{items_of(layout.d)} * (types_of(layout.name).bits == 64 ? 2 : 1);
    }
  }
  REQUIRE(steps.size() > 15);
  const std::vector<std::uint32_t> out = testing::run_on_device(amd, source + "}", in, words);
  for (const auto& [layout, at] : steps) {
    CAPTURE(layout->name);
    CHECK(worst_error(*layout, in, out.data() + at) < 1);
  }
}

// A lane holds 32 elements along K of a row of A, or a column of B, and a scale for them.
TEST_CASE("scaled matrix instructions multiply each format by its scales") {
  const SimulatedAmd amd;
  if (amd.device().properties.arch != "gfx950") {
    return;
  }
  struct Format {
    unsigned number, bits, mantissa_bits;
    int bias;
  };
  static constexpr Format kFormats[] = {{0, 8, 3, 7}, {1, 8, 2, 15}, {2, 6, 3, 1}, {3, 6, 2, 3}, {4, 4, 1, 1}};
  const auto value = [](const Format& format, std::uint32_t code) {
    const std::uint32_t magnitude = code & ((1U << (format.bits - 1)) - 1);
    const int exponent = static_cast<int>(magnitude >> format.mantissa_bits);
    const int mantissa = static_cast<int>(magnitude & ((1U << format.mantissa_bits) - 1));
    const int low = -format.bias - static_cast<int>(format.mantissa_bits);
    const double number = exponent == 0 ? std::ldexp(mantissa, 1 + low)
                                        : std::ldexp(mantissa + (1 << format.mantissa_bits), exponent + low);
    return (code >> (format.bits - 1)) != 0 ? -number : number;
  };
  std::vector<std::uint32_t> in = testing::random_words(64 * 20, 4);
  for (std::size_t at = 0; at < in.size(); ++at) {
    // Neither NaN nor infinity; scales from 2^-7 to 2^8.
    in[at] = at % 20 < 16 ? in[at] & 0xbfbfbfbfU : (in[at] & 0x0f0f0f0fU) + 0x78787878U;
  }
  for (const Format& a : kFormats) {
    for (const Format& b : kFormats) {
      CAPTURE(a.number, b.number);
      // The scale of A is byte 1, that of B byte 2.
      const std::string source =
          "typedef int V8 __attribute__((ext_vector_type(8))); typedef float V4 __attribute__((ext_vector_type(4))); "
          "extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(64, 64))) void kernel(const int* in, V4* "
          "out) "
          "{ const unsigned t = __builtin_amdgcn_workitem_id_x(); const int* const lane = in + t * 20; V8 a, b; for "
          "(int "
          "w = 0; w < 8; ++w) { a[w] = lane[w]; b[w] = lane[8 + w]; } out[t] = "
          "__builtin_amdgcn_mfma_scale_f32_16x16x128_f8f6f4(a, b, V4{1, 2, 3, 4}, " +
          std::to_string(a.number) + ", " + std::to_string(b.number) + ", 1, lane[16], 2, lane[17]); }";
      const std::vector<std::uint32_t> out = testing::run_on_device(amd, source, in, 64 * 4);
      const auto code = [&in](unsigned lane, unsigned first, unsigned item, const Format& format) {
        std::uint32_t bits = 0;
        for (unsigned bit = 0; bit < format.bits; ++bit) {
          const unsigned at = item * format.bits + bit;
          bits |= (in[lane * 20 + first + at / 32] >> (at % 32) & 1) << bit;
        }
        return bits;
      };
      double worst = 0;
      for (unsigned row = 0; row < 16; ++row) {
        for (unsigned column = 0; column < 16; ++column) {
          double sum = 1 + row % 4, magnitude = sum;
          for (unsigned k = 0; k < 128; ++k) {
            const unsigned lane_a = row + 16 * (k / 32), lane_b = column + 16 * (k / 32);
            const int scale = static_cast<int>(in[lane_a * 20 + 16] >> 8 & 0xff) +
                              static_cast<int>(in[lane_b * 20 + 17] >> 16 & 0xff) - 254;
            const double product =
                std::ldexp(value(a, code(lane_a, 0, k % 32, a)) * value(b, code(lane_b, 8, k % 32, b)), scale);
            sum += product;
            magnitude += std::fabs(product);
          }
          const std::uint32_t bits = out[(column + 16 * (row / 4)) * 4 + row % 4];
          worst = std::max(worst, std::fabs(double{std::bit_cast<float>(bits)} - sum) / (magnitude * 2e-7));
        }
      }
      CHECK(worst < 1);
    }
  }
}

}  // namespace sinter
