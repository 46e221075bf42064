// SPDX-License-Identifier: Apache-2.0
#pragma once

// A row of the local cache as it travels to a remote tier and back: one CBOR map (docs/remote.md). Nothing that comes
// back is believed before open_remote_entry() has looked at it.

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "cache/cache_key.h"
#include "cache/entry_row.h"
#include "cache/row_signature.h"

namespace sinter {

/// REQUIRES: the row is sealed, with every column.
std::vector<std::byte> encode_remote_entry(const EntryRow& row);

/// The row of `key`, with every column, if the bytes are such a row: its key is the expected one, its SHA-256 over key
/// fields, symbol, format, facts and code is right, and, unless the policy is none, a trusted key signed that.
/// Errors: kCacheError saying what is wrong.
Result<EntryRow> open_remote_entry(const std::vector<std::byte>& blob, const CacheKey& key,
                                   const RowSignatures& signatures);

}  // namespace sinter
