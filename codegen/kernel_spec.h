// SPDX-License-Identifier: Apache-2.0
#pragma once

// KernelRequest: what a caller wants, open points included. KernelSpec: the same made complete; equal specs are the
// same kernel. Both are plain arrays of numbers whose meaning is the family's parameter table (codegen/family.h).

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "codegen/arch.h"

namespace sinter {

class Family;

inline constexpr int kMaxParams = 16;
/// In a request's values behind every family's parameters: how many rows a launch will have, and how many of them its
/// largest group. Hints for choosing what is left open; no part of the kernel.
inline constexpr int kRowsHint = kMaxParams - 1;
inline constexpr int kLargestHint = kMaxParams - 2;
inline constexpr std::int64_t kUnset = std::numeric_limits<std::int64_t>::min();

/// Tile shape in elements: m rows of the output, n columns, k of the inner dimension.
struct TileShape {
  std::int32_t m = 0, n = 0, k = 0;
  friend bool operator==(const TileShape&, const TileShape&) = default;
};

/// A tile as one parameter value; each side is 1 to 65535.
constexpr std::int64_t pack_tile(TileShape t) {
  return (static_cast<std::int64_t>(t.m) << 32) | (static_cast<std::int64_t>(t.n) << 16) | t.k;
}
constexpr TileShape unpack_tile(std::int64_t v) {
  return {static_cast<std::int32_t>(v >> 32), static_cast<std::int32_t>((v >> 16) & 0xffff),
          static_cast<std::int32_t>(v & 0xffff)};
}
std::string tile_to_string(TileShape tile);              ///< "128x128x64".
Result<TileShape> parse_tile(std::string_view text);

/// What a caller asks for. Plain memory without padding: it is hashed and compared whole.
struct KernelRequest {
  std::uint64_t family = 0;  ///< Index in the family registry.
  std::array<std::int64_t, kMaxParams> values = [] {
    std::array<std::int64_t, kMaxParams> v{};
    v.fill(kUnset);
    return v;
  }();
  friend bool operator==(const KernelRequest&, const KernelRequest&) = default;
};
static_assert(std::has_unique_object_representations_v<KernelRequest>);

/// The rows that a request expects, or 0.
inline std::int64_t rows_hint(const KernelRequest& request) {
  const std::int64_t rows = request.values[kRowsHint];
  return rows == kUnset ? 0 : rows;
}

/// The rows of the largest group that it expects, or 0.
inline std::int64_t largest_hint(const KernelRequest& request) {
  const std::int64_t largest = request.values[kLargestHint];
  return largest == kUnset ? 0 : largest;
}

/// A complete, canonical kernel description. Made by resolve() (codegen/resolve.h) and nowhere else.
struct KernelSpec {
  const Family* family = nullptr;
  const Arch* arch = nullptr;
  std::array<std::int64_t, kMaxParams> values{};

  std::int64_t operator[](int param) const { return values[static_cast<std::size_t>(param)]; }
  TileShape tile(int param) const { return unpack_tile((*this)[param]); }

  /// The entry symbol: "grouped_gemm_none_bf16_n2816_k2048_g64_t128x128x64_vskip_off_gfx942".
  std::string name() const;
  friend bool operator==(const KernelSpec&, const KernelSpec&) = default;
};

/// The inverse of KernelSpec::name(). Errors: kInvalidRequest.
Result<KernelSpec> parse_spec_name(std::string_view name);

}  // namespace sinter
