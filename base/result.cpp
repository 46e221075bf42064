// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

namespace sinter {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest: return "invalid_request";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kNotPrebuilt: return "not_prebuilt";
    case ErrorCode::kCompilerUnavailable: return "compiler_unavailable";
    case ErrorCode::kCompileFailed: return "compile_failed";
    case ErrorCode::kTimeout: return "timeout";
    case ErrorCode::kDriverError: return "driver_error";
    case ErrorCode::kCacheError: return "cache_error";
    case ErrorCode::kInternal: return "internal";
  }
  return "unknown";
}

}  // namespace sinter
