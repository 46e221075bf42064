// SPDX-License-Identifier: Apache-2.0
#pragma once

// RemoteUrl: the URL of a remote tier, split so that nothing but the helper process ever sees its password.

#include <string>
#include <string_view>

#include "base/result.h"

namespace sinter {

struct RemoteUrl {
  std::string scheme;  ///< "redis", "rediss", "http" or "https".
  std::string host;    ///< With its port if one is written: "cache.example:6380", "[::1]:6379".
  std::string rest;    ///< From the first '/' on: "/0", "/kernels"; may be empty.
  bool has_user = false;

  /// For people: the URL with "***@" in place of user and password.
  std::string masked() const;
};

/// Errors: kInvalidRequest for another scheme, or without a host. The message does not repeat the text, which may hold a
/// password.
Result<RemoteUrl> parse_remote_url(std::string_view text);

}  // namespace sinter
