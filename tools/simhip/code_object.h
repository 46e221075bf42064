// SPDX-License-Identifier: Apache-2.0
#pragma once

// An AMD code object: an ELF file with the kernels' text, a descriptor for each and notes about them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/simhip/decoder.h"

namespace sinter::sim {

/// One argument by the notes. Hidden ones are the launch's: block counts and the like.
struct KernelArgument {
  std::uint32_t offset = 0, bytes = 0;
  std::string kind;  ///< "by_value", "global_buffer", "hidden_block_count_x".

  bool is_hidden() const { return kind.starts_with("hidden_"); }
};

/// What a kernel's descriptor and notes say.
struct KernelCode {
  std::string name;
  std::uint32_t entry = 0;  ///< Dword in the text.
  std::uint32_t lds_bytes = 0;
  std::uint32_t scratch_bytes = 0;
  std::uint32_t argument_bytes = 0;  ///< With the hidden ones.
  std::vector<KernelArgument> arguments;
  std::uint32_t vector_registers = 0;  ///< As allocated: both kinds together.
  std::uint32_t max_threads = 0;
  std::uint32_t user_scalars = 0;  ///< The work-group's number follows them.
  bool has_argument_pointer = false;
  std::uint16_t argument_pointer = 0;  ///< The first of its two scalar registers.
  bool has_packet_pointer = false;  ///< To the dispatch packet: work-group and grid sizes.
  std::uint16_t packet_pointer = 0;
  std::array<bool, 3> has_group_id{};
  std::string problem;  ///< Why the simulator cannot run it; empty if it can.
};

struct LoadedCode {
  std::string arch;  ///< "gfx942".
  DecodedText text;
  std::vector<KernelCode> kernels;

  const KernelCode* find(std::string_view name) const;
};

/// The bytes of an ELF image that is given by its first byte alone, by its section headers, which are last.
/// Empty if it does not start like an AMD code object.
std::span<const std::byte> image_at(const void* image);

/// Errors: kInvalidRequest if the image is damaged.
Result<LoadedCode> load_code(std::span<const std::byte> image);

}  // namespace sinter::sim
