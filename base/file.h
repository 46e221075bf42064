// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the C++ standard library cannot say about files: who may write them, which file a path names now, and whether it
// lies on a network. Every function takes a path, never throws, and is thread-safe.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinter {

/// The text of an errno value: "No space left on device".
std::string errno_text(int error);

/// Which file a path named when it was asked: two equal values are one file, renamed or not.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

/// The file that `path` names, following links; nullopt if there is none or it cannot be asked.
std::optional<FileId> file_id(const std::string& path);
/// The file that is open as `descriptor`.
std::optional<FileId> file_id(int descriptor);

/// Makes `directory` and its missing parents, mode 0700. One that exists is left as it is.
/// Errors: kCacheError with the first path that could not be made and why.
Result<void> make_private_directories(const std::string& directory);
/// The same with mode 0755, for what everybody may read.
Result<void> make_public_directories(const std::string& directory);

/// Says no unless `directory` is a directory that belongs to the calling user and that nobody else may write, so that
/// what is read from it can be run. Errors: kCacheError with the command that mends it.
Result<void> check_private_directory(const std::string& directory);

/// Says no unless the file or directory `path` belongs to the calling user or to root and nobody else may write it: for
/// what somebody else may have installed, to be read and run. Errors: kCacheError with the command that mends it.
Result<void> check_only_owner_writes(const std::string& path);

/// "NFS", "Lustre", ... if `magic` (statfs f_type) is a file system on a network or in user space, where locks, shared
/// memory maps or cache coherence between hosts cannot be relied on; else empty. Sources: linux/magic.h and statfs(2);
/// Lustre, GPFS and BeeGFS as in GNU coreutils' stat.
std::string_view network_file_system_name(std::uint32_t magic);

/// The name above for the file system that holds `path`, or empty.
std::string_view network_file_system_of(const std::string& path);

}  // namespace sinter
