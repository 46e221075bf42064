// SPDX-License-Identifier: Apache-2.0
#pragma once

// File stamps: whether the files that a remembered fact rests on are still the same files.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter {

/// A compiler's identity as it was once told, with the files that told it.
struct IdentityMemo {
  std::string identity;
  std::vector<std::string> files;  ///< Absolute paths: the worker, the vendor's library, ...
};

/// The memo as text with the size, time of change and inode of each file now. `asked_unix_ns`: before the compiler that
/// told its identity was started. nullopt if a file cannot be asked, or was put there since: then another compiler may
/// have told it.
std::optional<std::string> seal_memo(const IdentityMemo& memo, std::int64_t asked_unix_ns);

/// The identity, if the text is sound and every file is as it was; else nullopt.
std::optional<std::string> open_memo(std::string_view text);

}  // namespace sinter
