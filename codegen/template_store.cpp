// SPDX-License-Identifier: Apache-2.0
#include "codegen/template_store.h"

#include <algorithm>

namespace sinter {

const TemplateFile* find_template(std::string_view path) {
  const auto files = template_files();
  const auto it = std::ranges::lower_bound(files, path, {}, &TemplateFile::path);
  return it != files.end() && it->path == path ? &*it : nullptr;
}

}  // namespace sinter
