// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/file_stamp.h"

#include <sys/stat.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sinter {

namespace {

std::optional<std::string> stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return fmt::format("{} {}.{:09} {}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino);
}

}  // namespace

std::optional<std::string> seal_memo(const IdentityMemo& memo) {
  nlohmann::json files = nlohmann::json::object();
  for (const std::string& path : memo.files) {
    const auto stamp = stamp_of(path);
    if (!stamp) {
      return std::nullopt;
    }
    files[path] = *stamp;
  }
  return nlohmann::json{{"identity", memo.identity}, {"files", files}}.dump();
}

std::optional<std::string> open_memo(std::string_view text) {
  try {
    const auto memo = nlohmann::json::parse(text);
    for (const auto& [path, stamp] : memo.at("files").items()) {
      if (stamp_of(path) != stamp.get<std::string>()) {
        return std::nullopt;
      }
    }
    return memo.at("identity").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // a memo that cannot be read is asked for again
  }
}

}  // namespace sinter
