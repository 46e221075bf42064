// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/grouped_gemm.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>
#include <sinter/sinter.h>

#include "codegen/families/bodies.h"
#include "codegen/families/tensors.h"

namespace sinter {

namespace {

using namespace grouped_gemm;
using Args = GroupedGemmArgs;

static_assert(sizeof(sinter_grouped_gemm_args) == sizeof(Args) &&
                  offsetof(sinter_grouped_gemm_args, row_offsets) == offsetof(Args, row_offsets) &&
                  offsetof(sinter_grouped_gemm_args, bias) == offsetof(Args, bias),
              "the C ABI's struct is the kernel's");

constexpr std::string_view kQuantWords[] = {"none", "fp8_block", "fp8_token"};
constexpr std::string_view kDtypeWords[] = {"bf16", "fp16"};
constexpr std::string_view kLayoutWords[] = {"nk", "kn"};
constexpr std::string_view kTensorsWords[] = {"stacked", "separate"};
constexpr std::string_view kEpilogueWords[] = {"none", "bias", "swiglu"};

constexpr ParamInfo kParams[] = {
    {.name = "quant", .prefix = "", .kind = ParamKind::kWord,
     .help = "none (a, b of type dtype), fp8_block (e4m3 with 1x128 and 128x128 scales), fp8_token (e4m3 with a scale for each row of a and of b)",
     .words = kQuantWords, .default_value = kQuantNone},
    {.name = "dtype", .prefix = "", .kind = ParamKind::kWord, .help = "type of d, and of a and b if they have no scales", .words = kDtypeWords,
     .default_value = kDtypeBf16},
    {.name = "n", .prefix = "n", .kind = ParamKind::kInteger, .help = "columns of d, rows of each b", .min = 8, .max = 1 << 20},
    {.name = "k", .prefix = "k", .kind = ParamKind::kInteger, .help = "columns of a and of b", .min = 8, .max = 1 << 20},
    {.name = "groups", .prefix = "g", .kind = ParamKind::kInteger, .help = "experts: matrices in b", .min = 1, .max = 4096},
    {.name = "tile", .prefix = "t", .kind = ParamKind::kTile, .help = "MxNxK computed by one block", .resolved = true},
    {.name = "vskip", .prefix = "vskip_", .kind = ParamKind::kWord, .help = "skip padded rows with s_setvskip (AMD gfx9)",
     .words = kVskipWords, .default_value = kVskipAuto},
    {.name = "b_layout", .prefix = "", .kind = ParamKind::kWord, .help = "nk (b is [groups, n, k]) or kn (b is [groups, k, n], as for the gradient of a)",
     .words = kLayoutWords, .default_value = kLayoutNk, .named_if_set = true},
    {.name = "b_tensors", .prefix = "", .kind = ParamKind::kWord,
     .help = "stacked (b is one tensor) or separate (b is an array of pointers on the device, one to the matrix of each group)", .words = kTensorsWords,
     .default_value = kTensorsStacked, .named_if_set = true},
    {.name = "epilogue", .prefix = "", .kind = ParamKind::kWord,
     .help = "none, bias (added to each row of its group), or swiglu (d = silu(first n / 2 columns) * the others)", .words = kEpilogueWords,
     .default_value = kEpilogueNone, .named_if_set = true},
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
    {"bias", ArgumentKind::kInput, offsetof(Args, bias), kPointer, 4},
};

std::int64_t blocks_of(std::int64_t size) { return (size + kScaleBlock - 1) / kScaleBlock; }

Result<void> check_multiple(std::string_view name, std::int64_t value, std::int64_t of, std::string_view why) {
  if (value % of != 0) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("grouped_gemm: {} is {}; it must be a multiple of {} ({})", name, value, of, why));
  }
  return {};
}

// Elements of D in float64: an independent computation, straight from the definition.
class Reference {
 public:
  Reference(const KernelSpec& spec, std::span<const TensorView> inputs)
      : spec_(spec), n_(spec[kN]), k_(spec[kK]), a_(*find_tensor(inputs, "a")), b_(*find_tensor(inputs, "b")),
        a_scale_(find_tensor(inputs, "a_scale")), b_scale_(find_tensor(inputs, "b_scale")), bias_(find_tensor(inputs, "bias")) {}

