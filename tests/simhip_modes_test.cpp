// SPDX-License-Identifier: Apache-2.0

// Modes of the grouped GEMM, and the gradient of its weights, on a simulated AMD device against float64: random
// operands, ragged and empty groups, rows of no group, N and K that no tile divides, and every check of the simulator
// on.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/grouped_wgrad.h"
#include "codegen/families/tensors.h"
#include "tests/support/simulated_amd.h"

namespace sinter {
namespace {

using testing::message;
using testing::Params;
using testing::SimulatedAmd;

using Offsets = std::vector<std::int32_t>;

// The last group but one has two tiles of rows, the first none. Rows 0, 1 and the last four are no group's.
const Offsets kOffsets{2, 2, 9, 149, 150};
constexpr std::int64_t kGroups = 4, kRows = 154;

// Rounding to bf16 alone is about 1.7e-3 in this norm, to fp16 2e-4; fp32 sums in another order are far below.
constexpr double kAllowedBf16 = 2.5e-3, kAllowedFp16 = 4e-4, kAllowedFp32 = 1e-5;

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

/// The group of a row, if it has one.
std::optional<std::int64_t> group_of(const Offsets& offsets, std::int64_t row) {
  const auto above = std::ranges::upper_bound(offsets, row);
  if (above == offsets.begin() || above == offsets.end()) return std::nullopt;
  return above - offsets.begin() - 1;
}

/// Offsets as kernels take them: none outside of the rows, none below the one before.
Offsets clamped(Offsets offsets, std::int64_t rows) {
  std::int32_t highest = 0;
  for (std::int32_t& offset : offsets) {
    highest = std::max(highest, std::clamp<std::int32_t>(offset, 0, static_cast<std::int32_t>(rows)));
    offset = highest;
  }
  return offsets;
}

enum class Type { kBf16, kFp16, kE4m3 };

double value_of(Type type, const std::uint8_t* bytes) {
  std::uint16_t wide;
  std::memcpy(&wide, bytes, type == Type::kE4m3 ? 1 : 2);
  return type == Type::kBf16   ? bf16_to_double(wide)
         : type == Type::kFp16 ? fp16_to_double(wide)
                               : e4m3_to_double(*bytes);
}

/// Normally distributed elements, all e4m3 but NaN, and what they stand for.
class Operand {
 public:
  Operand(Type type, std::int64_t count, std::mt19937& random)
      : width_(type == Type::kE4m3 ? 1 : 2), bytes_(size(count * width_)) {
    std::normal_distribution<float> normal;
    values_.resize(size(count));
    for (std::size_t i = 0; i < values_.size(); ++i) {
      std::uint8_t* const at = &bytes_[i * size(width_)];
      if (type == Type::kE4m3) {
        *at = static_cast<std::uint8_t>(random() % 0x7f | (random() & 0x80));
      } else {
        const float value = normal(random);
        const auto half = static_cast<_Float16>(value);
        // Truncation of a float is a bf16 as good as another.
        const auto brain = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
        type == Type::kFp16 ? std::memcpy(at, &half, 2) : std::memcpy(at, &brain, 2);
      }
      values_[i] = value_of(type, at);
    }
  }

  /// Makes NaN of the rows of no group: whoever adds one of their elements to anything finds out.
  void poison_rows_of_no_group(const Offsets& offsets, std::int64_t columns) {
    for (std::int64_t i = 0; i < std::ssize(values_); ++i) {
      if (!group_of(offsets, i / columns)) std::memset(&bytes_[size(i * width_)], 0x7f, size(width_));
    }
  }

  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  double operator[](std::int64_t i) const { return values_[size(i)]; }

