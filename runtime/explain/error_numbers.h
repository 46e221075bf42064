// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an error number of CUDA or HIP means. The same number may mean different things to the two vendors.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinter {

/// Names are empty where the vendor has none. Sources: cuda.h and driver_types.h of CUDA 13.0, hip_runtime_api.h of HIP
/// 5.2.3 and 6; numbers of released errors do not change.
struct ErrorNumber {
  int number = 0;
  std::string_view cuda_driver;   ///< "CUDA_ERROR_ILLEGAL_ADDRESS".
  std::string_view cuda_runtime;  ///< "cudaErrorIllegalAddress".
  std::string_view hip;           ///< "hipErrorIllegalAddress".
};

/// What it usually means and what to do. Empty for errors that say all by their name.
struct ErrorAdvice {
  int number = 0;
  std::string_view meaning;
  std::string_view advice;
};

/// By number ("700") or by any vendor's name for it. Errors: kInvalidRequest where no vendor has it.
Result<ErrorNumber> find_error_number(std::string_view number_or_name);
std::optional<ErrorAdvice> error_advice(int number);

std::string to_text(const ErrorNumber& error);
/// {"number", "cuda": {"driver", "runtime"} or null, "hip": name or null, "same", "meaning", "advice"}.
std::string to_json(const ErrorNumber& error);

}  // namespace sinter
