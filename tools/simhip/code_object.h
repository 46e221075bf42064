// SPDX-License-Identifier: Apache-2.0
#pragma once

// An AMD code object: an ELF file with the kernels' text, a descriptor for each and notes about them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/simhip/decoder.h"
#include "tools/simhip/loaded_image.h"

namespace sinter::sim {

/// One argument by the notes. Hidden ones are the launch's: block counts and the like.
struct KernelArgument {
  std::uint32_t offset = 0, bytes = 0;
  std::string kind;  ///< "by_value", "global_buffer", "hidden_block_count_x".

  bool is_hidden() const { return kind.starts_with("hidden_"); }
};

/// The first scalar register of what a wave is given, where the kernel asks for it. By the ABI in LLVM's AMDGPU guide.
struct GivenScalars {
  std::optional<std::uint16_t> scratch_descriptor, packet, queue, arguments, dispatch_number, flat_scratch,
      scratch_bytes;
  std::uint16_t preloaded = 0;  ///< Arguments that lie in registers when a wave starts.
  std::uint16_t preloaded_dwords = 0, preloaded_from = 0;
  std::uint16_t groups = 0;  ///< The work-group's number, an axis per register, for those that are asked for.
  std::array<bool, 3> has_group{};
  std::optional<std::uint16_t> scratch_offset;
};

/// What a kernel's descriptor and notes say.
struct KernelCode {
  std::string name;
  std::uint32_t entry = 0;  ///< Dword in the text.
  std::uint32_t lds_bytes = 0;
  std::uint32_t scratch_bytes = 0;  ///< Of a lane.
  bool has_dynamic_stack = false;   ///< Needs more than scratch_bytes, nobody knows how much.
  bool flushes_subnormals = false;  ///< Of 32-bit floats.
  std::uint32_t argument_bytes = 0;  ///< With the hidden ones.
  std::vector<KernelArgument> arguments;
  std::uint32_t vector_registers = 0;  ///< As allocated: both kinds together.
  std::uint32_t max_threads = 0;
  GivenScalars scalars;
  std::string problem;  ///< Why the simulator cannot run it; empty if it can.
};

struct LoadedCode {
  std::string arch;  ///< "gfx942".
  DecodedText text;
  std::vector<KernelCode> kernels;
  LoadedImage image;
  std::vector<std::byte> file;  ///< For line tables.

  const KernelCode* find(std::string_view name) const;
  /// "kernel.cpp:12", or "" where the file has no line table for the address.
  std::string source_line(std::uint64_t address) const;
};

/// The bytes of an ELF image that is given by its first byte alone, by its section headers, which are last.
/// Empty if it does not start like an AMD code object.
std::span<const std::byte> image_at(const void* image);

/// Errors: kInvalidRequest if the image is damaged.
Result<LoadedCode> load_code(std::span<const std::byte> image);

}  // namespace sinter::sim
