// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/tensors.h"

#include <algorithm>
#include <iterator>
#include <utility>

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

std::size_t dtype_bytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, std::size_t> kSizes[] = {
      {"BF16", 2}, {"F16", 2}, {"F32", 4}, {"F64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I8", 1},  {"I16", 2},
      {"I32", 4},  {"I64", 8}, {"U8", 1},  {"U16", 2}, {"U32", 4},     {"U64", 8},     {"BOOL", 1}};
  const auto it = std::ranges::find(kSizes, dtype, &std::pair<std::string_view, std::size_t>::first);
  return it == std::end(kSizes) ? 0 : it->second;
}

std::size_t element_count(const TensorInfo& info) {
  std::size_t count = 1;
  for (const std::int64_t side : info.shape) {
    count *= static_cast<std::size_t>(side);
  }
  return count;
}

std::size_t tensor_bytes(const TensorInfo& info) { return element_count(info) * dtype_bytes(info.dtype); }

std::vector<Cell> cells_to_compare(std::int64_t rows, std::int64_t columns, std::int64_t most, std::mt19937_64& random) {
  std::vector<Cell> cells;
  if (rows == 0 || columns == 0) {
    return cells;
  }
  if (rows <= most / columns) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        cells.push_back({row, column});
      }
    }
    return cells;
  }
  cells = {{0, 0}, {0, columns - 1}, {rows - 1, 0}, {rows - 1, columns - 1}};
  while (std::ssize(cells) < most) {
    cells.push_back({static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(rows)),
                     static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(columns))});
  }
  std::ranges::sort(cells, {}, [](const Cell& cell) { return std::pair(cell.row, cell.column); });
  return cells;
}

std::int64_t most_cells(ReferenceEffort effort, std::int64_t groups, std::int64_t products) {
  constexpr std::int64_t kSampled = 64, kMost = 1 << 18;
  constexpr std::int64_t kProducts = 1 << 24;  // a fifth of a second, or two of a slow machine
  const std::int64_t affordable = kProducts / std::max<std::int64_t>(1, groups) / std::max<std::int64_t>(1, products);
  return effort == ReferenceEffort::kSample ? kSampled : std::clamp(affordable, kSampled, kMost);
}

std::string element_name(const TensorInfo& info, std::int64_t index) {
  std::vector<std::int64_t> place(info.shape.size());
  for (std::size_t i = place.size(); i-- > 0;) {
    place[i] = index % info.shape[i];
    index /= info.shape[i];
  }
  return fmt::format("{}[{}]", info.name, fmt::join(place, ", "));
}

ReferenceReport judge_elements(const TensorView& output, std::span<const Expected> expected, double allowed_relative_error) {
  // Beyond the range of fp16, and near its end, a right result may be infinite.
  constexpr double kLargestFp16 = 65504 * (1 - 1.0 / 64);
  const bool is_fp16 = output.info.dtype == "F16";
  const auto is_comparable = [&](const Expected& wanted) { return !is_fp16 || std::abs(wanted.value) < kLargestFp16; };
  ErrorMeter meter(allowed_relative_error);
  double squares = 0;
  std::int64_t count = 0;
  for (const Expected& wanted : expected) {
    if (is_comparable(wanted)) {
      meter.add(element(output, wanted.index), wanted.value);
      squares += wanted.value * wanted.value;
      ++count;
    }
  }
  ReferenceReport report = meter.report();
  const double mean = std::sqrt(squares / static_cast<double>(std::max<std::int64_t>(1, count)));
  for (const Expected& wanted : expected) {
    const double got = element(output, wanted.index);
    const double tolerance = 2 * allowed_relative_error * std::max(std::abs(wanted.value), mean);
    if (is_comparable(wanted) && !(std::abs(got - wanted.value) <= tolerance)) {
      report.ok = false;
      report.first_wrong = fmt::format("{} is {:.6g}, and should be {:.6g} within {:.2g}", element_name(output.info, wanted.index), got,
                                       wanted.value, tolerance);
      break;
    }
  }
  return report;
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
  joined.first_wrong = a.first_wrong.empty() ? b.first_wrong : a.first_wrong;
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
