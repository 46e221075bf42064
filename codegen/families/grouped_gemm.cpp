// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/grouped_gemm.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>
#include <sinter/sinter.h>

#include "codegen/families/tensors.h"

namespace sinter {

namespace {

using namespace grouped_gemm;
using Args = GroupedGemmArgs;

static_assert(sizeof(sinter_grouped_gemm_args) == sizeof(Args) &&
                  offsetof(sinter_grouped_gemm_args, row_offsets) == offsetof(Args, row_offsets),
              "the C ABI's struct is the kernel's");

constexpr std::string_view kQuantWords[] = {"none", "fp8_block"};
constexpr std::string_view kDtypeWords[] = {"bf16"};

constexpr ParamInfo kParams[] = {
    {.name = "quant", .prefix = "", .kind = ParamKind::kWord,
     .help = "none (a, b bf16) or fp8_block (a, b e4m3 with 1x128 and 128x128 scales)", .words = kQuantWords, .default_value = kQuantNone},
    {.name = "dtype", .prefix = "", .kind = ParamKind::kWord, .help = "type of d", .words = kDtypeWords, .default_value = 0},
    {.name = "n", .prefix = "n", .kind = ParamKind::kInteger, .help = "columns of d, rows of each b", .min = 8, .max = 1 << 20},
    {.name = "k", .prefix = "k", .kind = ParamKind::kInteger, .help = "columns of a and of b", .min = 8, .max = 1 << 20},
    {.name = "groups", .prefix = "g", .kind = ParamKind::kInteger, .help = "experts: matrices in b", .min = 1, .max = 4096},
    {.name = "tile", .prefix = "t", .kind = ParamKind::kTile, .help = "MxNxK computed by one block", .resolved = true},
    {.name = "vskip", .prefix = "vskip_", .kind = ParamKind::kWord, .help = "skip padded rows with s_setvskip (AMD gfx9)",
     .words = kVskipWords, .default_value = kVskipAuto},
};

constexpr int kPointer = sizeof(void*);
constexpr ArgumentInfo kArguments[] = {
    {"a", ArgumentKind::kInput, offsetof(Args, a), kPointer, 16},
    {"b", ArgumentKind::kInput, offsetof(Args, b), kPointer, 16},
    {"d", ArgumentKind::kOutput, offsetof(Args, d), kPointer, 16},
    {"a_scale", ArgumentKind::kInput, offsetof(Args, a_scale), kPointer, 4},
    {"b_scale", ArgumentKind::kInput, offsetof(Args, b_scale), kPointer, 4},
    {"row_offsets", ArgumentKind::kInput, offsetof(Args, row_offsets), kPointer, 4},
    {"rows", ArgumentKind::kScalar, offsetof(Args, rows), sizeof(long long)},
};

std::int64_t blocks_of(std::int64_t size) { return (size + kScaleBlock - 1) / kScaleBlock; }

Result<void> check_multiple(std::string_view name, std::int64_t value, std::int64_t of, std::string_view why) {
  if (value % of != 0) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("grouped_gemm: {} is {}; it must be a multiple of {} ({})", name, value, of, why));
  }
  return {};
}

// The rows of each group as the kernels see them: clamped to [0, rows], never decreasing.
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

// One element of D in float64: an independent computation, straight from the definition.
class Reference {
 public:
  Reference(const KernelSpec& spec, std::span<const TensorView> inputs)
      : n_(spec[kN]), k_(spec[kK]), scaled_(spec[kQuant] == kQuantFp8Block), a_(*find_tensor(inputs, "a")),
        b_(*find_tensor(inputs, "b")), a_scale_(find_tensor(inputs, "a_scale")), b_scale_(find_tensor(inputs, "b_scale")) {}

  double at(std::int64_t row, std::int64_t column, std::int64_t group) const {
    double sum = 0;
    for (std::int64_t block = 0; block * kScaleBlock < k_; ++block) {
      double part = 0;
      for (std::int64_t k = block * kScaleBlock; k < std::min(k_, (block + 1) * kScaleBlock); ++k) {
        part += element(a_, row * k_ + k) * element(b_, (group * n_ + column) * k_ + k);
      }
      sum += part * scale(row, column, group, block);
    }
    return sum;
  }

