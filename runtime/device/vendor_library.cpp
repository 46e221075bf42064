// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/vendor_library.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter {

Result<DynLib> open_vendor_library(const std::string& path, const LibrarySearch& search) {
  if (!path.empty()) {
    Result<DynLib> asked_for = DynLib::open(path);
    if (!asked_for) {
      return make_error(ErrorCode::kDriverError, fmt::format("no {}: {} was asked for and could not be opened ({})",
                                                             search.what, path, asked_for.error().message));
    }
    return asked_for;
  }
  const std::vector<std::string> names(search.names.begin(), search.names.end());
  for (const std::string& name : names) {
    if (Result<DynLib> loaded = DynLib::open(name, DynLib::Mode::kLoadedOnly)) {
      return loaded;
    }
  }
  Result<DynLib> found = DynLib::open_first(names);
  if (!found) {
    return make_error(ErrorCode::kDriverError, fmt::format("no {}: {} was not found (tried: {}); {}", search.what,
                                                           fmt::join(names, " or "), found.error().message,
                                                           search.advice));
  }
  return found;
}

}  // namespace sinter
