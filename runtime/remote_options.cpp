// SPDX-License-Identifier: Apache-2.0
#include "runtime/remote_options.h"

#include <utility>

#include "base/certificate_places.h"
#include "runtime/compile/compiler_locations.h"

namespace sinter {

RemoteOptions remote_options(const Settings& settings) {
  RemoteOptions remote;
  remote.url = settings.remote;
  remote.read_only = settings.remote_read_only;
  remote.timeout_ms = settings.remote_timeout_ms;
  if (remote.url.empty()) {
    return remote;
  }
  if (auto program = find_program(settings, "sinter-remote")) {
    remote.program = std::move(*program);
  } else {
    remote.program_problem = std::move(program).error().message;
  }
  CertificatePlaces certificates = certificate_places();
  remote.ca_file = std::move(certificates.file);
  remote.ca_directory = std::move(certificates.directory);
  return remote;
}

}  // namespace sinter
