// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/grouped_wgrad.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>
#include <sinter/sinter.h>

#include "codegen/families/bodies.h"
#include "codegen/families/tensors.h"

namespace sinter {

namespace {

using namespace grouped_wgrad;
using Args = GroupedWgradArgs;

static_assert(sizeof(sinter_grouped_wgrad_args) == sizeof(Args) && offsetof(sinter_grouped_wgrad_args, row_offsets) == offsetof(Args, row_offsets),
              "the C ABI's struct is the kernel's");

constexpr std::string_view kDtypeWords[] = {"bf16", "fp16"};
constexpr std::string_view kOutputWords[] = {"add_f32", "f32", "same"};
constexpr std::string_view kTensorsWords[] = {"stacked", "separate"};

constexpr ParamInfo kParams[] = {
    {.name = "dtype", .prefix = "", .kind = ParamKind::kWord, .help = "type of dy and x", .words = kDtypeWords, .default_value = kDtypeBf16},
    {.name = "output", .prefix = "", .kind = ParamKind::kWord,
     .help = "add_f32 (added to dw, which is fp32), f32 (dw is overwritten) or same (overwritten, of the type of dy and x)", .words = kOutputWords,
     .default_value = kOutputAddF32},
    {.name = "n", .prefix = "n", .kind = ParamKind::kInteger, .help = "columns of dy, rows of each dw", .min = 8, .max = 1 << 20},
    {.name = "k", .prefix = "k", .kind = ParamKind::kInteger, .help = "columns of x and of dw", .min = 8, .max = 1 << 20},
    {.name = "groups", .prefix = "g", .kind = ParamKind::kInteger, .help = "experts: matrices in dw", .min = 1, .max = 4096},
    {.name = "tile", .prefix = "t", .kind = ParamKind::kTile, .help = "MxN of dw computed by one block, and rows of a step", .resolved = true},
    {.name = "dw_tensors", .prefix = "", .kind = ParamKind::kWord,
     .help = "stacked (dw is one tensor) or separate (dw is an array of pointers on the device, one to the matrix of each group)", .words = kTensorsWords,
     .default_value = kTensorsStacked, .named_if_set = true},
};

constexpr int kPointer = sizeof(void*);
constexpr ArgumentInfo kArguments[] = {
    {"dy", ArgumentKind::kInput, offsetof(Args, dy), kPointer, 16},
    {"x", ArgumentKind::kInput, offsetof(Args, x), kPointer, 16},
    {"dw", ArgumentKind::kOutput, offsetof(Args, dw), kPointer, 16},
    {"row_offsets", ArgumentKind::kInput, offsetof(Args, row_offsets), kPointer, 4},
    {"rows", ArgumentKind::kScalar, offsetof(Args, rows), sizeof(long long)},
};

Result<void> check_eights(std::string_view name, std::int64_t value) {
  if (value % 8 != 0) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("grouped_wgrad: {} is {}; it must be a multiple of 8 (16-byte loads of bf16 and fp16)", name, value));
  }
  return {};
}

class GroupedWgrad final : public Family {
 public:
  std::string_view name() const override { return "grouped_wgrad"; }
  std::string_view summary() const override { return "dW[g] (+)= dY_g^T * X_g for ragged groups of rows"; }
  std::span<const ParamInfo> params() const override { return kParams; }
  std::span<const ArgumentInfo> arguments() const override { return kArguments; }
  std::uint32_t args_version() const override { return 1; }
  std::uint32_t args_bytes() const override { return sizeof(Args); }

  // Rows are what is summed over: how many a launch has does not change its tiles.
  TileProblem tile_problem(const KernelSpec& spec, std::int64_t) const override {
    return {.groups = spec[kGroups], .columns = spec[kK]};
  }

  const Body* body(Vendor vendor) const override { return Bodies{host_body(), nvidia_body(), amd_body()}.of(vendor); }

  Result<void> resolve(KernelSpec& spec, const ResolveTarget&) const override {
    SINTER_TRY_VOID(check_eights("n", spec[kN]));
    SINTER_TRY_VOID(check_eights("k", spec[kK]));
    return resolve_tile(spec, kTile);
  }

  const char* bad_scalar(const KernelSpec&, const void* args) const override {
    return bad_rows(static_cast<const Args*>(args)->rows);
  }

  std::uint64_t footprint_bytes(const KernelSpec& spec, const void* args, int index) const override {
    const auto rows = static_cast<std::uint64_t>(static_cast<const Args*>(args)->rows);
    const auto n = static_cast<std::uint64_t>(spec[kN]), k = static_cast<std::uint64_t>(spec[kK]);
    const auto groups = static_cast<std::uint64_t>(spec[kGroups]);
    const std::uint64_t dw = spec[kTensors] == kTensorsSeparate ? groups * kPointer : groups * n * k * output_bytes(spec);
    const std::uint64_t bytes[] = {rows * n * 2, rows * k * 2, dw, (groups + 1) * 4, 0};
    return bytes[index];
  }