 private:
  std::int64_t width_;
  std::vector<std::uint8_t> bytes_;
  std::vector<double> values_;
};

/// The matrices of all groups on the device, as one tensor or as an array of pointers to as many allocations.
class Matrices {
 public:
  Matrices(const SimulatedAmd& amd, const std::vector<std::uint8_t>& bytes, std::int64_t groups, bool is_separate) {
    const std::size_t each = is_separate ? bytes.size() / size(groups) : bytes.size();
    for (std::size_t at = 0; at < bytes.size(); at += each) {
      parts_.push_back(amd.upload(std::as_bytes(std::span(bytes).subspan(at, each))));
      pointers_.push_back(parts_.back()->data());
    }
    if (is_separate) table_ = amd.upload(pointers_);
  }

  void* data() const { return table_ ? table_->data() : pointers_.front(); }

  std::vector<std::uint8_t> download() const {
    std::vector<std::uint8_t> bytes;
    for (const auto& part : parts_) {
      std::vector<std::uint8_t> own(part->bytes());
      REQUIRE(part->download(std::as_writable_bytes(std::span(own))));
      bytes.insert(bytes.end(), own.begin(), own.end());
    }
    return bytes;
  }

 private:
  std::vector<std::unique_ptr<DeviceBuffer>> parts_;
  std::vector<void*> pointers_;
  std::unique_ptr<DeviceBuffer> table_;
};

/// ||out - expected|| / ||expected||.
struct Norm {
  double difference = 0, reference = 0;
  void add(double out, double expected) {
    difference += (out - expected) * (out - expected);
    reference += expected * expected;
  }
  double error() const { return reference > 0 ? std::sqrt(difference / reference) : difference; }
};

/// Every check of the simulator, while one lives.
class AllChecks {
 public:
  AllChecks() {
    set(SINTER_SIMHIP_CHECK_WAITS | SINTER_SIMHIP_CHECK_UNWRITTEN | SINTER_SIMHIP_CHECK_WAIT_STATES |
        SINTER_SIMHIP_CHECK_RACES | SINTER_SIMHIP_CHECK_UNWRITTEN_LDS);
  }
  ~AllChecks() { set(0); }
  AllChecks(const AllChecks&) = delete;
  AllChecks& operator=(const AllChecks&) = delete;

 private:
  static void set(std::uint32_t checks) {
    testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks")(checks);
  }
};

Params with(Params params, const Params& more) {
  params.insert(params.end(), more.begin(), more.end());
  return params;
}

template <class Args>
void launch(const SimulatedAmd& amd, const Kernel& kernel, const Args& args) {
  const AllChecks checks;
  const auto launched = kernel.launch(&args, sizeof args, nullptr);
  REQUIRE(message(launched) == "");
  REQUIRE(message(amd.driver().synchronize(0)) == "");
}

/// One mode's operands and reference.
class Gemm {
 public:
  static constexpr std::uint16_t kUntouched = 0x5a5a;

  explicit Gemm(const KernelSpec& spec)
      : spec_(spec), n_(spec[grouped_gemm::kN]), k_(spec[grouped_gemm::kK]), columns_(grouped_gemm::columns_of_d(spec)),
        wide_(spec[grouped_gemm::kDtype] == grouped_gemm::kDtypeFp16 ? Type::kFp16 : Type::kBf16),
        type_(grouped_gemm::is_fp8(spec) ? Type::kE4m3 : wide_), a_(type_, kRows * k_, random_),
        b_(type_, kGroups * n_ * k_, random_), bias_(wide_, kGroups * n_, random_), a_scale_(size(kRows)),
        b_scale_(size(kGroups * n_)) {
    a_.poison_rows_of_no_group(kOffsets, k_);
    std::uniform_real_distribution<float> scale(0.001F, 0.01F);
    std::ranges::generate(a_scale_, [&] { return scale(random_); });
    std::ranges::generate(b_scale_, [&] { return scale(random_); });
  }

  double allowed() const { return wide_ == Type::kFp16 ? kAllowedFp16 : kAllowedBf16; }

