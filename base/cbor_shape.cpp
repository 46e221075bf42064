// SPDX-License-Identifier: Apache-2.0
#include "base/cbor_shape.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace sinter {
namespace {

// A worker's message is a map of texts, bytes and numbers, of arrays of texts, and of arrays of maps that hold arrays
// of texts; this leaves room.
constexpr int kMaxDepth = 5;
constexpr std::size_t kMaxItems = 1u << 16;

Error bad_shape(std::string_view why) {
  return make_error(ErrorCode::kInternal, fmt::format("malformed worker message: {}", why));
}

class ShapeCheck {
 public:
  explicit ShapeCheck(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Result<void> run() {
    SINTER_TRY_VOID(item(0));
    if (at_ != bytes_.size()) {
      return bad_shape(fmt::format("{} bytes after the value", bytes_.size() - at_));
    }
    return {};
  }

 private:
  /// CBOR's major types that need a look (RFC 8949, 3.1).
  enum Major : unsigned { kBytes = 2, kText = 3, kArray = 4, kMap = 5, kTag = 6 };

  Result<void> item(int depth) {
    if (depth > kMaxDepth) {
      return bad_shape(fmt::format("nested deeper than {}", kMaxDepth));
    }
    if (++items_ > kMaxItems) {
      return bad_shape(fmt::format("more than {} items", kMaxItems));
    }
    if (at_ == bytes_.size()) {
      return bad_shape("it ends within a value");
    }
    const auto head = std::to_integer<unsigned>(bytes_[at_++]);
    SINTER_TRY(const std::uint64_t argument, read_argument(head & 0x1f));
    switch (head >> 5) {
      case kBytes:
      case kText:
        if (argument > bytes_.size() - at_) {
          return bad_shape(fmt::format("a text of {} bytes where {} are left", argument, bytes_.size() - at_));
        }
        at_ += static_cast<std::size_t>(argument);
        return {};
      case kArray:
      case kMap:
        return children(argument, (head >> 5) == kMap ? 2 : 1, depth);
      case kTag:
        return bad_shape("a tagged value");
      default:
        return {};  // numbers, true, false, null
    }
  }

  Result<void> children(std::uint64_t count, std::uint64_t items_each, int depth) {
    if (count > kMaxItems) {
      return bad_shape(fmt::format("{} elements, above the limit of {}", count, kMaxItems));
    }
    for (std::uint64_t i = 0; i < count * items_each; ++i) {
      SINTER_TRY_VOID(item(depth + 1));
    }
    return {};
  }

  /// The number in or after the head byte. 24 to 27 say that 1, 2, 4 or 8 big-endian bytes follow.
  Result<std::uint64_t> read_argument(unsigned low) {
    if (low < 24) {
      return std::uint64_t{low};
    }
    if (low > 27) {
      return bad_shape("a value of indefinite length");
    }
    const std::size_t size = std::size_t{1} << (low - 24);
    if (size > bytes_.size() - at_) {
      return bad_shape("it ends within a length");
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = (value << 8) | std::to_integer<std::uint64_t>(bytes_[at_++]);
    }
    return value;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::size_t items_ = 0;
};

}  // namespace

Result<void> check_cbor_shape(std::span<const std::byte> bytes) { return ShapeCheck(bytes).run(); }

}  // namespace sinter