  Result<void> request_from_tensors(KernelRequest& request, std::span<const TensorInfo> tensors) const override {
    if (request.values[kTensors] == kTensorsSeparate) {
      return make_error(ErrorCode::kInvalidRequest,
                        "dw_tensors is separate: then dw holds device pointers, which no file can have; ask for stacked");
    }
    const std::int64_t output = request.values[kOutput] == kUnset ? kOutputF32 : request.values[kOutput];
    if (output == kOutputAddF32) {
      return make_error(ErrorCode::kInvalidRequest,
                        "output is add_f32: what dw holds before is no tensor of the input; ask for output f32");
    }
    SINTER_TRY(const TensorInfo* dy, expect_tensor(tensors, "dy", 2, {"BF16", "F16"}));
    SINTER_TRY(const TensorInfo* x, expect_tensor(tensors, "x", 2, {dy->dtype}));
    SINTER_TRY(const TensorInfo* offsets, expect_tensor(tensors, "row_offsets", 1, {"I32"}));
    SINTER_TRY_VOID(expect_shape(*x, {dy->shape[0], x->shape[1]}));
    const std::int64_t dtype = dy->dtype == "F16" ? kDtypeFp16 : kDtypeBf16;
    if (request.values[kDtype] != kUnset && request.values[kDtype] != dtype) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("dtype is '{}', but tensor 'dy' is {}",
                                                                kDtypeWords[static_cast<std::size_t>(request.values[kDtype])], dy->dtype));
    }
    if (offsets->shape[0] < 1) {
      return make_error(ErrorCode::kInvalidRequest, "tensor 'row_offsets' is empty; it has an element more than there are groups");
    }
    request.values[kDtype] = dtype;
    request.values[kOutput] = output;
    request.values[kN] = dy->shape[1];
    request.values[kK] = x->shape[1];
    request.values[kGroups] = offsets->shape[0] - 1;
    return {};
  }

  std::vector<TensorInfo> inputs(const KernelSpec& spec, std::int64_t rows) const override {
    const std::string dtype = spec[kDtype] == kDtypeFp16 ? "F16" : "BF16";
    std::vector<TensorInfo> tensors = {{"dy", dtype, {rows, spec[kN]}}, {"x", dtype, {rows, spec[kK]}}, {"row_offsets", "I32", {spec[kGroups] + 1}}};
    if (spec[kOutput] == kOutputAddF32) {
      tensors.push_back({"dw", "F32", {spec[kGroups], spec[kN], spec[kK]}});
    }
    return tensors;
  }

  std::vector<TensorInfo> outputs(const KernelSpec& spec, std::span<const TensorInfo>) const override {
    const std::string_view same = spec[kDtype] == kDtypeFp16 ? "F16" : "BF16";
    return {{"dw", std::string(spec[kOutput] == kOutputSame ? same : "F32"), {spec[kGroups], spec[kN], spec[kK]}}};
  }

  bool is_pointer_array(const KernelSpec& spec, std::string_view argument) const override {
    return argument == "dw" && spec[kTensors] == kTensorsSeparate;
  }

  void set_scalars(const KernelSpec&, std::span<const TensorInfo> inputs, void* args) const override {
    static_cast<Args*>(args)->rows = find_tensor(inputs, "dy")->shape[0];
  }

  double flops(const KernelSpec& spec, std::span<const TensorView> inputs) const override {
    const auto starts = clamped_offsets(*find_tensor(inputs, "row_offsets"), find_tensor(inputs, "dy")->info.shape[0]);
    return 2.0 * static_cast<double>(starts.back() - starts.front()) * static_cast<double>(spec[kN]) * static_cast<double>(spec[kK]);
  }

  ReferenceReport check_reference(const KernelSpec& spec, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                                  ReferenceEffort effort, std::uint64_t seed) const override {
    const TensorView &dy = *find_tensor(inputs, "dy"), &x = *find_tensor(inputs, "x"), &dw = *find_tensor(outputs, "dw");
    const TensorView* const before = spec[kOutput] == kOutputAddF32 ? find_tensor(inputs, "dw") : nullptr;
    const auto starts = clamped_offsets(*find_tensor(inputs, "row_offsets"), dy.info.shape[0]);
    std::mt19937_64 random(seed);
    const std::int64_t n = spec[kN], k = spec[kK], groups = spec[kGroups];
    const std::int64_t most = most_cells(effort, groups, 1 + (starts.back() - starts.front()) / groups);
    // Rounding the output to bf16 is off by about 1.7e-3 in this norm; the order of fp32 sums adds less.
    constexpr double kAllowed = 4e-3;
    ReferenceReport report = ErrorMeter(kAllowed).report();
    for (std::int64_t g = 0; g < groups; ++g) {
      std::vector<Expected> expected;
      for (const Cell& cell : cells_to_compare(n, k, most, random)) {
        const std::int64_t index = (g * n + cell.row) * k + cell.column;
        double sum = before != nullptr ? element(*before, index) : 0;
        for (std::int64_t r = starts[static_cast<std::size_t>(g)]; r < starts[static_cast<std::size_t>(g) + 1]; ++r) {
          sum += element(dy, r * n + cell.row) * element(x, r * k + cell.column);
        }
        expected.push_back({index, sum});
      }
      report = ErrorMeter::worst(report, judge_elements(dw, expected, kAllowed));
    }
    return report;
  }
};

}  // namespace

namespace grouped_wgrad {

std::string common_params(const KernelSpec& spec) {
  return fmt::format(
      "  static constexpr int kN = {};\n"
      "  static constexpr int kK = {};\n"
      "  static constexpr int kGroups = {};\n"
      "  static constexpr bool kHalf = {};\n"
      "  static constexpr bool kFloat = {};\n"
      "  static constexpr bool kAdd = {};\n"
      "  static constexpr bool kSeparate = {};\n",
      spec[kN], spec[kK], spec[kGroups], spec[kDtype] == kDtypeFp16, spec[kOutput] != kOutputSame, spec[kOutput] == kOutputAddF32,
      spec[kTensors] == kTensorsSeparate);
}

}  // namespace grouped_wgrad

const Family* grouped_wgrad_family() {
  static const GroupedWgrad family;
  return &family;
}

}  // namespace sinter
