// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seam of kernel families. A family is one line in codegen/families/registry.cpp, a Family object with its
// parameter and argument tables, and a Body per vendor, each beside its template. Nothing else knows a family's name.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/arch.h"
#include "codegen/kernel_spec.h"
#include "codegen/tensor_map.h"

namespace sinter {

enum class ParamKind : std::uint8_t { kInteger, kWord, kTile };

/// One parameter of a family: its name in manifests and flags, its part of the spec's name, what it may be.
struct ParamInfo {
  std::string_view name;    ///< "n", "quant", "tile".
  std::string_view prefix;  ///< Before the value in the spec's name; may be empty for words.
  ParamKind kind;
  std::string_view help;
  std::span<const std::string_view> words = {};  ///< kWord: the value is the index.
  std::int64_t min = 1, max = 0;                 ///< kInteger.
  std::int64_t default_value = kUnset;           ///< kUnset: required, unless `resolved`.
  bool resolved = false;                         ///< Left open, Family::resolve fills it in.
  /// kWord: the spec's name has it only where it is not the default, so that a family can grow one and its kernels keep
  /// their names.
  bool named_if_set = false;
};

/// The words of a request that leaves vskip open; the value in a spec is kVskipOff or kVskipOn.
inline constexpr std::string_view kVskipWords[] = {"auto", "on", "off"};
inline constexpr std::int64_t kVskipAuto = 0, kVskipOn = 1, kVskipOff = 2;

enum class ArgumentKind : std::uint8_t { kInput, kOutput, kScalar };

/// One field of the family's argument struct, which is the kernel's only parameter (or its end, behind the tensor maps
/// of the plan), passed by value.
struct ArgumentInfo {
  std::string_view name;
  ArgumentKind kind;
  std::int32_t offset, size;       ///< Bytes, in the struct.
  std::int32_t alignment = 1;      ///< Required of the pointer's value, bytes.
};

/// What is known of the place a spec is resolved for. With no device at hand (prebuild) the counts are 0.
struct ResolveTarget {
  const Arch* arch = nullptr;
  bool vskip_safe = false;        ///< A sourced capability row says device and driver are safe with vskip.
  std::int64_t unit_count = 0;    ///< SMs or CUs; cores on the host.
  /// What an open vskip gets on AMD (kVskipOn, kVskipOff); kVskipAuto: on where it is safe.
  std::int64_t open_vskip = kVskipAuto;
};

/// What the launch of a body depends on.
struct LaunchTarget {
  std::int64_t unit_count = 1;       ///< SMs or CUs; threads of the pool on the host.
  std::int64_t blocks_per_unit = 1;  ///< Resident blocks of this kernel per unit, from the driver or the facts.
};

struct LaunchShape {
  std::uint32_t grid[3] = {1, 1, 1};   ///< Blocks (not threads).
  std::uint32_t block[3] = {1, 1, 1};  ///< Threads.
  std::uint32_t dynamic_shared_bytes = 0;
};

/// How one spec is built on its arch: everything render() and the checks need.
struct BodyPlan {
  std::string_view template_path;  ///< Relative to templates/: "grouped_gemm/amd.h".
  std::string params;              ///< Body text of `struct Params`: one constant per line.
  std::uint32_t threads_per_block = 1;
  std::uint32_t static_shared_bytes = 0;   ///< Expected LDS/shared memory declared in the kernel.
  std::uint32_t dynamic_shared_bytes = 0;  ///< Asked for at launch; scratch per thread on the host.
  /// Registers per thread that the code must have, 0 for any: where warpgroups pass registers to each other, a kernel
  /// that starts with fewer waits for ever.
  std::int64_t exact_registers = 0;
  std::vector<TensorMapPlan> tensor_maps;  ///< Before the arguments in the kernel's parameter; NVIDIA only.
  /// Mnemonics of which at least one must be in the disassembly ("v_mfma_f32_32x32x8_bf16_1k"); AMD only.
  std::vector<std::string_view> required_instructions;
};

/// A family's kernels for one vendor. Stateless; thread-safe.
class Body {
 public:
  virtual ~Body() = default;
  /// Tiles this body can be built with on `spec`'s arch and mode, best general choice first.
  virtual std::vector<TileShape> tiles(const KernelSpec& spec) const = 0;
  /// Errors: kUnsupported with the value, the limit and where it comes from, e.g. a tile the arch cannot hold.
  virtual Result<BodyPlan> plan(const KernelSpec& spec) const = 0;
  /// Blocks of this tile that a unit of spec's arch holds at once, by its memory and registers, before anything is
  /// compiled; 0 where the body cannot tell.
  virtual std::int64_t blocks_per_unit(const KernelSpec&, TileShape) const { return 0; }
  /// Time that a unit needs for one tile, per element of K, relative to the body's other tiles: 1 is one output at the
  /// body's best rate. 0 where the body cannot tell; then its order of tiles decides.
  virtual double tile_cost(const KernelSpec&, TileShape) const { return 0; }
  /// `args` is the family's argument struct. A grid of 0 blocks means that there is nothing to do.
  virtual LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args,
                                   const LaunchTarget& target) const = 0;
};

