// SPDX-License-Identifier: Apache-2.0
#include "base/read_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace sinter {

Result<std::string> read_text_file(const std::string& path, std::uint64_t max_bytes) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("cannot read '{}': {}", path, error.message()));
  }
  if (bytes > max_bytes) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' has {} bytes; at most {} are read", path, bytes, max_bytes));
  }
  std::ifstream in(path, std::ios::binary);
  std::string text(bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(bytes));
  if (!in) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("cannot read '{}': {}", path, std::strerror(errno)));
  }
  return text;
}

}  // namespace sinter