  double at(std::int64_t row, std::int64_t column, std::int64_t group) const {
    switch (spec_[kEpilogue]) {
      case kEpilogueBias: return product(row, column, group) + element(*bias_, group * n_ + column);
      case kEpilogueSwiglu: {
        const double gate = product(row, column, group);
        return gate / (1 + std::exp(-gate)) * product(row, n_ / 2 + column, group);
      }
      default: return product(row, column, group);
    }
  }

 private:
  double product(std::int64_t row, std::int64_t column, std::int64_t group) const {
    const bool is_kn = spec_[kLayout] == kLayoutKn;
    double sum = 0;
    for (std::int64_t block = 0; block * kScaleBlock < k_; ++block) {
      double part = 0;
      for (std::int64_t k = block * kScaleBlock; k < std::min(k_, (block + 1) * kScaleBlock); ++k) {
        part += element(a_, row * k_ + k) * element(b_, is_kn ? (group * k_ + k) * n_ + column : (group * n_ + column) * k_ + k);
      }
      sum += part * scale(row, column, group, block);
    }
    return sum;
  }

  double scale(std::int64_t row, std::int64_t column, std::int64_t group, std::int64_t block) const {
    if (spec_[kQuant] == kQuantFp8Token) {
      return element(*a_scale_, row) * element(*b_scale_, group * n_ + column);
    }
    if (spec_[kQuant] != kQuantFp8Block) {
      return 1;
    }
    const std::int64_t k_blocks = blocks_of(k_);
    return element(*a_scale_, row * k_blocks + block) *
           element(*b_scale_, (group * blocks_of(n_) + column / kScaleBlock) * k_blocks + block);
  }

  const KernelSpec& spec_;
  std::int64_t n_, k_;
  const TensorView &a_, &b_;
  const TensorView *a_scale_, *b_scale_, *bias_;
};

// What the parameters after the tile rule out on every device.
Result<void> check_modes(const KernelSpec& spec) {
  if (spec[kLayout] == kLayoutKn && is_fp8(spec)) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("grouped_gemm: b_layout is kn and quant {}; matrix units take e4m3 with neighbours along k only: transpose b to nk",
                                  kQuantWords[spec[kQuant]]));
  }
  if (spec[kEpilogue] == kEpilogueSwiglu) {
    if (spec[kQuant] == kQuantFp8Block || spec[kLayout] == kLayoutKn) {
      return make_error(ErrorCode::kInvalidRequest,
                        "grouped_gemm: epilogue swiglu goes with quant none or fp8_token and b_layout nk; ask for epilogue none");
    }
    return check_multiple("n", spec[kN], 16, "d has n / 2 columns, in pieces of 16 bytes");
  }
  return {};
}

class GroupedGemm final : public Family {
 public:
  std::string_view name() const override { return "grouped_gemm"; }
  std::string_view summary() const override { return "D[r, :] = A[r, :] * B[g(r)]^T for ragged groups of rows"; }
  std::span<const ParamInfo> params() const override { return kParams; }
  std::span<const ArgumentInfo> arguments() const override { return kArguments; }
  std::uint32_t args_version() const override { return 2; }
  std::uint32_t args_bytes() const override { return sizeof(Args); }

  TileProblem tile_problem(const KernelSpec& spec, std::int64_t rows) const override {
    return {.rows = rows, .groups = spec[kGroups], .columns = spec[kN]};
  }

  const Body* body(Vendor vendor) const override { return Bodies{host_body(), nvidia_body(), amd_body()}.of(vendor); }

  Result<void> resolve(KernelSpec& spec, const ResolveTarget&) const override {
    const std::int64_t multiple = is_fp8(spec) ? 16 : 8;
    const std::string_view why = is_fp8(spec) ? "16-byte loads of e4m3" : "16-byte loads of bf16 and fp16";
    SINTER_TRY_VOID(check_multiple("n", spec[kN], multiple, why));
    SINTER_TRY_VOID(check_multiple("k", spec[kK], multiple, why));
    SINTER_TRY_VOID(check_modes(spec));
    return resolve_tile(spec, kTile);
  }

