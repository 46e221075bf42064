// SPDX-License-Identifier: Apache-2.0
#pragma once

// Expected failures are values: a function that can fail returns Result<T>. Broken invariants abort (base/check.h).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace sinter {

/// What kind of failure this is; each kind says what the caller can do. Values cross the C ABI: never renumber.
enum class ErrorCode : std::int32_t {
  kInvalidRequest = 1,       ///< No device could ever run this: fix the request.
  kUnsupported = 2,          ///< This device or arch cannot: pick another tile, mode or device.
  kNotPrebuilt = 3,          ///< Compiling is switched off and no cache layer has the kernel.
  kCompilerUnavailable = 4,  ///< No compiler for this arch was found; the message names what was searched.
  kCompileFailed = 5,        ///< The compiler said no; `log` and `source` are attached.
  kTimeout = 6,              ///< A compile ran past its limit.
  kDriverError = 7,          ///< The vendor's driver failed; its name for the error is in the message.
  kCacheError = 8,           ///< Storage failed. Only tools see this: a launch never fails because of the cache.
  kInternal = 9,             ///< A defect of Sinter itself.
};

/// The code's name as printed in messages and JSON: "invalid_request", "unsupported", ...
std::string_view error_code_name(ErrorCode code);

/// Why something failed: one sentence with the value, the limit and the way out, and what belongs to it.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string log;     ///< The compiler's output, if a compiler was involved.
  std::string source;  ///< The generated source that failed to compile.
};

/// A value or the Error that prevented it.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

inline Error make_error(ErrorCode code, std::string message) { return Error{code, std::move(message), {}, {}}; }

#define SINTER_CONCAT_(a, b) a##b
#define SINTER_CONCAT(a, b) SINTER_CONCAT_(a, b)

/// SINTER_TRY(auto x, may_fail()): x is the value, or this function returns the error.
#define SINTER_TRY(declaration, expression) SINTER_TRY_(declaration, expression, SINTER_CONCAT(sinter_try_, __LINE__))
#define SINTER_TRY_(declaration, expression, result) \
  auto result = (expression);                        \
  if (!result) {                                     \
    return std::move(result).error();                \
  }                                                  \
  declaration = std::move(result).value()

#define SINTER_TRY_VOID(expression)          \
  do {                                       \
    auto sinter_try_result = (expression);   \
    if (!sinter_try_result) {                \
      return std::move(sinter_try_result).error(); \
    }                                        \
  } while (false)

}  // namespace sinter
