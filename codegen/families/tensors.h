// SPDX-License-Identifier: Apache-2.0
#pragma once

// Helpers of families that look at named tensors: finding them, checking them, reading their element types.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
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

/// Bytes of one element, or 0 for a dtype that is not known: BF16, F16, F32, F64, F8_E4M3, F8_E5M2, I8 to I64, U8 to U64, BOOL.
std::size_t dtype_bytes(std::string_view dtype);
std::size_t element_count(const TensorInfo& info);
/// Bytes of all elements.
std::size_t tensor_bytes(const TensorInfo& info);

/// An element of a matrix.
struct Cell {
  std::int64_t row = 0, column = 0;
};

/// The cells of a rows x columns matrix that are compared: all if there are no more than `most`; else the corners, where
/// tails and neighbours go wrong, and random others. In ascending order.
std::vector<Cell> cells_to_compare(std::int64_t rows, std::int64_t columns, std::int64_t most, std::mt19937_64& random);

/// How many cells a reference compares in each of `groups` groups, if each takes `products` multiplications.
std::int64_t most_cells(ReferenceEffort effort, std::int64_t groups, std::int64_t products);

/// An output's element and what it should be.
struct Expected {
  std::int64_t index = 0;  ///< In the tensor, row-major.
  double value = 0;
};

/// Judges elements that belong together, a group's: by their norm, and each by itself. One is wrong if it is off by more
/// than twice the allowed part of its value, or of the elements' root mean square if that is larger: a sum that happens
/// to be near zero is as uncertain as the others.
ReferenceReport judge_elements(const TensorView& output, std::span<const Expected> expected, double allowed_relative_error);

/// "d[3, 17]".
std::string element_name(const TensorInfo& info, std::int64_t index);

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