 private:
  double scale(std::int64_t row, std::int64_t column, std::int64_t group, std::int64_t block) const {
    if (!scaled_) {
      return 1;
    }
    const std::int64_t k_blocks = blocks_of(k_);
    return element(*a_scale_, row * k_blocks + block) *
           element(*b_scale_, (group * blocks_of(n_) + column / kScaleBlock) * k_blocks + block);
  }

  std::int64_t n_, k_;
  bool scaled_;
  const TensorView &a_, &b_;
  const TensorView *a_scale_, *b_scale_;
};

class GroupedGemm final : public Family {
 public:
  std::string_view name() const override { return "grouped_gemm"; }
  std::string_view summary() const override { return "D[r, :] = A[r, :] * B[g(r)]^T for ragged groups of rows"; }
  std::span<const ParamInfo> params() const override { return kParams; }
  std::span<const ArgumentInfo> arguments() const override { return kArguments; }
  std::uint32_t args_version() const override { return 1; }
  std::uint32_t args_bytes() const override { return sizeof(Args); }

  TileProblem tile_problem(const KernelSpec& spec, std::int64_t rows) const override {
    return {.rows = rows, .groups = spec[kGroups], .columns = spec[kN]};
  }

  const Body* body(Vendor vendor) const override {
    switch (vendor) {
      case Vendor::kHost: return host_body();
      case Vendor::kNvidia: return nvidia_body();
      case Vendor::kAmd: return amd_body();
    }
    return nullptr;
  }

  Result<void> resolve(KernelSpec& spec, const ResolveTarget& target) const override {
    const bool fp8 = spec[kQuant] == kQuantFp8Block;
    const std::int64_t multiple = fp8 ? 16 : 8;
    const std::string_view why = fp8 ? "16-byte loads of e4m3" : "16-byte loads of bf16";
    SINTER_TRY_VOID(check_multiple("n", spec[kN], multiple, why));
    SINTER_TRY_VOID(check_multiple("k", spec[kK], multiple, why));
    if (spec[kTile] == kUnset) {
      const auto tiles = body(target.arch->vendor)->tiles(spec);
      if (tiles.empty()) {
        return make_error(ErrorCode::kUnsupported, fmt::format("grouped_gemm has no body for {}", target.arch->name));
      }
      spec.values[kTile] = pack_tile(tiles.front());
    }
    return {};
  }

  const char* bad_scalar(const KernelSpec&, const void* args) const override {
    const long long rows = static_cast<const Args*>(args)->rows;
    return rows < 0 || rows > kMaxRows ? "rows must be from 0 to 2147418112 (2^31 - 2^16)" : nullptr;
  }

  std::uint64_t footprint_bytes(const KernelSpec& spec, const void* args, int index) const override {
    const auto rows = static_cast<std::uint64_t>(static_cast<const Args*>(args)->rows);
    const auto n = static_cast<std::uint64_t>(spec[kN]), k = static_cast<std::uint64_t>(spec[kK]);
    const auto groups = static_cast<std::uint64_t>(spec[kGroups]);
    const bool fp8 = spec[kQuant] == kQuantFp8Block;
    const std::uint64_t size = fp8 ? 1 : 2;
    const auto k_blocks = static_cast<std::uint64_t>(blocks_of(spec[kK]));
    const auto n_blocks = static_cast<std::uint64_t>(blocks_of(spec[kN]));
    const std::uint64_t bytes[] = {rows * k * size, groups * n * k * size, rows * n * 2, fp8 ? rows * k_blocks * 4 : 0,
                                   fp8 ? groups * n_blocks * k_blocks * 4 : 0, (groups + 1) * 4, 0};
    return bytes[index];
  }

