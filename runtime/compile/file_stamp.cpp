// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/file_stamp.h"

#include <sys/stat.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sinter {

namespace {

/// Filesystems date changes by a clock that runs behind, by a tick of the kernel.
constexpr std::int64_t kCoarseClockNs = 20'000'000;

struct Stamp {
  std::string text;
  std::int64_t changed_unix_ns = 0;  ///< Of the inode, which nobody can set back: renaming a file into place counts.
};

std::optional<Stamp> stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return Stamp{fmt::format("{} {}.{:09} {}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino),
               std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
}

}  // namespace

std::optional<std::string> seal_memo(const IdentityMemo& memo, std::int64_t asked_unix_ns) {
  nlohmann::json files = nlohmann::json::object();
  for (const std::string& path : memo.files) {
    const auto stamp = stamp_of(path);
    if (!stamp || stamp->changed_unix_ns > asked_unix_ns - kCoarseClockNs) {
      return std::nullopt;
    }
    files[path] = stamp->text;
  }
  return nlohmann::json{{"identity", memo.identity}, {"files", files}}.dump();
}

std::optional<std::string> open_memo(std::string_view text) {
  try {
    const auto memo = nlohmann::json::parse(text);
    for (const auto& [path, stamp] : memo.at("files").items()) {
      const auto now = stamp_of(path);
      if (!now || now->text != stamp.get<std::string>()) {
        return std::nullopt;
      }
    }
    return memo.at("identity").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // a memo that cannot be read is asked for again
  }
}

}  // namespace sinter