  const char* bad_scalar(const KernelSpec&, const void* args) const override {
    return bad_rows(static_cast<const Args*>(args)->rows);
  }

  std::uint64_t footprint_bytes(const KernelSpec& spec, const void* args, int index) const override {
    const auto rows = static_cast<std::uint64_t>(static_cast<const Args*>(args)->rows);
    const auto n = static_cast<std::uint64_t>(spec[kN]), k = static_cast<std::uint64_t>(spec[kK]);
    const auto groups = static_cast<std::uint64_t>(spec[kGroups]);
    const auto size = static_cast<std::uint64_t>(element_bytes(spec));
    const auto k_blocks = static_cast<std::uint64_t>(blocks_of(spec[kK]));
    const auto n_blocks = static_cast<std::uint64_t>(blocks_of(spec[kN]));
    const std::uint64_t b = spec[kTensors] == kTensorsSeparate ? groups * kPointer : groups * n * k * size;
    const std::uint64_t d = rows * static_cast<std::uint64_t>(columns_of_d(spec)) * 2;
    std::uint64_t scales_a = 0, scales_b = 0;
    if (spec[kQuant] == kQuantFp8Block) {
      scales_a = rows * k_blocks * 4;
      scales_b = groups * n_blocks * k_blocks * 4;
    } else if (spec[kQuant] == kQuantFp8Token) {
      scales_a = rows * 4;
      scales_b = groups * n * 4;
    }
    const std::uint64_t bias = spec[kEpilogue] == kEpilogueBias ? groups * n * 2 : 0;
    const std::uint64_t bytes[] = {rows * k * size, b, d, scales_a, scales_b, (groups + 1) * 4, 0, bias};
    return bytes[index];
  }

  Result<void> request_from_tensors(KernelRequest& request, std::span<const TensorInfo> tensors) const override {
    const auto asked = [&](Param param) { return request.values[param] == kUnset ? kParams[param].default_value : request.values[param]; };
    if (asked(kTensors) == kTensorsSeparate) {
      return make_error(ErrorCode::kInvalidRequest,
                        "b_tensors is separate: then b holds device pointers, which no file can have; ask for stacked");
    }
    SINTER_TRY(const TensorInfo* a, expect_tensor(tensors, "a", 2, {"BF16", "F16", "F8_E4M3"}));
    const bool fp8 = a->dtype == "F8_E4M3";
    SINTER_TRY(const TensorInfo* b, expect_tensor(tensors, "b", 3, {a->dtype}));
    SINTER_TRY(const TensorInfo* offsets, expect_tensor(tensors, "row_offsets", 1, {"I32"}));
    const bool is_kn = asked(kLayout) == kLayoutKn;
    const std::int64_t rows = a->shape[0], k = a->shape[1], groups = b->shape[0], n = b->shape[is_kn ? 2 : 1];
    SINTER_TRY_VOID(expect_shape(*b, is_kn ? std::initializer_list<std::int64_t>{groups, k, n} : std::initializer_list<std::int64_t>{groups, n, k}));
    SINTER_TRY_VOID(expect_shape(*offsets, {groups + 1}));
    std::int64_t quant = kQuantNone;
    if (fp8) {
      SINTER_TRY(quant, scales_of_tensors(tensors, {rows, n, k, groups}));
    } else {
      const std::int64_t dtype = a->dtype == "F16" ? kDtypeFp16 : kDtypeBf16;
      SINTER_TRY_VOID(agree(request, kDtype, dtype, *a));
      request.values[kDtype] = dtype;
    }
    if (asked(kEpilogue) == kEpilogueBias) {
      SINTER_TRY(const TensorInfo* bias, expect_tensor(tensors, "bias", 2, {asked(kDtype) == kDtypeFp16 ? "F16" : "BF16"}));
      SINTER_TRY_VOID(expect_shape(*bias, {groups, n}));
    }
    SINTER_TRY_VOID(agree(request, kQuant, quant, *a));
    request.values[kQuant] = quant;
    request.values[kN] = n;
    request.values[kK] = k;
    request.values[kGroups] = groups;
    return {};
  }

