// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/doctor_remote.h"

#include <fmt/format.h>

#include <chrono>

#include "cache/remote_client.h"
#include "cache/remote_url.h"
#include "runtime/remote_options.h"

namespace sinter::cli {
namespace {

using std::chrono::milliseconds;

/// A start of the helper and a connection, from a person's point of view.
constexpr milliseconds kPatience{5'000};

std::string duration_text(std::chrono::steady_clock::time_point start) {
  const std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - start;
  return fmt::format("{:.1f} ms", passed.count());
}

}  // namespace

std::optional<RemoteDiagnosis> examine_remote(const Settings& settings) {
  if (settings.remote.empty()) {
    return std::nullopt;
  }
  const auto url = parse_remote_url(settings.remote);
  if (!url) {
    return RemoteDiagnosis{false, url.error().message};
  }
  const RemoteOptions options = remote_options(settings);
  if (options.program.empty()) {
    return RemoteDiagnosis{false, options.program_problem};
  }
  RemoteClient client({.program = options.program,
                       .url = options.url,
                       .ca_file = options.ca_file,
                       .ca_directory = options.ca_directory});
  const auto ask = [&]() -> Result<remote::Answer> {
    return client.ask({.op = remote::Op::kPing, .limit_ms = 0, .key = {}, .token = {}, .lease_ms = 0, .blob = {}}, kPatience);
  };
  const auto first = ask();  // with the start of the helper and the connection
  const auto start = std::chrono::steady_clock::now();
  const auto second = first ? ask() : first;
  const std::string problem = !second                                        ? second.error().message
                              : second->status == remote::Status::kFailed ? second->error
                                                                             : "";
  if (!problem.empty()) {
    return RemoteDiagnosis{false, fmt::format("{}: {}; without it kernels are compiled on every node: see that the server runs, that "
                                              "SINTER_REMOTE names it, and that user, password and certificate are right",
                                              url->masked(), problem)};
  }
  return RemoteDiagnosis{true, fmt::format("{}, answers in {}, {}; a miss waits at most {} ms for it", url->masked(), duration_text(start),
                                           settings.remote_read_only ? "only read" : "read and written", settings.remote_timeout_ms)};
}

}  // namespace sinter::cli
