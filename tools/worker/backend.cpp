// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/backend.h"

#include <utility>

namespace sinter {

Result<std::unique_ptr<Backend>> open_first(OpenBackend open, const std::vector<std::string>& libraries) {
  std::string problems;
  for (const std::string& library : libraries) {
    auto backend = open(library);
    if (backend) {
      return backend;
    }
    problems += problems.empty() ? "" : "; ";
    problems += backend.error().message;
  }
  return make_error(ErrorCode::kCompilerUnavailable, problems.empty() ? "no library of it was found" : problems);
}

protocol::CompileReply failed_reply(std::string error, std::string log) {
  protocol::CompileReply reply;
  reply.error = std::move(error);
  reply.log = std::move(log);
  return reply;
}

}  // namespace sinter
