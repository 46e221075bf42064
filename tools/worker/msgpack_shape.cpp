// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/msgpack_shape.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

namespace sinter {
namespace {

// Metadata is a map of an array of maps of arrays of maps of scalars: five levels.
constexpr int kMaxDepth = 8;

/// What follows a type byte.
struct Head {
  std::uint64_t body_bytes = 0;  ///< Skipped.
  std::uint64_t children = 0;    ///< Values that follow.
};

class Walker {
 public:
  explicit Walker(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool is_at_end() const { return rest_.empty(); }

  /// False if the value is cut short, too deep or of a reserved type.
  bool skip_value(int depth) {
    const auto head = read_head();
    if (!head || depth > kMaxDepth || head->body_bytes > rest_.size() || head->children > rest_.size()) {
      return false;
    }
    rest_ = rest_.subspan(static_cast<std::size_t>(head->body_bytes));
    for (std::uint64_t i = 0; i < head->children; ++i) {
      if (!skip_value(depth + 1)) {
        return false;
      }
    }
    return true;
  }

 private:
  /// A big-endian number of `size` bytes.
  std::optional<std::uint64_t> read_number(std::size_t size) {
    if (rest_.size() < size) {
      return std::nullopt;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8 | std::to_integer<std::uint64_t>(rest_[i]);
    }
    rest_ = rest_.subspan(size);
    return value;
  }

  std::optional<Head> body_of(std::optional<std::uint64_t> size, std::uint64_t extra = 0) {
    return size ? std::optional(Head{*size + extra, 0}) : std::nullopt;
  }
  std::optional<Head> children_of(std::optional<std::uint64_t> count, std::uint64_t values_each) {
    return count ? std::optional(Head{0, *count * values_each}) : std::nullopt;
  }

  // The formats: https://github.com/msgpack/msgpack/blob/master/spec.md
  std::optional<Head> read_head() {
    const auto first = read_number(1);
    if (!first) {
      return std::nullopt;
    }
    const std::uint64_t type = *first;
    if (type <= 0x7f || type >= 0xe0) {
      return Head{};  // small integers
    }
    if (type <= 0x8f) {
      return Head{0, 2 * (type & 0x0f)};  // small map
    }
    if (type <= 0x9f) {
      return Head{0, type & 0x0f};  // small array
    }
    if (type <= 0xbf) {
      return Head{type & 0x1f, 0};  // short text
    }
    switch (type) {
      case 0xc0: case 0xc2: case 0xc3: return Head{};  // nil, false, true
      case 0xc4: case 0xc5: case 0xc6: return body_of(read_number(std::size_t{1} << (type - 0xc4)));     // bytes
      case 0xc7: case 0xc8: case 0xc9: return body_of(read_number(std::size_t{1} << (type - 0xc7)), 1);  // extension
      case 0xca: return Head{4, 0};  // float
      case 0xcb: return Head{8, 0};  // double
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return Head{std::uint64_t{1} << (type - 0xcc), 0};  // unsigned
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: return Head{std::uint64_t{1} << (type - 0xd0), 0};  // signed
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
        return Head{1 + (std::uint64_t{1} << (type - 0xd4)), 0};  // extension of a fixed size
      case 0xd9: case 0xda: case 0xdb: return body_of(read_number(std::size_t{1} << (type - 0xd9)));  // text
      case 0xdc: case 0xdd: return children_of(read_number(type == 0xdc ? 2 : 4), 1);                 // array
      case 0xde: case 0xdf: return children_of(read_number(type == 0xde ? 2 : 4), 2);                 // map
      default: return std::nullopt;  // 0xc1 is reserved
    }
  }

  std::span<const std::byte> rest_;
};

}  // namespace

Result<void> check_msgpack_shape(std::span<const std::byte> bytes) {
  Walker walker(bytes);
  if (!walker.skip_value(0)) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("malformed MessagePack: cut short or nested deeper than {}", kMaxDepth));
  }
  if (!walker.is_at_end()) {
    return make_error(ErrorCode::kInvalidRequest, "malformed MessagePack: there are bytes after the value");
  }
  return {};
}

}  // namespace sinter
