// SPDX-License-Identifier: Apache-2.0
#pragma once

// The database as text: every table and statement of the cache, version 2 (docs/cache_format.md). The order of columns
// in the statements is the order in which entry_row.cpp reads and binds them.

#include <cstdint>
#include <string_view>

namespace sinter::schema {

inline constexpr std::string_view kFileName = "sinter-v2.db";
inline constexpr std::string_view kLockFileName = "sinter-v2.lock";
inline constexpr std::string_view kCollectorLockFileName = "sinter-v2.gc";

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
/// Of `verdict`: as many as there are entries by default. Those of entries go with them; the others are of kernels that
/// bundles hold.
inline constexpr std::int64_t kMaxVerdictRows = 100'000;

/// Hours of which counts are kept one by one: two weeks. Older ones are added up in hour 0.
inline constexpr std::int64_t kCountedHours = 14 * 24;
/// Entries whose loads are remembered, those with the most.
inline constexpr std::int64_t kMaxLoadRows = 4096;

/// Of a page in the local database and in a bundle.
inline constexpr std::uint32_t kPageBytes = 4096, kBundlePageBytes = 8192;

// --- Making and opening ---

/// The statement that makes the table of entries, as the file keeps it. Here and in a bundle the order of columns is the
/// one that entry_file.cpp reads.
extern const std::string_view kEntryTable, kBundleEntryTable;

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

// --- Use and growth ---

/// A stamp this many seconds from now, in either direction, is set anew when its entry is used.
inline constexpr std::int64_t kStampAgeS = 3600;

/// One row if the entry's stamp is more than an hour from ?2, in either direction. ?1 digest, ?2 time.
extern const std::string_view kIsUseStale;
extern const std::string_view kStampUse;  ///< ?1 digest, ?2 time.
/// Digest, stamp, bytes, generation and pin of the entries behind ?1, in the order of digests, at most ?2.
extern const std::string_view kScanUses;
/// The first half of deleting an entry: only if it is not pinned and was not used meanwhile. ?1 digest, ?2 stamp.
extern const std::string_view kTakeUse;
extern const std::string_view kGetMaker;  ///< Spec, backend and compiler. ?1 digest.
extern const std::string_view kSetPin;    ///< ?1 digest, ?2 0 or 1, ?3 time.
extern const std::string_view kCountUses;
extern const std::string_view kEntrySpan;  ///< No less than there are entries, and found without counting.
extern const std::string_view kCountBad;
extern const std::string_view kDeleteOldestBad;

inline constexpr std::string_view kGetPageCount = "PRAGMA page_count";
inline constexpr std::string_view kGetFreePages = "PRAGMA freelist_count";
inline constexpr std::string_view kGetPageSize = "PRAGMA page_size";
/// Gives 64 free pages (256 KiB) at the end of the file back to the file system.
inline constexpr const char* kVacuumSome = "PRAGMA incremental_vacuum(64)";

// --- Tools ---

extern const std::string_view kListEntries;
extern const std::string_view kListRows;       ///< Row numbers.
extern const std::string_view kListRowsByKey;  ///< Row number, arch, family.
extern const std::string_view kFindRows;       ///< ?1 lowest digest, ?2 highest digest: up to 2 row numbers.
extern const std::string_view kGetWholeEntry;  ///< All columns, those of kGetEntry first. ?1 row number.
extern const std::string_view kListUses;   ///< Digest, last use, pin.
extern const std::string_view kListFacts;  ///< Digest, facts.
extern const std::string_view kListFailures;
extern const std::string_view kListKeysOfSpec;  ///< ?1 spec: digest and key fields.
extern const std::string_view kListSpecs;       ///< Row number, spec. ?1 family, ?2 arch.
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

// --- Usage ---

/// The tables below, made by the first process that has something to count: one of this schema may lack them.
extern const char* const kMakeUsageTables;
extern const std::string_view kHasUsageTables;
extern const std::string_view kAddCount;    ///< ?1 hour, ?2 name, ?3 how many.
extern const std::string_view kFoldCounts;  ///< Adds hours outside of ?1 to ?2 to hour 0.
extern const std::string_view kDropCounts;  ///< Deletes these hours.
extern const std::string_view kListCounts;
extern const std::string_view kAddLoads;  ///< ?1 digest, ?2 how many.
extern const std::string_view kCountLoads;
extern const std::string_view kTrimLoads;  ///< ?1 rows to keep.
extern const std::string_view kListLoads;

// --- Verdicts of golden checks ---

/// The table is made by the first verdict that is stored: one of this schema may lack it.
extern const char* const kMakeVerdicts;
extern const std::string_view kHasVerdicts;           ///< A count.
extern const std::string_view kListVerdicts;          ///< ?1 digest. In verdict_row.cpp's order.
extern const std::string_view kPutVerdict;
extern const std::string_view kTrimVerdicts;          ///< ?1 rows to keep.
extern const std::string_view kDeleteVerdicts;        ///< ?1 digest.
extern const std::string_view kDeleteFailedVerdicts;  ///< ?1 lowest digest, ?2 highest digest.

// --- Tuned rows ---

/// The table is made by the first row that is stored: a cache that nobody tuned has none, and its name is not in the file.
extern const char* const kCreateTuning;
inline constexpr std::string_view kTuningTableMark = "tuning";
extern const std::string_view kHasTuning;   ///< One row if there is the table.
extern const std::string_view kListTuning;  ///< Record and checksum, by decision.
extern const std::string_view kPutTuning;   ///< ?1 decision, ?2 device, ?3 problem, ?4 record, ?5 checksum.
extern const std::string_view kDeleteTuning;  ///< ?1 decision.

}  // namespace sinter::schema
