// SPDX-License-Identifier: Apache-2.0
#pragma once

// A warm-up certificate: what a warm-up found, as named values. A restart that finds the same values need not warm up.
// It vouches for nothing else: every kernel is checked as ever when it is loaded.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sinter {

struct CertificateField {
  std::string name;   ///< "declared", "device 0", ...
  std::string value;  ///< A digest or a few words.
  friend bool operator==(const CertificateField&, const CertificateField&) = default;
};

using Certificate = std::vector<CertificateField>;

/// JSON, with a digest over the fields.
std::string certificate_text(const Certificate& certificate);

/// Errors: kInvalidRequest for anything that the function above did not write.
Result<Certificate> parse_certificate(std::string_view text, std::string_view file_name);

/// A sentence for each field that is not the same; empty: the certificate is valid.
std::vector<std::string> certificate_differences(const Certificate& then, const Certificate& now);

/// In place of what was there, whole or not at all. Errors: kCacheError.
Result<void> write_certificate(const std::string& path, const Certificate& certificate);

}  // namespace sinter