  std::vector<TensorInfo> inputs(const KernelSpec& spec, std::int64_t rows) const override {
    const std::int64_t n = spec[kN], k = spec[kK], groups = spec[kGroups];
    const std::string wide = spec[kDtype] == kDtypeFp16 ? "F16" : "BF16", dtype = is_fp8(spec) ? "F8_E4M3" : wide;
    const std::vector<std::int64_t> matrices = spec[kLayout] == kLayoutKn ? std::vector{groups, k, n} : std::vector{groups, n, k};
    std::vector<TensorInfo> tensors = {{"a", dtype, {rows, k}}, {"b", dtype, matrices}, {"row_offsets", "I32", {groups + 1}}};
    if (spec[kQuant] == kQuantFp8Block) {
      tensors.push_back({"a_scale", "F32", {rows, blocks_of(k)}});
      tensors.push_back({"b_scale", "F32", {groups, blocks_of(n), blocks_of(k)}});
    } else if (spec[kQuant] == kQuantFp8Token) {
      tensors.push_back({"a_scale", "F32", {rows}});
      tensors.push_back({"b_scale", "F32", {groups, n}});
    }
    if (spec[kEpilogue] == kEpilogueBias) {
      tensors.push_back({"bias", wide, {groups, n}});
    }
    return tensors;
  }

  std::vector<TensorInfo> outputs(const KernelSpec& spec, std::span<const TensorInfo> inputs) const override {
    return {{"d", spec[kDtype] == kDtypeFp16 ? "F16" : "BF16", {find_tensor(inputs, "a")->shape[0], columns_of_d(spec)}}};
  }

  bool is_pointer_array(const KernelSpec& spec, std::string_view argument) const override {
    return argument == "b" && spec[kTensors] == kTensorsSeparate;
  }

  void set_scalars(const KernelSpec&, std::span<const TensorInfo> inputs, void* args) const override {
    static_cast<Args*>(args)->rows = find_tensor(inputs, "a")->shape[0];
  }

  double flops(const KernelSpec& spec, std::span<const TensorView> inputs) const override {
    const std::int64_t rows = find_tensor(inputs, "a")->info.shape[0];
    const auto starts = clamped_offsets(*find_tensor(inputs, "row_offsets"), rows);
    return 2.0 * static_cast<double>(starts.back() - starts.front()) * static_cast<double>(spec[kN]) * static_cast<double>(spec[kK]);
  }

