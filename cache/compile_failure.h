// SPDX-License-Identifier: Apache-2.0
#pragma once

// CompileFailure: what is remembered of a compile that failed, so that the next request for the same key can be told
// at once. It is kept apart from code objects and never becomes one.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace sinter {

struct CompileFailure {
  ErrorCode code = ErrorCode::kCompileFailed;
  bool crashed = false;  ///< The compiler died instead of answering.
  std::int64_t failed_unix_s = 0;
  std::string message;
  std::string log;     ///< The compiler's; only the beginning if it is long.
  std::string source;  ///< The generated source; only the beginning if it is long.
};

}  // namespace sinter
