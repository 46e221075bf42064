// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/quantize.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>
#include <sinter/sinter.h>

#include "codegen/families/bodies.h"
#include "codegen/families/tensors.h"

namespace sinter {

namespace {

using namespace quantize;
using Args = QuantizeArgs;

static_assert(sizeof(sinter_quantize_args) == sizeof(Args) && offsetof(sinter_quantize_args, scale) == offsetof(Args, scale),
              "the C ABI's struct is the kernel's");

constexpr std::string_view kQuantWords[] = {"fp8_block"};
constexpr std::string_view kScaleWords[] = {"exact", "pow2"};
constexpr std::string_view kFloorWords[] = {"1em10", "1em4", "0"};
constexpr double kFloors[] = {1e-10f, 1e-4f, 0};
constexpr double kMaxE4m3 = 448;

constexpr ParamInfo kParams[] = {
    {.name = "quant", .prefix = "", .kind = ParamKind::kWord, .help = "fp8_block: e4m3 with one scale per 1x128", .words = kQuantWords,
     .default_value = kQuantFp8Block},
    {.name = "k", .prefix = "k", .kind = ParamKind::kInteger, .help = "columns of x", .min = 16, .max = 1 << 20},
    {.name = "scale", .prefix = "scale_", .kind = ParamKind::kWord, .help = "exact (amax / 448) or pow2 (rounded up to a power of two)",
     .words = kScaleWords, .default_value = kScaleExact},
    {.name = "floor", .prefix = "floor_", .kind = ParamKind::kWord,
     .help = "smallest amax: 1em10 (vLLM, SGLang), 1em4 (DeepGEMM) or 0 (TransformerEngine)", .words = kFloorWords, .default_value = kFloor1e10},
    {.name = "tile", .prefix = "t", .kind = ParamKind::kTile, .help = "rows per block x 1 x columns per step", .resolved = true},
    {.name = "vskip", .prefix = "vskip_", .kind = ParamKind::kWord, .help = "skip padded rows with s_setvskip (AMD gfx9)",
     .words = kVskipWords, .default_value = kVskipAuto},
};

constexpr int kPointer = sizeof(void*);
constexpr ArgumentInfo kArguments[] = {
    {"x", ArgumentKind::kInput, offsetof(Args, x), kPointer, 16},
    {"q", ArgumentKind::kOutput, offsetof(Args, q), kPointer, 16},
    {"scale", ArgumentKind::kOutput, offsetof(Args, scale), kPointer, 4},
    {"rows", ArgumentKind::kScalar, offsetof(Args, rows), sizeof(long long)},
};

std::int64_t blocks_of(std::int64_t k) { return (k + kScaleBlock - 1) / kScaleBlock; }

// The scale of one block by the definition. Scales are fp32, so the reference rounds once where a kernel must.
double reference_scale(const KernelSpec& spec, double amax) {
  const double floored = std::max(amax, kFloors[spec[kFloor]]);
  if (floored == 0) {
    return 1;
  }
  const double scale = static_cast<float>(floored / kMaxE4m3);
  // Powers of two stop at the smallest normal fp32: a scale that flushes to zero somewhere would be no scale.
  return spec[kScale] == kScalePow2 ? std::exp2(std::max(-126.0, std::ceil(std::log2(scale)))) : scale;
}

class Quantize final : public Family {
 public:
  std::string_view name() const override { return "quantize"; }
  std::string_view summary() const override { return "bf16 [rows, K] to e4m3 with one fp32 scale per 1x128 block"; }
  std::span<const ParamInfo> params() const override { return kParams; }
  std::span<const ArgumentInfo> arguments() const override { return kArguments; }
  std::uint32_t args_version() const override { return 1; }
  std::uint32_t args_bytes() const override { return sizeof(Args); }

  TileProblem tile_problem(const KernelSpec& spec, std::int64_t rows) const override { return {.rows = rows, .columns = spec[kK]}; }

  const Body* body(Vendor vendor) const override { return Bodies{host_body(), nvidia_body(), amd_body()}.of(vendor); }

  Result<void> resolve(KernelSpec& spec, const ResolveTarget&) const override {
    if (spec[kK] % 16 != 0) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("quantize: k is {}; it must be a multiple of 16 (16-byte stores of e4m3)", spec[kK]));
    }
    return resolve_tile(spec, kTile);
  }

