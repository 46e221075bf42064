// SPDX-License-Identifier: Apache-2.0
#pragma once

// The database as text: every table and statement of the cache, version 2 (docs/cache_format.md). The order of columns
// in the statements is the order in which entry_row.cpp reads and binds them.

#include <cstdint>
#include <string_view>

namespace sinter::schema {

inline constexpr std::string_view kFileName = "sinter-v2.db";
inline constexpr std::string_view kLockFileName = "sinter-v2.lock";

inline constexpr std::int64_t kVersion = 2;
/// The header's application_id of a database of schema `version`: "SNT" and the version once more, so that a damaged
/// user_version is not taken for a newer schema.
constexpr std::int64_t application_id(std::int64_t version) { return 0x534e5400 + version; }

/// The same of a bundle of this schema, "SNB": it is no cache to write, and a cache is no bundle.
constexpr std::int64_t bundle_application_id(std::int64_t version) { return 0x534e4200 + version; }

/// Rows of `bad`, `compiler_identity` and `failure` that are kept, newest first.
inline constexpr std::int64_t kMaxBadRows = 32;
inline constexpr std::int64_t kMaxIdentityRows = 256;
inline constexpr std::int64_t kMaxFailureRows = 256;

// --- Making and opening ---

extern const char* const kCreate;        ///< On an empty database, in a transaction.
extern const char* const kBeforeCreate;  ///< Before the first table, outside of a transaction.
extern const char* const kConnectionSettings;

inline constexpr std::string_view kGetUserVersion = "PRAGMA user_version";
inline constexpr std::string_view kGetApplicationId = "PRAGMA application_id";
inline constexpr std::string_view kUseWal = "PRAGMA journal_mode=WAL";
/// On a network, a log that was left by a local user is folded in first; an exclusive lock does without shared memory.
inline constexpr const char* kLockExclusively = "PRAGMA locking_mode=EXCLUSIVE";
inline constexpr std::string_view kUseRollbackJournal = "PRAGMA journal_mode=DELETE";
inline constexpr const char* kLockNormally = "PRAGMA locking_mode=NORMAL";

// --- Bundles ---

/// On an empty database, before its transaction. The page size is part of the bytes that two builds must agree on.
extern const char* const kBeforeCreateBundle;
extern const char* const kCreateBundle;  ///< In the transaction.

// --- Entries ---

/// What a hit needs. ?1 digest.
extern const std::string_view kGetEntry;
extern const std::string_view kPutEntry;
/// The entry was stored. A pin stays. ?1 digest, ?2 time, ?3 bytes, ?4 generation.
extern const std::string_view kPutUse;
/// Key fields of one of the entries of a spec. ?1 spec, ?2 how many newer ones to pass over.
extern const std::string_view kGetSpecKey;

/// Set one entry aside. ?1 digest, ?2 time, ?3 reason. A good row that another process has just stored in its place
/// goes too, which costs one more miss.
extern const std::string_view kCopyToBad;
extern const std::string_view kDeleteEntry;
extern const std::string_view kDeleteUse;  ///< Unless pinned: a pin is for the key. ?1 digest.
extern const std::string_view kTrimBad;  ///< ?1 rows to keep.

// --- Tools ---

extern const std::string_view kListEntries;
extern const std::string_view kListRows;       ///< Row numbers.
extern const std::string_view kFindRows;       ///< ?1 lowest digest, ?2 highest digest: up to 2 row numbers.
extern const std::string_view kGetWholeEntry;  ///< All columns, those of kGetEntry first. ?1 row number.
extern const std::string_view kListBad;
extern const std::string_view kQuickCheck;

// --- Compiler identities ---

extern const std::string_view kGetIdentity;   ///< ?1 stamp.
extern const std::string_view kPutIdentity;   ///< ?1 stamp, ?2 identity, ?3 checksum.
extern const std::string_view kTrimIdentity;  ///< ?1 rows to keep.

// --- Failed compiles ---

extern const std::string_view kGetFailure;  ///< ?1 digest.
extern const std::string_view kPutFailure;
extern const std::string_view kTrimFailure;    ///< ?1 rows to keep.
extern const std::string_view kDeleteFailure;  ///< ?1 lowest digest, ?2 highest digest.

}  // namespace sinter::schema
