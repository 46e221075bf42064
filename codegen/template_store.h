// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernel templates, compiled into the library as text by codegen/embed.

#include <span>
#include <string_view>

namespace sinter {

/// One file under templates/.
struct TemplateFile {
  std::string_view path;      ///< "grouped_gemm/nvidia.h", as it is included.
  std::string_view text;
  std::string_view digest;    ///< Hex SHA-256 over this file and all that it includes.
  std::span<const std::string_view> includes;  ///< Every file it includes, directly or not, sorted; itself excluded.
};

/// Sorted by path.
std::span<const TemplateFile> template_files();

/// Null if there is no such file.
const TemplateFile* find_template(std::string_view path);

}  // namespace sinter