  std::vector<std::uint16_t> run(const SimulatedAmd& amd, const Kernel& kernel) const {
    const auto a = amd.upload(a_.bytes()), offsets = amd.upload(kOffsets), bias = amd.upload(bias_.bytes());
    const auto a_scale = amd.upload(a_scale_), b_scale = amd.upload(b_scale_);
    const Matrices b(amd, b_.bytes(), kGroups, spec_[grouped_gemm::kTensors] == grouped_gemm::kTensorsSeparate);
    std::vector<std::uint16_t> d(size(kRows * columns_), kUntouched);
    const auto device_d = amd.upload(d);
    launch(amd, kernel,
           GroupedGemmArgs{a->data(), b.data(), device_d->data(), static_cast<const float*>(a_scale->data()),
                           static_cast<const float*>(b_scale->data()), static_cast<const int*>(offsets->data()), kRows,
                           bias->data()});
    REQUIRE(device_d->download(std::as_writable_bytes(std::span(d))));
    return d;
  }

  /// Infinite if a row of no group was touched.
  double error(const std::vector<std::uint16_t>& d) const {
    Norm norm;
    for (std::int64_t i = 0; i < std::ssize(d); ++i) {
      const auto group = group_of(kOffsets, i / columns_);
      if (group) {
        norm.add(wide_ == Type::kFp16 ? fp16_to_double(d[size(i)]) : bf16_to_double(d[size(i)]),
                 expected(i / columns_, i % columns_, *group));
      } else if (d[size(i)] != kUntouched) {
        return INFINITY;
      }
    }
    return norm.error();
  }

 private:
  double expected(std::int64_t row, std::int64_t column, std::int64_t group) const {
    const double value = product(row, column, group);
    switch (spec_[grouped_gemm::kEpilogue]) {
      case grouped_gemm::kEpilogueBias: return value + bias_[group * n_ + column];
      case grouped_gemm::kEpilogueSwiglu: return value / (1 + std::exp(-value)) * product(row, n_ / 2 + column, group);
      default: return value;
    }
  }

  double product(std::int64_t row, std::int64_t column, std::int64_t group) const {
    const bool is_kn = spec_[grouped_gemm::kLayout] == grouped_gemm::kLayoutKn;
    double sum = 0;
    for (std::int64_t k = 0; k < k_; ++k)
      sum += a_[row * k_ + k] * b_[is_kn ? (group * k_ + k) * n_ + column : (group * n_ + column) * k_ + k];
    return grouped_gemm::is_fp8(spec_) ? sum * double{a_scale_[size(row)]} * double{b_scale_[size(group * n_ + column)]}
                                       : sum;
  }

  const KernelSpec spec_;
  std::int64_t n_, k_, columns_;
  Type wide_, type_;
  std::mt19937 random_{7};
  Operand a_, b_, bias_;
  std::vector<float> a_scale_, b_scale_;
};

/// Eights of columns that are odd; e4m3 and swiglu want sixteens.
const Params kGemmSizes = {{"n", "248"}, {"k", "200"}, {"groups", "4"}},
             kGemmSixteens = {{"n", "240"}, {"k", "208"}, {"groups", "4"}};

void check_gemm(SimulatedAmd& amd, const Params& params) {
  const Kernel& off = amd.kernel("grouped_gemm", with(params, {{"vskip", "off"}}));
  CAPTURE(off.name());
  const Gemm gemm(off.spec());
  const std::vector<std::uint16_t> d = gemm.run(amd, off);
  CHECK(gemm.error(d) < gemm.allowed());
  CHECK(gemm.run(amd, amd.kernel("grouped_gemm", with(params, {{"vskip", "on"}}))) == d);
}

/// The gradient with one mode's output.
class Wgrad {
 public:
  static constexpr float kBefore = 0.75F;

