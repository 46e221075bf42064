// SPDX-License-Identifier: Apache-2.0
#pragma once

// A code object's segments in memory, as a loader puts them: constants and variables beside the code, with the
// addresses in them made right.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <llvm/Object/ELFObjectFile.h>

#include "base/result.h"
#include "tools/simhip/memory_map.h"

namespace sinter::sim {

using ElfFile = llvm::object::ELFObjectFile<llvm::object::ELF64LE>;

/// A variable of the code object: where it is now.
struct LoadedVariable {
  std::string name;
  std::uint64_t address = 0, bytes = 0;
};

/// Move-only; the memory stays where it is.
class LoadedImage {
 public:
  /// Errors: kInvalidRequest for a damaged file or a relocation that is not known.
  static Result<LoadedImage> load(const ElfFile& file);

  /// To be added to an address of the file.
  std::uint64_t bias() const { return reinterpret_cast<std::uintptr_t>(memory_.get()); }
  /// What kernels may touch.
  const MemoryRanges& ranges() const { return ranges_; }
  const LoadedVariable* find(std::string_view name) const;

 private:
  struct FreeMemory {
    void operator()(std::byte* memory) const noexcept;
  };

  Result<void> copy_segments(const ElfFile& file);
  Result<void> relocate(const ElfFile& file);
  Result<void> list_variables(const ElfFile& file);

  std::unique_ptr<std::byte, FreeMemory> memory_;
  std::uint64_t bytes_ = 0;
  MemoryRanges ranges_;
  std::vector<LoadedVariable> variables_;
};

}  // namespace sinter::sim
