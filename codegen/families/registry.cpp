// SPDX-License-Identifier: Apache-2.0

// The table of families; nothing else. Order is part of the C ABI's numbering within one process only, never stored.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/family.h"

namespace sinter {

const Family* grouped_gemm_family();
const Family* grouped_wgrad_family();
const Family* quantize_family();

std::span<const Family* const> all_families() {
  static const Family* const kFamilies[] = {
      grouped_gemm_family(),
      quantize_family(),
      grouped_wgrad_family(),
  };
  return kFamilies;
}

Result<std::uint64_t> find_family(std::string_view name) {
  const auto families = all_families();
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (families[i]->name() == name) {
      return static_cast<std::uint64_t>(i);
    }
    names.push_back(families[i]->name());
  }
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unknown family '{}'; known: {}", name, fmt::join(names, ", ")));
}

int Family::param_index(std::string_view param_name) const {
  const auto list = params();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == param_name) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace sinter
