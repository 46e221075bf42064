// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the CUDA and HIP drivers find their vendor's library, and the words of the error when it is not there.

#include <span>
#include <string>
#include <string_view>

#include "base/dyn_lib.h"
#include "base/result.h"

namespace sinter {

struct LibrarySearch {
  std::string_view what;                    ///< "CUDA driver".
  std::span<const std::string_view> names;  ///< File names for the dynamic linker, best first.
  std::string_view advice;                  ///< "install the NVIDIA driver, or set ...".
};

/// Opens `path`, or, if it is empty, one of `search.names`: the first that the process has loaded already, else the
/// first that can be loaded. Two copies of one driver in a process would not see each other's memory and streams, and
/// serving stacks bring their own (PyTorch's wheels carry a libamdhip64).
/// Errors: kDriverError naming everything that was tried, with the linker's reasons.
Result<DynLib> open_vendor_library(const std::string& path, const LibrarySearch& search);

}  // namespace sinter