  const char* bad_scalar(const KernelSpec&, const void* args) const override {
    return bad_rows(static_cast<const Args*>(args)->rows);
  }

  std::uint64_t footprint_bytes(const KernelSpec& spec, const void* args, int index) const override {
    const auto rows = static_cast<std::uint64_t>(static_cast<const Args*>(args)->rows);
    const auto k = static_cast<std::uint64_t>(spec[kK]);
    const std::uint64_t bytes[] = {rows * k * 2, rows * k, rows * static_cast<std::uint64_t>(blocks_of(spec[kK])) * 4, 0};
    return bytes[index];
  }

  Result<void> request_from_tensors(KernelRequest& request, std::span<const TensorInfo> tensors) const override {
    SINTER_TRY(const TensorInfo* x, expect_tensor(tensors, "x", 2, {"BF16"}));
    request.values[kK] = x->shape[1];
    return {};
  }

  std::vector<TensorInfo> inputs(const KernelSpec& spec, std::int64_t rows) const override {
    return {{"x", "BF16", {rows, spec[kK]}}};
  }

  std::vector<TensorInfo> outputs(const KernelSpec& spec, std::span<const TensorInfo> inputs) const override {
    const std::int64_t rows = find_tensor(inputs, "x")->shape[0];
    return {{"q", "F8_E4M3", {rows, spec[kK]}}, {"scale", "F32", {rows, blocks_of(spec[kK])}}};
  }

  void set_scalars(const KernelSpec&, std::span<const TensorInfo> inputs, void* args) const override {
    static_cast<Args*>(args)->rows = find_tensor(inputs, "x")->shape[0];
  }

  double flops(const KernelSpec&, std::span<const TensorView> inputs) const override {
    return static_cast<double>(find_tensor(inputs, "x")->bytes) / 2;  // one division per element
  }

  // Sampled blocks: the scale to one part in 10^6, and each element to half a step of e4m3.
  ReferenceReport check_reference(const KernelSpec& spec, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                                  ReferenceEffort, std::uint64_t seed) const override {
    const TensorView& x = *find_tensor(inputs, "x");
    const TensorView& q = *find_tensor(outputs, "q");
    const TensorView& scale = *find_tensor(outputs, "scale");
    const std::int64_t k = spec[kK], blocks = blocks_of(k);
    std::mt19937_64 random(seed);
    ErrorMeter elements(4e-2);  // e4m3 has 3 mantissa bits: at most 1/16 per element, about 2.6e-2 in this norm
    std::string first_wrong;
    const auto compare = [&](const TensorView& tensor, std::int64_t index, double got, double wanted, double tolerance) {
      if (first_wrong.empty() && !(std::abs(got - wanted) <= tolerance)) {
        first_wrong = fmt::format("{} is {:.6g}, and should be {:.6g} within {:.2g}", element_name(tensor.info, index), got, wanted, tolerance);
      }
    };
    for (const Cell& block : cells_to_compare(x.info.shape[0], blocks, kComparedBlocks, random)) {
      const std::int64_t first = block.column * kScaleBlock, end = std::min(k, first + kScaleBlock);
      double amax = 0;
      for (std::int64_t c = first; c < end; ++c) {
        amax = std::max(amax, std::abs(element(x, block.row * k + c)));
      }
      const std::int64_t at = block.row * blocks + block.column;
      const double wanted = reference_scale(spec, amax), actual = element(scale, at);
      compare(scale, at, actual, wanted, 1e-6 * wanted);
      for (std::int64_t c = first; c < end; ++c) {
        const std::int64_t index = block.row * k + c;
        const double value = element(x, index), step = std::max(std::abs(value) / 16, wanted * kHalfSubnormalStep);
        elements.add(element(q, index) * actual, value);
        compare(q, index, element(q, index) * actual, value, step * (1 + 1e-5));
      }
    }
    ReferenceReport report = elements.report();
    report.ok = report.ok && first_wrong.empty();
    report.first_wrong = std::move(first_wrong);
    return report;
  }

 private:
  static constexpr std::int64_t kComparedBlocks = 4096;
  static constexpr double kHalfSubnormalStep = 0x1p-10;  // e4m3's smallest numbers are 2^-9 apart
};

}  // namespace

const Family* quantize_family() {
  static const Quantize family;
  return &family;
}

}  // namespace sinter
