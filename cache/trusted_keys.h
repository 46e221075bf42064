// SPDX-License-Identifier: Apache-2.0
#pragma once

// TrustedKeys: the public keys whose signatures count, read from a file or a directory that nobody else may write; and
// the policy that says what must be signed (docs/bundles.md).

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/signing_key.h"

namespace sinter {

struct TrustedKey {
  PublicKey key;
  std::string path;  ///< The file that it was read from.
};

/// Immutable after construction.
class TrustedKeys {
 public:
  /// No key is trusted.
  TrustedKeys() = default;
  explicit TrustedKeys(std::vector<TrustedKey> keys);

  /// Reads `path`: one key file, or every *.pub of a directory. What does not exist holds no keys.
  /// Errors: kCacheError for what others may write, with the command that mends it, or what is no public key: an
  /// unreadable key is not passed over, since the signatures that it would have made good would seem forged.
  static Result<TrustedKeys> load(const std::string& path);

  /// True if a trusted key signed `message`.
  bool is_signed(std::span<const std::byte> message, const Signature& signature) const;

  const std::vector<TrustedKey>& keys() const { return keys_; }

 private:
  std::vector<TrustedKey> keys_;  // By id.
};

/// Most keys that one place may hold.
inline constexpr std::size_t kMaxTrustedKeys = 256;

}  // namespace sinter