  Wgrad(const KernelSpec& spec, Offsets offsets, std::int64_t rows)
      : spec_(spec), n_(spec[grouped_wgrad::kN]), k_(spec[grouped_wgrad::kK]), groups_(spec[grouped_wgrad::kGroups]),
        rows_(rows), type_(spec[grouped_wgrad::kDtype] == grouped_wgrad::kDtypeFp16 ? Type::kFp16 : Type::kBf16),
        offsets_(std::move(offsets)), starts_(clamped(offsets_, rows)), dy_(type_, rows * n_, random_),
        x_(type_, rows * k_, random_) {
    dy_.poison_rows_of_no_group(starts_, n_);
    x_.poison_rows_of_no_group(starts_, k_);
  }

  double allowed() const { return is_float() ? kAllowedFp32 : type_ == Type::kFp16 ? kAllowedFp16 : kAllowedBf16; }

  std::vector<std::uint8_t> run(const SimulatedAmd& amd, const Kernel& kernel) const {
    const auto dy = amd.upload(dy_.bytes()), x = amd.upload(x_.bytes()), offsets = amd.upload(offsets_);
    std::vector<std::uint8_t> before(size(groups_ * n_ * k_ * width()), 0x5a);
    for (std::size_t i = 0; adds() && i < before.size(); i += sizeof kBefore)
      std::memcpy(&before[i], &kBefore, sizeof kBefore);
    const Matrices dw(amd, before, groups_, spec_[grouped_wgrad::kTensors] == grouped_wgrad::kTensorsSeparate);
    launch(amd, kernel,
           GroupedWgradArgs{dy->data(), x->data(), dw.data(), static_cast<const int*>(offsets->data()), rows_});
    return dw.download();
  }

  /// Of the worst group.
  double error(const std::vector<std::uint8_t>& dw) const {
    double worst = 0;
    for (std::int64_t group = 0; group < groups_; ++group) {
      Norm norm;
      for (std::int64_t i = 0; i < n_ * k_; ++i) {
        double sum = 0;
        for (std::int64_t row = starts_[size(group)]; row < starts_[size(group + 1)]; ++row)
          sum += dy_[row * n_ + i / k_] * x_[row * k_ + i % k_];
        norm.add(element(dw, group * n_ * k_ + i), sum);
      }
      worst = std::max(worst, norm.error());
    }
    return worst;
  }

 private:
  bool adds() const { return spec_[grouped_wgrad::kOutput] == grouped_wgrad::kOutputAddF32; }
  bool is_float() const { return spec_[grouped_wgrad::kOutput] != grouped_wgrad::kOutputSame; }
  std::int64_t width() const { return is_float() ? 4 : 2; }

  double element(const std::vector<std::uint8_t>& dw, std::int64_t index) const {
    const std::uint8_t* const at = &dw[size(index * width())];
    if (!is_float()) return value_of(type_, at);
    float value;
    std::memcpy(&value, at, sizeof value);
    return double{value} - (adds() ? double{kBefore} : 0.0);
  }

