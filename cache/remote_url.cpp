// SPDX-License-Identifier: Apache-2.0
#include "cache/remote_url.h"

#include <fmt/format.h>

#include <algorithm>

namespace sinter {
namespace {

constexpr std::string_view kSchemes[] = {"redis", "rediss", "http", "https"};

Error bad_url(std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("SINTER_REMOTE is no URL of a remote cache: {}; write redis://, rediss://, http:// or "
                                "https://, then [user:password@]host[:port][/path]",
                                why));
}

}  // namespace

std::string RemoteUrl::masked() const { return fmt::format("{}://{}{}{}", scheme, has_user ? "***@" : "", host, rest); }

Result<RemoteUrl> parse_remote_url(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return bad_url("it has no scheme");
  }
  RemoteUrl url;
  url.scheme = text.substr(0, colon);
  if (std::find(std::begin(kSchemes), std::end(kSchemes), url.scheme) == std::end(kSchemes)) {
    return bad_url("its scheme is another one");
  }
  text.remove_prefix(colon + 3);
  const std::string_view authority = text.substr(0, text.find_first_of("/?#"));
  url.rest = text.substr(authority.size());
  // The last one: a password may hold an '@' that nobody escaped, and must not be taken for a host.
  const std::size_t at = authority.rfind('@');
  url.has_user = at != std::string_view::npos;
  url.host = url.has_user ? authority.substr(at + 1) : authority;
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };
  if (url.host.empty() || !std::ranges::all_of(url.host, is_plain)) {
    return bad_url("it has no host");
  }
  if (!std::ranges::all_of(url.rest, is_plain)) {
    return bad_url("its path has a character that is not allowed");
  }
  // An unescaped '/' in a password would end the authority there, and the rest of it would be taken for a path.
  if (url.rest.find('@') != std::string::npos) {
    return bad_url("there is an '@' in its path; escape '/' in a password as %2F, '@' in a path as %40");
  }
  if (url.rest.find_first_of("?#") != std::string::npos) {
    return bad_url("it has a query or a fragment");
  }
  return url;
}

}  // namespace sinter
