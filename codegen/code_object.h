// SPDX-License-Identifier: Apache-2.0
#pragma once

// CodeObject: compiled bytes and what was read from them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/arch.h"

namespace sinter {

inline constexpr std::int64_t kUnknown = -1;

/// Raised when a reader of facts changes what it says of the same bytes. In the cache key: facts are trusted as stored.
inline constexpr std::string_view kFactsVersion = "2";

/// What a code object says about itself. Read from its bytes by the worker that compiled it, never assumed;
/// kUnknown where the format does not say (PTX before the driver has compiled it). Sizes in bytes.
struct CodeFacts {
  std::string target;      ///< Arch in the file: "gfx942", "sm_90a", "compute_80", "x86-64". AMD: without features.
  std::string features;    ///< AMD: "xnack=any sramecc=any"; else empty.
  std::string entry;       ///< A kernel symbol of this name is defined in the file.
  std::int64_t registers = kUnknown;        ///< Per thread: VGPRs and AGPRs together on AMD.
  std::int64_t accumulation_registers = kUnknown;  ///< AMD AGPRs.
  std::int64_t scalar_registers = kUnknown;        ///< AMD SGPRs.
  std::int64_t spilled_registers = kUnknown;       ///< Vector spills (AMD), spill stores (NVIDIA, when the log has it).
  std::int64_t scratch_bytes = kUnknown;           ///< Private/local memory per thread, stack frame included.
  std::int64_t static_shared_bytes = kUnknown;     ///< LDS/shared memory declared in the kernel.
  std::int64_t args_bytes = kUnknown;              ///< Explicit kernel arguments.
  std::int64_t max_threads_per_block = kUnknown;
  std::int64_t wave_size = kUnknown;
  std::int64_t code_object_version = kUnknown;     ///< AMD: 4, 5, 6.
  std::int64_t setvskip_count = kUnknown;          ///< s_setvskip instructions in the kernel, by disassembly.
  std::int64_t instruction_count = kUnknown;
  std::vector<std::string> matrix_instructions;    ///< Distinct mnemonics: v_mfma_*, HGMMA, HMMA, vdpbf16ps, ...

  friend bool operator==(const CodeFacts&, const CodeFacts&) = default;
};

/// Canonical JSON: fixed key order, no white space. It is digested with the code.
std::string to_json(const CodeFacts& facts);
/// Errors: kCacheError for anything that to_json would not have written.
Result<CodeFacts> code_facts_from_json(std::string_view json);

/// Compiled code with its facts and where it came from. Immutable after construction.
struct CodeObject {
  CodeFormat format = CodeFormat::kSharedObject;
  std::string entry;
  std::vector<std::byte> code;
  CodeFacts facts;

  // Provenance: kept and shown, not part of what is executed.
  std::string backend;           ///< "nvrtc", "hiprtc", "llvm".
  std::string compiler;          ///< The compiler's build identity.
  std::string log;               ///< Its warnings.
  std::string source;            ///< The generated source.
  double compile_ms = 0;
  std::int64_t created_unix_s = 0;
};

}  // namespace sinter
