// SPDX-License-Identifier: Apache-2.0
#pragma once

// Helpers of families that look at named tensors: finding them, checking them, reading their element types.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/family.h"

namespace sinter {

const TensorInfo* find_tensor(std::span<const TensorInfo> tensors, std::string_view name);
const TensorView* find_tensor(std::span<const TensorView> tensors, std::string_view name);

/// The tensor, if it is there with this rank and one of these dtypes. Errors: kInvalidRequest naming tensor, value and
/// what is expected.
Result<const TensorInfo*> expect_tensor(std::span<const TensorInfo> tensors, std::string_view name, std::size_t rank,
                                        std::initializer_list<std::string_view> dtypes);

/// Errors: kInvalidRequest unless the tensor has exactly this shape.
Result<void> expect_shape(const TensorInfo& tensor, std::initializer_list<std::int64_t> shape);

/// Of a launch's number of rows: null, or what is wrong with it (Family::bad_scalar).
const char* bad_rows(std::int64_t rows);

inline double bf16_to_double(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// IEEE half precision: 1 sign, 5 exponent (bias 15), 10 mantissa bits.
inline double fp16_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) {
    return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
  }
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

/// OCP e4m3fn: 1 sign, 4 exponent (bias 7), 3 mantissa bits; 0x7f and 0xff are NaN, no infinities.
inline double e4m3_to_double(std::uint8_t bits) {
  const int exponent = (bits >> 3) & 15;
  const int mantissa = bits & 7;
  const double sign = (bits & 0x80) != 0 ? -1.0 : 1.0;
  if (exponent == 15 && mantissa == 7) {
    return std::nan("");
  }
  return sign * (exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10));
}

/// Element `index` of a BF16, F16, F32 or F8_E4M3 tensor.
double element(const TensorView& tensor, std::int64_t index);

/// The rows of each group as the kernels see them: clamped to [0, rows], never decreasing.
std::vector<std::int64_t> clamped_offsets(const TensorView& offsets, std::int64_t rows);

/// Accumulates ||out - ref|| / ||ref|| over sampled elements.
class ErrorMeter {
 public:
  explicit ErrorMeter(double allowed_relative_error) { report_.allowed_relative_error = allowed_relative_error; }
  void add(double out, double reference);
  ReferenceReport report() const;

  /// Joins the reports of parts that are judged by themselves: the worst error counts.
  static ReferenceReport worst(const ReferenceReport& a, const ReferenceReport& b);

 private:
  ReferenceReport report_;
  double difference_squared_ = 0;
  double reference_squared_ = 0;
  bool saw_nan_ = false;
};

}  // namespace sinter
