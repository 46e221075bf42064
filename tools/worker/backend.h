// SPDX-License-Identifier: Apache-2.0
#pragma once

// One compiler of sinter-worker, opened at run time. What NVRTC and hiprtc have in common is in rtc_program.h.

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/worker_protocol.h"

namespace sinter {

/// A compiler that was found and has passed a probe compile. Used from one thread.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const protocol::BackendInfo& info() const = 0;
  /// `request.backend` and `request.arch` are this backend's.
  virtual protocol::CompileReply compile(const protocol::CompileRequest& request) = 0;
};

/// Opens one library and compiles the probe with it.
/// Errors: kDriverError, kCompilerUnavailable: not there, too old, or it cannot compile.
Result<std::unique_ptr<Backend>> open_nvrtc(const std::string& library);
Result<std::unique_ptr<Backend>> open_hiprtc(const std::string& library);

using OpenBackend = Result<std::unique_ptr<Backend>> (*)(const std::string& library);

/// The backend of the first of `libraries` that works. Errors: kCompilerUnavailable, saying why for each.
Result<std::unique_ptr<Backend>> open_first(OpenBackend open, const std::vector<std::string>& libraries);

/// A reply that says why there is no code.
protocol::CompileReply failed_reply(std::string error, std::string log);

}  // namespace sinter
