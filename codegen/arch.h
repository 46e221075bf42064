// SPDX-License-Identifier: Apache-2.0
#pragma once

// An arch is what code is compiled for. What one *device* of that arch has is runtime/caps.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinter {

enum class Vendor : std::uint8_t { kHost, kNvidia, kAmd };

/// What a code object is. Values reach the disk: never renumber.
enum class CodeFormat : std::uint8_t {
  kSharedObject = 1,  ///< x86-64 ELF shared object without imports (host).
  kCubin = 2,         ///< NVIDIA machine code.
  kPtx = 3,           ///< NVIDIA PTX text; the driver compiles it.
  kHsaco = 4,         ///< AMD GPU ELF.
};

/// Number format of the fp8 matrix instructions.
enum class Fp8Hardware : std::uint8_t {
  kNone,  ///< fp8 operands are decoded to bf16 in the loader.
  kOcp,   ///< e4m3fn, largest finite 448.
  kFnuz,  ///< e4m3fnuz, largest finite 240; OCP bytes read as FNUZ are half their value.
};

/// One compile target with the limits that its instruction set and backend fix.
///
/// Sizes are in bytes, per workgroup/block. Sources: codegen/arch.cpp, beside each row.
struct Arch {
  std::string_view name;    ///< "sm_90a", "compute_80" (PTX), "gfx942", "x86-64-v4+avx512bf16".
  std::string_view symbol;  ///< The name as a part of an entry symbol.
  Vendor vendor;
  CodeFormat format;
  std::int32_t compute_capability;  ///< NVIDIA: 10 * major + minor, else 0.
  std::int32_t wave_size;           ///< Warp size; 1 on the host.
  std::int32_t max_threads_per_block;
  std::int64_t max_shared_memory_bytes;  ///< LDS; opt-in dynamic shared memory; on the host scratch per thread.
  Fp8Hardware fp8;
  bool has_bf16_matrix;  ///< Matrix (or dot-product) instructions for bf16.
  bool has_setvskip;     ///< The instruction set has S_SETVSKIP (gfx6 to gfx9).
};

/// Every arch that Sinter knows, in a fixed order. Not each has a body in every family.
std::span<const Arch> all_archs();

/// The arch of exactly this canonical name, or null. "host" is not canonical: use parse_arch.
const Arch* find_arch(std::string_view name);

/// The arch named by a user. "host" is the best level this machine's CPU has.
/// Features after a colon ("gfx942:sramecc+:xnack-") are refused: the code objects are built to run with any setting.
/// Errors: kInvalidRequest, naming every known arch.
Result<const Arch*> parse_arch(std::string_view name);

/// The best x86-64 level of the CPU that runs this, or null below x86-64-v3. Thread-safe.
const Arch* host_arch();

/// True if code compiled for `code` runs on a device of arch `device`: equal names; PTX and plain sm_XY by
/// NVIDIA's rules (PTX on any later device, a cubin on the same major version and an equal or later minor,
/// sm_XYa on that one alone); a lower x86-64 level on a higher.
bool runs_on(const Arch& code, const Arch& device);

/// What `backend` makes for this arch: its format, but PTX where LLVM compiles for NVIDIA, which has no assembler.
CodeFormat code_format_of(const Arch& arch, std::string_view backend);

std::string_view vendor_name(Vendor vendor);          ///< "host", "nvidia", "amd".
std::string_view code_format_name(CodeFormat format);  ///< "so", "cubin", "ptx", "hsaco".

}  // namespace sinter
