// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/tensors.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter {

const TensorInfo* find_tensor(std::span<const TensorInfo> tensors, std::string_view name) {
  const auto it = std::ranges::find(tensors, name, &TensorInfo::name);
  return it == tensors.end() ? nullptr : &*it;
}

const TensorView* find_tensor(std::span<const TensorView> tensors, std::string_view name) {
  const auto it = std::ranges::find_if(tensors, [&](const TensorView& view) { return view.info.name == name; });
  return it == tensors.end() ? nullptr : &*it;
}

Result<const TensorInfo*> expect_tensor(std::span<const TensorInfo> tensors, std::string_view name, std::size_t rank,
                                        std::initializer_list<std::string_view> dtypes) {
  const TensorInfo* tensor = find_tensor(tensors, name);
  if (tensor == nullptr) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("tensor '{}' is missing", name));
  }
  if (tensor->shape.size() != rank) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("tensor '{}' has shape [{}]; it must have {} dimensions", name,
                                                              fmt::join(tensor->shape, ", "), rank));
  }
  // Beyond it lies no launch, and sums over sides could overflow: an empty tensor may claim any others.
  if (std::ranges::any_of(tensor->shape, [](std::int64_t side) { return side > kMaxRows; })) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("tensor '{}' has shape [{}]; a side is at most {}", name,
                                                              fmt::join(tensor->shape, ", "), kMaxRows));
  }
  if (std::ranges::find(dtypes, tensor->dtype) == dtypes.end()) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("tensor '{}' is {}; it must be {}", name, tensor->dtype, fmt::join(dtypes, " or ")));
  }
  return tensor;
}

const char* bad_rows(std::int64_t rows) {
  return rows < 0 || rows > kMaxRows ? "rows must be from 0 to 2147418112 (2^31 - 2^16)" : nullptr;
}

Result<void> expect_shape(const TensorInfo& tensor, std::initializer_list<std::int64_t> shape) {
  if (!std::ranges::equal(tensor.shape, shape)) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("tensor '{}' has shape [{}]; it must be [{}]", tensor.name,
                                                              fmt::join(tensor.shape, ", "), fmt::join(shape, ", ")));
  }
  return {};
}

double element(const TensorView& tensor, std::int64_t index) {
  if (tensor.info.dtype == "BF16") {
    std::uint16_t bits;
    std::memcpy(&bits, tensor.data + 2 * index, sizeof bits);
    return bf16_to_double(bits);
  }
  if (tensor.info.dtype == "F16") {
    std::uint16_t bits;
    std::memcpy(&bits, tensor.data + 2 * index, sizeof bits);
    return fp16_to_double(bits);
  }
  if (tensor.info.dtype == "F8_E4M3") {
    return e4m3_to_double(static_cast<std::uint8_t>(tensor.data[index]));
  }
  float value;
  std::memcpy(&value, tensor.data + 4 * index, sizeof value);
  return value;
}

std::vector<std::int64_t> clamped_offsets(const TensorView& offsets, std::int64_t rows) {
  std::vector<std::int64_t> starts(offsets.bytes / sizeof(std::int32_t));
  std::int64_t highest = 0;
  for (std::size_t g = 0; g < starts.size(); ++g) {
    std::int32_t value;
    std::memcpy(&value, offsets.data + g * sizeof value, sizeof value);
    highest = std::max(highest, std::clamp<std::int64_t>(value, 0, rows));
    starts[g] = highest;
  }
  return starts;
}

void ErrorMeter::add(double out, double reference) {
  const double difference = out - reference;
  saw_nan_ = saw_nan_ || std::isnan(difference);
  difference_squared_ += difference * difference;
  reference_squared_ += reference * reference;
  report_.max_abs_error = std::max(report_.max_abs_error, std::abs(difference));
  report_.sampled += 1;
}

ReferenceReport ErrorMeter::worst(const ReferenceReport& a, const ReferenceReport& b) {
  ReferenceReport joined = std::isnan(a.relative_error) || a.relative_error > b.relative_error ? a : b;
  joined.sampled = a.sampled + b.sampled;
  joined.max_abs_error = std::max(a.max_abs_error, b.max_abs_error);
  joined.ok = a.ok && b.ok;
  return joined;
}

ReferenceReport ErrorMeter::report() const {
  ReferenceReport report = report_;
  const double scale = reference_squared_ > 0 ? std::sqrt(reference_squared_) : 1.0;
  report.relative_error = saw_nan_ ? std::nan("") : std::sqrt(difference_squared_) / scale;
  report.ok = !saw_nan_ && report.relative_error <= report.allowed_relative_error;
  return report;
}

}  // namespace sinter