  Result<void> request_from_tensors(KernelRequest& request, std::span<const TensorInfo> tensors) const override {
    SINTER_TRY(const TensorInfo* a, expect_tensor(tensors, "a", 2, {"BF16", "F8_E4M3"}));
    const bool fp8 = a->dtype == "F8_E4M3";
    SINTER_TRY(const TensorInfo* b, expect_tensor(tensors, "b", 3, {a->dtype}));
    SINTER_TRY(const TensorInfo* offsets, expect_tensor(tensors, "row_offsets", 1, {"I32"}));
    const std::int64_t rows = a->shape[0], k = a->shape[1], groups = b->shape[0], n = b->shape[1];
    SINTER_TRY_VOID(expect_shape(*b, {groups, n, k}));
    SINTER_TRY_VOID(expect_shape(*offsets, {groups + 1}));
    if (fp8) {
      SINTER_TRY(const TensorInfo* a_scale, expect_tensor(tensors, "a_scale", 2, {"F32"}));
      SINTER_TRY_VOID(expect_shape(*a_scale, {rows, blocks_of(k)}));
      SINTER_TRY(const TensorInfo* b_scale, expect_tensor(tensors, "b_scale", 3, {"F32"}));
      SINTER_TRY_VOID(expect_shape(*b_scale, {groups, blocks_of(n), blocks_of(k)}));
    }
    const std::int64_t quant = fp8 ? kQuantFp8Block : kQuantNone;
    if (request.values[kQuant] != kUnset && request.values[kQuant] != quant) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("quant is '{}', but tensor 'a' is {}; {} needs {}", kQuantWords[request.values[kQuant]], a->dtype,
                                    kQuantWords[request.values[kQuant]], fp8 ? "BF16" : "F8_E4M3"));
    }
    request.values[kQuant] = quant;
    request.values[kN] = n;
    request.values[kK] = k;
    request.values[kGroups] = groups;
    return {};
  }

  std::vector<TensorInfo> inputs(const KernelSpec& spec, std::int64_t rows) const override {
    const bool fp8 = spec[kQuant] == kQuantFp8Block;
    const std::string dtype = fp8 ? "F8_E4M3" : "BF16";
    std::vector<TensorInfo> tensors = {{"a", dtype, {rows, spec[kK]}},
                                       {"b", dtype, {spec[kGroups], spec[kN], spec[kK]}},
                                       {"row_offsets", "I32", {spec[kGroups] + 1}}};
    if (fp8) {
      tensors.push_back({"a_scale", "F32", {rows, blocks_of(spec[kK])}});
      tensors.push_back({"b_scale", "F32", {spec[kGroups], blocks_of(spec[kN]), blocks_of(spec[kK])}});
    }
    return tensors;
  }

  std::vector<TensorInfo> outputs(const KernelSpec& spec, std::span<const TensorInfo> inputs) const override {
    return {{"d", "BF16", {find_tensor(inputs, "a")->shape[0], spec[kN]}}};
  }

  void set_scalars(const KernelSpec&, std::span<const TensorInfo> inputs, void* args) const override {
    static_cast<Args*>(args)->rows = find_tensor(inputs, "a")->shape[0];
  }

  double flops(const KernelSpec& spec, std::span<const TensorView> inputs) const override {
    const std::int64_t rows = find_tensor(inputs, "a")->info.shape[0];
    const auto starts = clamped_offsets(*find_tensor(inputs, "row_offsets"), rows);
    return 2.0 * static_cast<double>(starts.back() - starts.front()) * static_cast<double>(spec[kN]) * static_cast<double>(spec[kK]);
  }

  ReferenceReport check_reference(const KernelSpec& spec, std::span<const TensorView> inputs,
                                  std::span<const TensorView> outputs, std::uint64_t seed) const override {
    const TensorView& d = *find_tensor(outputs, "d");
    const auto starts = clamped_offsets(*find_tensor(inputs, "row_offsets"), d.info.shape[0]);
    const Reference reference(spec, inputs);
    std::mt19937_64 random(seed);
    const std::int64_t n = spec[kN];
    // Rounding the output to bf16 is off by 2^-8 at most and about 1.7e-3 in this norm; the order of fp32 sums adds less.
    constexpr double kAllowed = 4e-3;
    ReferenceReport report = ErrorMeter(kAllowed).report();
    for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
      const std::int64_t first = starts[g], count = starts[g + 1] - first;
      ErrorMeter meter(kAllowed);  // each group by itself: a small one cannot hide behind a large one
      for (std::int64_t i = 0; i < std::min<std::int64_t>(count * n, kSamplesPerGroup); ++i) {
        // The first samples are the corners, where tails and neighbours go wrong.
        const std::int64_t row = i < 4 ? first + (i & 1) * (count - 1) : first + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(count));
        const std::int64_t column = i < 4 ? (i >> 1) * (n - 1) : static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
        meter.add(element(d, row * n + column), reference.at(row, column, static_cast<std::int64_t>(g)));
      }
      report = ErrorMeter::worst(report, meter.report());
    }
    return report;
  }

 private:
  static constexpr std::int64_t kSamplesPerGroup = 64;
};

}  // namespace

const Family* grouped_gemm_family() {
  static const GroupedGemm family;
  return &family;
}

}  // namespace sinter
