// SPDX-License-Identifier: Apache-2.0
#include "cache/schema.h"

namespace sinter::schema {

static_assert(kVersion == 2, "kCreate writes version and application id as numbers");

// Incremental auto-vacuum cannot be switched on later, and without it a cache that shrinks keeps its file size.
const char* const kBeforeCreate = "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;";
static_assert(kPageBytes == 4096 && kBundlePageBytes == 8192);

// `entry`: what a read needs stands before `code`, and what only tools read behind it, so that a read follows a row's
// overflow pages no further than the code.
// `entry_use`: what changes and is scanned often, apart from the large rows.
// `bad` takes rows as they were found, so its columns have no types and no constraints.
#define SINTER_ENTRY_TABLE \
  "CREATE TABLE entry (\n" \
  "  digest BLOB PRIMARY KEY NOT NULL,\n" \
  "  key_fields TEXT NOT NULL,\n" \
  "  spec TEXT NOT NULL,\n" \
  "  family TEXT NOT NULL,\n" \
  "  arch TEXT NOT NULL,\n" \
  "  format INTEGER NOT NULL,\n" \
  "  entry TEXT NOT NULL,\n" \
  "  facts TEXT NOT NULL,\n" \
  "  backend TEXT NOT NULL,\n" \
  "  compiler TEXT NOT NULL,\n" \
  "  compile_ms REAL NOT NULL,\n" \
  "  created_unix_s INTEGER NOT NULL,\n" \
  "  writer TEXT NOT NULL,\n" \
  "  origin TEXT NOT NULL,\n" \
  "  code_bytes INTEGER NOT NULL,\n" \
  "  sha256 BLOB NOT NULL,\n" \
  "  signature BLOB NOT NULL,\n" \
  "  checksum INTEGER NOT NULL,\n" \
  "  text_checksum INTEGER NOT NULL,\n" \
  "  code BLOB NOT NULL,\n" \
  "  log TEXT NOT NULL,\n" \
  "  source TEXT NOT NULL\n" \
  ") STRICT"

const std::string_view kEntryTable = SINTER_ENTRY_TABLE;

const char* const kCreate = SINTER_ENTRY_TABLE R"sql(;
CREATE INDEX entry_spec ON entry (spec, created_unix_s);
CREATE TABLE entry_use (
  digest BLOB PRIMARY KEY NOT NULL,
  last_used_unix_s INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  pinned INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE bad (
  id INTEGER PRIMARY KEY,
  found_unix_s, reason,
  digest, key_fields, spec, family, arch, format, entry, facts, backend, compiler, compile_ms, created_unix_s, writer,
  origin, code_bytes, sha256, signature, checksum, text_checksum, code, log, source
);
CREATE TABLE compiler_identity (
  id INTEGER PRIMARY KEY,
  stamp TEXT UNIQUE NOT NULL,
  identity TEXT NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE failure (
  id INTEGER PRIMARY KEY,
  digest BLOB UNIQUE NOT NULL,
  key_fields TEXT NOT NULL,
  spec TEXT NOT NULL,
  arch TEXT NOT NULL,
  error_code INTEGER NOT NULL,
  crashed INTEGER NOT NULL,
  failed_unix_s INTEGER NOT NULL,
  message TEXT NOT NULL,
  log TEXT NOT NULL,
  source TEXT NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;
PRAGMA application_id=1397642242;
PRAGMA user_version=2;
)sql";

static_assert(application_id(kVersion) == 1397642242);

// Nothing is lost if a bundle is cut off half-written: it has no name yet. (OFF would do for the journal, but not on a
// connection with SQLite's defences.) 8 KiB: a kernel of 25 KB is read in fewer
// steps than with SQLite's 4 KiB, and a small one wastes less than with 16.
const char* const kBeforeCreateBundle =
    "PRAGMA page_size=8192; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA encoding='UTF-8';";

// The table `entry` as a reader needs it. Without types and constraints, since the text is parsed at every open and the
// types are checked as each row is read.
#define SINTER_BUNDLE_ENTRY_TABLE \
  "CREATE TABLE entry (\n" \
  "  digest PRIMARY KEY, key_fields, spec, family, arch, format, entry, facts, backend, compiler, compile_ms,\n" \
  "  created_unix_s, writer, origin, code_bytes, sha256, signature, checksum, text_checksum, code, log, source\n" \
  ")"

const std::string_view kBundleEntryTable = SINTER_BUNDLE_ENTRY_TABLE;

const char* const kCreateBundle = SINTER_BUNDLE_ENTRY_TABLE R"sql(;
CREATE INDEX entry_spec ON entry (spec, created_unix_s);
PRAGMA application_id=1397637634;
PRAGMA user_version=2;
)sql";

static_assert(bundle_application_id(kVersion) == 1397637634);

// NORMAL: in a log, a power cut may lose the last entries but never the file. The limit empties the log when the last
// connection closes, so that the next process has nothing to recover.
const char* const kConnectionSettings = "PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=0;";

#define SINTER_READ_COLUMNS \
  "digest, key_fields, format, entry, facts, backend, compiler, compile_ms, created_unix_s, sha256, signature, " \
  "checksum, code"
#define SINTER_TOOL_COLUMNS "spec, family, arch, writer, origin, code_bytes, text_checksum, log, source"
#define SINTER_ALL_COLUMNS SINTER_READ_COLUMNS ", " SINTER_TOOL_COLUMNS

const std::string_view kGetEntry = "SELECT " SINTER_READ_COLUMNS " FROM entry WHERE digest = ?1";
const std::string_view kGetSpecKey =
    "SELECT key_fields FROM entry WHERE spec = ?1 ORDER BY created_unix_s DESC LIMIT 1 OFFSET ?2";
const std::string_view kPutEntry =
    "INSERT OR REPLACE INTO entry (" SINTER_ALL_COLUMNS
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";
const std::string_view kPutUse =
    "INSERT INTO entry_use (digest, last_used_unix_s, bytes, generation, pinned) VALUES (?1, ?2, ?3, ?4, 0) "
    "ON CONFLICT (digest) DO UPDATE SET last_used_unix_s = ?2, bytes = ?3, generation = ?4";

const std::string_view kCopyToBad =
    "INSERT INTO bad (found_unix_s, reason, " SINTER_ALL_COLUMNS ") SELECT ?2, ?3, " SINTER_ALL_COLUMNS
    " FROM entry WHERE digest = ?1";
const std::string_view kDeleteEntry = "DELETE FROM entry WHERE digest = ?1";
const std::string_view kDeleteUse = "DELETE FROM entry_use WHERE digest = ?1 AND pinned = 0";
const std::string_view kTrimBad = "DELETE FROM bad WHERE id NOT IN (SELECT id FROM bad ORDER BY id DESC LIMIT ?1)";

static_assert(kStampAgeS == 3600);
#define SINTER_STAMP_IS_STALE "NOT last_used_unix_s BETWEEN ?2 - 3600 AND ?2 + 3600"

const std::string_view kIsUseStale = "SELECT 1 FROM entry_use WHERE digest = ?1 AND " SINTER_STAMP_IS_STALE;
const std::string_view kStampUse =
    "UPDATE entry_use SET last_used_unix_s = ?2 WHERE digest = ?1 AND " SINTER_STAMP_IS_STALE;
const std::string_view kScanUses =
    "SELECT digest, last_used_unix_s, bytes, generation, pinned FROM entry_use WHERE digest > ?1 ORDER BY digest "
    "LIMIT ?2";
const std::string_view kTakeUse =
    "DELETE FROM entry_use WHERE digest = ?1 AND pinned = 0 AND last_used_unix_s = ?2";
const std::string_view kGetMaker = "SELECT spec, backend, compiler FROM entry WHERE digest = ?1";
const std::string_view kSetPin =
    "INSERT INTO entry_use (digest, last_used_unix_s, bytes, generation, pinned) "
    "SELECT digest, ?3, code_bytes, 0, ?2 FROM entry WHERE digest = ?1 "
    "ON CONFLICT (digest) DO UPDATE SET pinned = ?2";
const std::string_view kCountUses = "SELECT count(*) FROM entry_use";
const std::string_view kEntrySpan =
    "SELECT coalesce((SELECT max(rowid) FROM entry) - (SELECT min(rowid) FROM entry) + 1, 0)";
const std::string_view kCountBad = "SELECT count(*) FROM bad";
const std::string_view kDeleteOldestBad = "DELETE FROM bad WHERE id = (SELECT min(id) FROM bad)";

const std::string_view kListEntries =
    "SELECT digest, spec, family, arch, format, backend, compiler, code_bytes, created_unix_s, compile_ms FROM entry "
    "ORDER BY family, arch, spec, digest";
const std::string_view kListRows = "SELECT rowid FROM entry ORDER BY rowid";
const std::string_view kListRowsByKey = "SELECT rowid, arch, family FROM entry ORDER BY digest";
const std::string_view kFindRows = "SELECT rowid FROM entry WHERE digest BETWEEN ?1 AND ?2 LIMIT 2";
const std::string_view kGetWholeEntry = "SELECT " SINTER_ALL_COLUMNS " FROM entry WHERE rowid = ?1";
const std::string_view kListUses = "SELECT digest, last_used_unix_s, pinned FROM entry_use";
const std::string_view kListFacts = "SELECT digest, facts FROM entry";
const std::string_view kListFailures =
    "SELECT digest, spec, arch, crashed, failed_unix_s, message FROM failure ORDER BY failed_unix_s DESC, id DESC";
const std::string_view kListKeysOfSpec =
    "SELECT digest, key_fields FROM entry WHERE spec = ?1 ORDER BY created_unix_s DESC";
const std::string_view kListSpecs = "SELECT rowid, spec FROM entry WHERE family = ?1 AND arch = ?2";
const std::string_view kListBad = "SELECT digest, spec, reason, found_unix_s FROM bad ORDER BY id DESC";
const std::string_view kQuickCheck = "PRAGMA quick_check(8)";

const std::string_view kGetIdentity = "SELECT identity, checksum FROM compiler_identity WHERE stamp = ?1";
const std::string_view kPutIdentity =
    "INSERT OR REPLACE INTO compiler_identity (stamp, identity, checksum) VALUES (?1, ?2, ?3)";
const std::string_view kTrimIdentity =
    "DELETE FROM compiler_identity WHERE id NOT IN (SELECT id FROM compiler_identity ORDER BY id DESC LIMIT ?1)";

#define SINTER_FAILURE_COLUMNS \
  "digest, key_fields, spec, arch, error_code, crashed, failed_unix_s, message, log, source, checksum"

const std::string_view kGetFailure = "SELECT " SINTER_FAILURE_COLUMNS " FROM failure WHERE digest = ?1";
const std::string_view kPutFailure = "INSERT OR REPLACE INTO failure (" SINTER_FAILURE_COLUMNS
                                     ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const std::string_view kTrimFailure =
    "DELETE FROM failure WHERE id NOT IN (SELECT id FROM failure ORDER BY id DESC LIMIT ?1)";
const std::string_view kDeleteFailure = "DELETE FROM failure WHERE digest BETWEEN ?1 AND ?2";

// Hour: Unix time / 3600, or 0 for all that is older than what is kept hour by hour.
const char* const kMakeUsageTables = R"sql(
CREATE TABLE IF NOT EXISTS counter (
  hour INTEGER NOT NULL,
  name TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (hour, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry_load (
  digest BLOB PRIMARY KEY NOT NULL,
  loads INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

const std::string_view kHasUsageTables =
    "SELECT count(*) FROM sqlite_schema WHERE name IN ('counter', 'entry_load')";
const std::string_view kAddCount =
    "INSERT INTO counter (hour, name, value) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (hour, name) DO UPDATE SET value = value + ?3";
#define SINTER_IS_FOLDED "hour <> 0 AND hour NOT BETWEEN ?1 AND ?2"
const std::string_view kFoldCounts =
    "INSERT INTO counter (hour, name, value) SELECT 0, name, sum(value) FROM counter WHERE " SINTER_IS_FOLDED
    " GROUP BY name ON CONFLICT (hour, name) DO UPDATE SET value = value + excluded.value";
const std::string_view kDropCounts = "DELETE FROM counter WHERE " SINTER_IS_FOLDED;
const std::string_view kListCounts = "SELECT hour, name, value FROM counter ORDER BY hour, name";
const std::string_view kAddLoads =
    "INSERT INTO entry_load (digest, loads) VALUES (?1, ?2) "
    "ON CONFLICT (digest) DO UPDATE SET loads = loads + ?2";
const std::string_view kCountLoads = "SELECT count(*) FROM entry_load";
const std::string_view kTrimLoads =
    "DELETE FROM entry_load WHERE digest NOT IN (SELECT digest FROM entry_load ORDER BY loads DESC LIMIT ?1)";
const std::string_view kListLoads = "SELECT digest, loads FROM entry_load";

const char* const kMakeVerdicts = R"sql(
CREATE TABLE IF NOT EXISTS verdict (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL,
  device TEXT NOT NULL,
  driver TEXT NOT NULL,
  code BLOB NOT NULL,
  version INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  relative_error REAL NOT NULL,
  allowed_relative_error REAL NOT NULL,
  compared INTEGER NOT NULL,
  checked_unix_s INTEGER NOT NULL,
  finding TEXT NOT NULL,
  writer TEXT NOT NULL,
  checksum INTEGER NOT NULL,
  UNIQUE (digest, device, driver)
) STRICT;
)sql";

#define SINTER_VERDICT_COLUMNS \
  "device, driver, code, version, passed, relative_error, allowed_relative_error, compared, checked_unix_s, finding, " \
  "writer, checksum"

const std::string_view kHasVerdicts = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'verdict'";
const std::string_view kListVerdicts =
    "SELECT " SINTER_VERDICT_COLUMNS " FROM verdict WHERE digest = ?1 ORDER BY device, driver";
const std::string_view kPutVerdict = "INSERT OR REPLACE INTO verdict (digest, " SINTER_VERDICT_COLUMNS
                                     ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const std::string_view kTrimVerdicts = "DELETE FROM verdict WHERE id <= (SELECT max(id) FROM verdict) - ?1";
const std::string_view kDeleteVerdicts = "DELETE FROM verdict WHERE digest = ?1";
const std::string_view kDeleteFailedVerdicts = "DELETE FROM verdict WHERE digest BETWEEN ?1 AND ?2 AND passed = 0";

// `record` is the row; what stands before it are copies to look at, and its key.
const char* const kCreateTuning =
    "CREATE TABLE IF NOT EXISTS tuning (decision BLOB PRIMARY KEY NOT NULL, device TEXT NOT NULL, problem TEXT NOT NULL, "
    "record TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT";
const std::string_view kHasTuning = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tuning'";
const std::string_view kListTuning = "SELECT record, checksum FROM tuning ORDER BY decision";
const std::string_view kPutTuning =
    "INSERT OR REPLACE INTO tuning (decision, device, problem, record, checksum) VALUES (?1, ?2, ?3, ?4, ?5)";
const std::string_view kDeleteTuning = "DELETE FROM tuning WHERE decision = ?1";

}  // namespace sinter::schema