/// What a launch computes: `rows` in all, in `groups` blocks of them, each row multiplied into `columns` columns.
struct TileProblem {
  std::int64_t rows = 0;  ///< 0: unknown.
  std::int64_t groups = 1, columns = 1;
  std::int64_t largest = 0;  ///< Rows of the largest group; 0: as even as they can be.
};

/// A tensor as a tool sees it: what `sinter run` reads and writes.
struct TensorInfo {
  std::string_view name;            ///< In the safetensors file, and of the argument that points to it.
  std::string dtype;                ///< safetensors' words: "BF16", "F8_E4M3", "F32", "I32".
  std::vector<std::int64_t> shape;
};

/// A host view of a tensor. `data` holds row-major elements of `dtype`.
struct TensorView {
  TensorInfo info;
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// What outputs are filled with before a launch that is to be checked: NaN in bf16, fp16, fp32 and e4m3.
inline constexpr std::byte kPoison{0xff};

/// How much of an output is compared with float64.
enum class ReferenceEffort : std::uint8_t {
  kSample,    ///< The corners of each group and some elements more.
  kThorough,  ///< All of a small output, and of a large one as many elements as some tenths of a second allow.
};

/// How far an output is from the float64 reference, over the sampled elements.
struct ReferenceReport {
  std::int64_t sampled = 0;         ///< Elements compared.
  double relative_error = 0;        ///< ||out - ref|| / ||ref||; NaN counts as a failure.
  double max_abs_error = 0;
  double allowed_relative_error = 0;
  bool ok = false;
  /// The first element that is wrong by itself: "d[3, 17] is 0.25, and should be 0.53 within 0.0042". Empty if there is none.
  std::string first_wrong;
};

/// Most rows of one launch. Kernels count rows and tiles in 32 bits; the distance to 2^31 is more than any tile is high,
/// so that rounding a row up to the next tile cannot overflow.
inline constexpr std::int64_t kMaxRows = (std::int64_t{1} << 31) - (std::int64_t{1} << 16);

class Family {
 public:
  virtual ~Family() = default;

  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;
  virtual std::span<const ParamInfo> params() const = 0;
  /// The argument struct's layout; `args_version` changes whenever it does, and is part of the cache key.
  virtual std::span<const ArgumentInfo> arguments() const = 0;
  virtual std::uint32_t args_version() const = 0;
  virtual std::uint32_t args_bytes() const = 0;

  /// Fills what the request left open, in place, and checks what no arch could have.
  /// The values were range-checked already. Errors: kInvalidRequest, kUnsupported.
  virtual Result<void> resolve(KernelSpec& spec, const ResolveTarget& target) const = 0;
  /// Null where the family has no body for that vendor.
  virtual const Body* body(Vendor vendor) const = 0;
  /// What a launch of `rows` rows (0: unknown) computes, for choosing a tile.
  virtual TileProblem tile_problem(const KernelSpec& spec, std::int64_t rows) const = 0;

  /// Why the scalar arguments of a launch are impossible (a static text), or null. No allocation.
  virtual const char* bad_scalar(const KernelSpec& spec, const void* args) const = 0;
  /// Bytes that argument `index` must point to for this launch; 0 for scalars and operands the mode does not use.
  virtual std::uint64_t footprint_bytes(const KernelSpec& spec, const void* args, int index) const = 0;

  // --- for tools: run a kernel on named tensors and check it ---

  /// Sets the parameters that tensor shapes imply (n, k, groups, ...). Errors: kInvalidRequest.
  virtual Result<void> request_from_tensors(KernelRequest& request, std::span<const TensorInfo> tensors) const = 0;
  /// Shapes and dtypes of the inputs of a launch of `rows` rows. "row_offsets" holds where each group starts, and the end.
  /// An input with the name of an output is what the output holds before, for kernels that add to it.
  virtual std::vector<TensorInfo> inputs(const KernelSpec& spec, std::int64_t rows) const = 0;
  /// Shapes and dtypes of the outputs of this launch.
  virtual std::vector<TensorInfo> outputs(const KernelSpec& spec, std::span<const TensorInfo> inputs) const = 0;
  /// Whether this argument is an array of pointers on the device, one to the matrix of each group. inputs() and outputs()
  /// have the matrices as one tensor.
  virtual bool is_pointer_array(const KernelSpec&, std::string_view /*argument*/) const { return false; }
  /// Writes the scalar arguments (rows, ...) into the struct; pointers are bound by name.
  virtual void set_scalars(const KernelSpec& spec, std::span<const TensorInfo> inputs, void* args) const = 0;
  /// Useful floating-point operations of this launch.
  virtual double flops(const KernelSpec& spec, std::span<const TensorView> inputs) const = 0;
  /// Compares outputs with an independent float64 computation on the host. REQUIRES: the outputs were kPoison before the
  /// launch, or what the input of the same name has. Matrices of groups without rows may be missing at the end of inputs.
  virtual ReferenceReport check_reference(const KernelSpec& spec, std::span<const TensorView> inputs,
                                          std::span<const TensorView> outputs, ReferenceEffort effort, std::uint64_t seed) const = 0;

  /// Index of a parameter, or -1.
  int param_index(std::string_view param_name) const;
};

/// All families, in registry order; the index is KernelRequest::family.
std::span<const Family* const> all_families();

/// Errors: kInvalidRequest, naming the known families. The value is the index.
Result<std::uint64_t> find_family(std::string_view name);

}  // namespace sinter
