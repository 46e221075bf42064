// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what SINTER_TRACE recorded (runtime/trace.h): the kernels that serving processes asked for.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/kernel_spec.h"

namespace sinter {

struct TracedKernel {
  KernelRequest request;
  std::string where;  ///< "trace.jsonl:17", for messages.
  const Arch* arch = nullptr;
  std::string device;              ///< DeviceCaps::name where it was asked for.
  std::string driver_version;      ///< Empty: unknown.
  std::optional<KernelSpec> spec;  ///< What the request became then; none if it came to nothing.
};

struct TraceContents {
  std::vector<TracedKernel> kernels;  ///< Each once, in the order in which they were first asked for.
  std::int64_t lines = 0;
  std::int64_t refused =
      0;  ///< Requests that no compiler can mend: invalid, or not for that device. They are left out.
  std::int64_t unreadable = 0;  ///< Lines that were cut short or are of another Sinter. They are left out.
  std::string first_problem;    ///< Of those.
};

/// `file_name` is for messages. Lines of many processes may repeat each other.
/// Errors: kInvalidRequest if there are lines and none can be read, or more kernels than a manifest may have.
Result<TraceContents> parse_trace(std::string_view text, std::string_view file_name);

}  // namespace sinter