  const KernelSpec spec_;
  std::int64_t n_, k_, groups_, rows_;
  Type type_;
  Offsets offsets_, starts_;
  std::mt19937 random_{11};
  Operand dy_, x_;
};

const Params kWgradSizes = {{"n", "184"}, {"k", "136"}, {"groups", "4"}};

void check_wgrad(SimulatedAmd& amd, const Params& params, const Offsets& offsets = kOffsets) {
  const Kernel& kernel = amd.kernel("grouped_wgrad", params);
  CAPTURE(kernel.name());
  const Wgrad wgrad(kernel.spec(), offsets, kRows);
  const std::vector<std::uint8_t> dw = wgrad.run(amd, kernel);
  CHECK(wgrad.error(dw) < wgrad.allowed());
  CHECK(wgrad.run(amd, kernel) == dw);
}

/// Calls `check` with every tile that the AMD body offers for these parameters.
template <class Check>
void for_every_tile(SimulatedAmd& amd, std::string_view family, const Params& params, Check check) {
  const KernelSpec& spec = amd.kernel(family, params).spec();
  for (const TileShape tile : spec.family->body(Vendor::kAmd)->tiles(spec))
    check(with(params, {{"tile", tile_to_string(tile)}}));
}

}  // namespace

TEST_CASE("modes of the grouped GEMM on a simulated device agree with float64, and vskip changes no bit") {
  SimulatedAmd amd;
  for (const Params& mode :
       std::vector<Params>{{{"dtype", "fp16"}},
                           {{"dtype", "fp16"}, {"epilogue", "bias"}},
                           {{"epilogue", "bias"}, {"b_tensors", "separate"}},
                           {{"b_layout", "kn"}},
                           {{"b_layout", "kn"}, {"tile", "64x64x64"}},
                           {{"b_layout", "kn"}, {"dtype", "fp16"}, {"epilogue", "bias"}, {"b_tensors", "separate"}}}) {
    check_gemm(amd, with(kGemmSizes, mode));
  }
  for (const Params& mode : std::vector<Params>{{{"quant", "fp8_token"}},
                                                {{"quant", "fp8_token"}, {"b_tensors", "separate"}},
                                                {{"epilogue", "swiglu"}},
                                                {{"epilogue", "swiglu"}, {"dtype", "fp16"}, {"b_tensors", "separate"}},
                                                {{"epilogue", "swiglu"}, {"quant", "fp8_token"}}}) {
    check_gemm(amd, with(kGemmSixteens, mode));
  }
}

TEST_CASE("the weight gradient on a simulated device agrees with float64, and is the same in every run") {
  SimulatedAmd amd;
  for (const Params& mode : std::vector<Params>{{},
                                                {{"output", "f32"}, {"dtype", "fp16"}, {"dw_tensors", "separate"}},
                                                {{"output", "same"}},
                                                {{"output", "same"}, {"dtype", "fp16"}, {"tile", "64x64x64"}}}) {
    check_wgrad(amd, with(kWgradSizes, mode));
  }
}

TEST_CASE("modes of the grouped GEMM on a simulated device take the smallest sizes") {
  SimulatedAmd amd;
  check_gemm(amd, {{"n", "8"}, {"k", "8"}, {"groups", "4"}, {"b_layout", "kn"}});
  check_gemm(amd, {{"n", "16"}, {"k", "8"}, {"groups", "4"}, {"epilogue", "swiglu"}});
}

TEST_CASE("the weight gradient on a simulated device takes more groups than threads, and offsets that are no such") {
  SimulatedAmd amd;
  const Params sizes = {{"n", "8"}, {"k", "8"}, {"groups", "300"}};
  Offsets offsets(301);
  for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] = static_cast<std::int32_t>(i / 2);
  offsets[40] = 60;
  offsets[99] = -5;
  offsets[280] = 1 << 30;
  check_wgrad(amd, sizes, offsets);
  // The largest of all so far and a smaller one, 256 groups later, are one thread's.
  offsets[20] = 145;
  offsets[280] = 140;
  check_wgrad(amd, with(sizes, {{"output", "f32"}}), offsets);
}

// Not by default, since they compile some hundred kernels: test-simhip "[.every-tile]".
TEST_CASE("every tile of the modes that ask something of a tile agrees with float64", "[.every-tile]") {
  SimulatedAmd amd;
  const auto check = [&](const Params& params) { check_gemm(amd, params); };
  for_every_tile(amd, "grouped_gemm", with(kGemmSizes, {{"b_layout", "kn"}}), check);
  for_every_tile(amd, "grouped_gemm", with(kGemmSixteens, {{"epilogue", "swiglu"}}), check);
  for_every_tile(amd, "grouped_gemm", with(kGemmSixteens, {{"epilogue", "swiglu"}, {"quant", "fp8_token"}}), check);
}

TEST_CASE("every tile of the weight gradient agrees with float64", "[.every-tile]") {
  SimulatedAmd amd;
  for (const std::string_view output : {"add_f32", "same"}) {
    for_every_tile(amd, "grouped_wgrad", with(kWgradSizes, {{"output", std::string(output)}}),
                   [&](const Params& params) { check_wgrad(amd, params); });
  }
}

}  // namespace sinter
