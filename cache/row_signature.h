// SPDX-License-Identifier: Apache-2.0
#pragma once

// RowSignatures: the policy of signatures for rows of the local database, which have none unless a key to sign with is
// set. The signature is over the column sha256, and so over key fields, entry symbol, format, facts and code.

#include <optional>
#include <string>

#include "base/settings.h"
#include "cache/entry_row.h"
#include "cache/signing_key.h"
#include "cache/trusted_keys.h"

namespace sinter {

/// Immutable after construction, thread-safe.
struct RowSignatures {
  std::optional<SigningKey> key;  ///< Signs what is stored here.
  SignaturePolicy policy = SignaturePolicy::kNone;
  TrustedKeys trusted;

  /// Signs the row if there is a key, and seals it again.
  void sign(EntryRow& row) const;
  /// Empty if the row may be used, else why not.
  std::string refusal(const EntryRow& row) const;
};

/// True if a trusted key signed the row's column sha256, which must have been checked.
bool is_row_signed(const EntryRow& row, const TrustedKeys& trusted);

}  // namespace sinter
