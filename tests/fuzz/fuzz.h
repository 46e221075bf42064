// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the fuzz targets share. A target is one function over bytes; libFuzzer calls it with inputs that it makes
// (scripts/fuzz), replay_main.cpp with those of tests/fuzz/corpus.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/check.h"
#include "base/result.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace sinter::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

/// An input taken apart from its start. Behind the end there are zeros and empty texts.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(bytes_of(data, size)) {}

  bool empty() const { return rest_.empty(); }
  std::span<const std::byte> rest() const { return rest_; }

  template <class T>
  T number() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    const auto bytes = take(sizeof value);
    if (!bytes.empty()) {
      std::memcpy(&value, bytes.data(), bytes.size());
    }
    return value;
  }

  /// 0 to `limit` - 1, from one byte. REQUIRES: 0 < limit <= 256.
  std::size_t below(std::size_t limit) { return number<std::uint8_t>() % limit; }
  bool flag() { return below(2) != 0; }

  /// A length of two bytes and as much text as is left of that.
  std::string text() {
    const auto bytes = take(number<std::uint16_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> take(std::size_t size) {
    const auto taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

  std::span<const std::byte> rest_;
};

/// A refusal is of a kind that the function announces, and says why.
inline void check_refusal(const Error& error, std::initializer_list<ErrorCode> announced) {
  SINTER_CHECK(std::find(announced.begin(), announced.end(), error.code) != announced.end(),
               "an unannounced error code");
  SINTER_CHECK(!error.message.empty(), "a refusal without a reason");
}

}  // namespace sinter::fuzz