  ReferenceReport check_reference(const KernelSpec& spec, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                                  ReferenceEffort effort, std::uint64_t seed) const override {
    const TensorView& d = *find_tensor(outputs, "d");
    const auto starts = clamped_offsets(*find_tensor(inputs, "row_offsets"), d.info.shape[0]);
    const Reference reference(spec, inputs);
    std::mt19937_64 random(seed);
    const std::int64_t n = columns_of_d(spec), products = spec[kK] * (spec[kEpilogue] == kEpilogueSwiglu ? 2 : 1);
    std::int64_t groups_with_rows = 0;
    for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
      groups_with_rows += starts[g + 1] > starts[g] ? 1 : 0;
    }
    const std::int64_t most = most_cells(effort, groups_with_rows, products);
    // Rounding the output to bf16 is off by 2^-8 at most and about 1.7e-3 in this norm (to fp16 an eighth of it); the
    // order of fp32 sums adds less.
    constexpr double kAllowed = 4e-3;
    ReferenceReport report = ErrorMeter(kAllowed).report();
    for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
      std::vector<Expected> expected;  // of each group by itself: a small one cannot hide behind a large one
      for (const Cell& cell : cells_to_compare(starts[g + 1] - starts[g], n, most, random)) {
        const std::int64_t row = starts[g] + cell.row;
        expected.push_back({row * n + cell.column, reference.at(row, cell.column, static_cast<std::int64_t>(g))});
      }
      report = ErrorMeter::worst(report, judge_elements(d, expected, kAllowed));
    }
    check_untouched(d, 0, starts.front(), report);
    check_untouched(d, starts.back(), d.info.shape[0], report);
    return report;
  }

 private:
  /// Rows of no group keep what was there before.
  static void check_untouched(const TensorView& d, std::int64_t first, std::int64_t end, ReferenceReport& report) {
    const auto row_bytes = static_cast<std::int64_t>(d.bytes) / std::max<std::int64_t>(1, d.info.shape[0]);
    const std::byte* const from = d.data + first * row_bytes;
    const std::byte* const to = d.data + end * row_bytes;
    if (const std::byte* const touched = std::find_if(from, to, [](std::byte byte) { return byte != kPoison; }); touched != to) {
      report.ok = false;
      if (report.first_wrong.empty()) {
        report.first_wrong = fmt::format("{} was written, and its row is of no group", element_name(d.info, (touched - d.data) / 2));
      }
    }
  }

  struct Sizes {
    std::int64_t rows, n, k, groups;
  };

  /// Which mode the scales of e4m3 operands are of.
  static Result<std::int64_t> scales_of_tensors(std::span<const TensorInfo> tensors, Sizes of) {
    const TensorInfo* given = find_tensor(tensors, "a_scale");
    if (given != nullptr && given->shape.size() == 1) {
      SINTER_TRY(const TensorInfo* a_scale, expect_tensor(tensors, "a_scale", 1, {"F32"}));
      SINTER_TRY_VOID(expect_shape(*a_scale, {of.rows}));
      SINTER_TRY(const TensorInfo* b_scale, expect_tensor(tensors, "b_scale", 2, {"F32"}));
      SINTER_TRY_VOID(expect_shape(*b_scale, {of.groups, of.n}));
      return kQuantFp8Token;
    }
    SINTER_TRY(const TensorInfo* a_scale, expect_tensor(tensors, "a_scale", 2, {"F32"}));
    SINTER_TRY_VOID(expect_shape(*a_scale, {of.rows, blocks_of(of.k)}));
    SINTER_TRY(const TensorInfo* b_scale, expect_tensor(tensors, "b_scale", 3, {"F32"}));
    SINTER_TRY_VOID(expect_shape(*b_scale, {of.groups, blocks_of(of.n), blocks_of(of.k)}));
    return kQuantFp8Block;
  }

  /// An error if the request names another value than the tensors imply.
  static Result<void> agree(const KernelRequest& request, Param param, std::int64_t implied, const TensorInfo& a) {
    const std::int64_t named = request.values[param];
    if (named == kUnset || named == implied) {
      return {};
    }
    return make_error(ErrorCode::kInvalidRequest, fmt::format("{} is '{}', but tensor 'a' is {}: that is {}", kParams[param].name,
                                                              kParams[param].words[static_cast<std::size_t>(named)], a.dtype,
                                                              kParams[param].words[static_cast<std::size_t>(implied)]));
  }
};

}  // namespace

namespace grouped_gemm {

std::string common_params(const KernelSpec& spec) {
  std::string text = fmt::format(
      "  static constexpr int kN = {};\n"
      "  static constexpr int kK = {};\n"
      "  static constexpr int kGroups = {};\n",
      spec[kN], spec[kK], spec[kGroups]);
  const std::pair<std::string_view, bool> flags[] = {
      {"kFp8", is_fp8(spec)},
      {"kBlockScales", spec[kQuant] == kQuantFp8Block},
      {"kTokenScales", spec[kQuant] == kQuantFp8Token},
      {"kHalf", spec[kDtype] == kDtypeFp16},
      {"kTransposedB", spec[kLayout] == kLayoutKn},
      {"kSeparateB", spec[kTensors] == kTensorsSeparate},
      {"kBias", spec[kEpilogue] == kEpilogueBias},
      {"kSwiglu", spec[kEpilogue] == kEpilogueSwiglu},
  };
  for (const auto& [name, value] : flags) {
    text += fmt::format("  static constexpr bool {} = {};\n", name, value);
  }
  return text;
}

std::string beyond_plain_body(const KernelSpec& spec) {
  if (spec[kLayout] == kLayoutKn) {
    return "this body reads b as [n, k]; b_layout kn has bodies for sm_90a, gfx90a, gfx942, gfx950 and the host";
  }
  if (spec[kEpilogue] == kEpilogueSwiglu) {
    return "this body has no swiglu; epilogue swiglu has bodies for sm_90a, gfx90a, gfx942, gfx950 and the host";
  }
  return {};
}

}  // namespace grouped_gemm

const Family* grouped_gemm_family() {
  static const GroupedGemm family;
  return &family;
}

}  // namespace sinter
