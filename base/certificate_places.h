// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sinter {

/// Which certificates to trust instead of the system's: OpenSSL's own variables SSL_CERT_FILE and SSL_CERT_DIR, since the
/// helper that needs them gets no environment. Empty: not set.
struct CertificatePlaces {
  std::string file;
  std::string directory;
};
CertificatePlaces certificate_places();

}  // namespace sinter
