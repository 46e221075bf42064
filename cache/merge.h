// SPDX-License-Identifier: Apache-2.0
#pragma once

// Several caches and bundles as one: what machines built apart, brought together. The rows come in the order of their
// keys, each checked, so that they can be stored or written to a bundle one by one however many there are.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/bundle.h"
#include "cache/entry_row.h"

namespace sinter {

/// Two sources have different code for one key. The same source, options and compiler build should not give that.
struct MergeConflict {
  std::string key;  ///< Hex digest.
  std::string spec;
  std::string kept, dropped;  ///< Paths of the sources; the one that was named first is kept.
};

/// A row that failed its checks. It is left out.
struct MergeDamage {
  std::string source, key, spec, reason;
};

struct MergeReport {
  std::int64_t rows = 0;        ///< Read, from all sources.
  std::int64_t duplicates = 0;  ///< Of these, the same in an earlier source.
  std::vector<MergeConflict> conflicts;
  std::vector<MergeDamage> damaged;
};

/// Not thread-safe. Every source is seen in one state, however others write.
class CacheMerge {
 public:
  /// A row and whence it came.
  struct Row {
    EntryRow row;
    std::string source;
  };

  /// `paths`: cache directories, bundles, and directories of bundles (their *.sinter, by name). Bundles are verified
  /// whole. Errors: kCacheError for a source that is missing, damaged, or not to be believed: `trust` says when, and
  /// under a policy of signatures each row of a cache directory must be signed by a trusted key.
  static Result<CacheMerge> open(const std::vector<std::string>& paths, const BundleTrust& trust);
  CacheMerge(CacheMerge&&) noexcept;
  CacheMerge& operator=(CacheMerge&&) noexcept;
  ~CacheMerge();

  /// Of all rows.
  const std::set<std::string>& archs() const;

  /// From here on next() gives the rows of this arch, each key once.
  void start(const std::string& arch);
  /// nullopt at the end. Errors: kCacheError when a source cannot be read, or a row of it is not signed as it must be or
  /// not the one that its bundle had when it was opened.
  Result<std::optional<Row>> next();

  const MergeReport& report() const;

 private:
  struct State;
  explicit CacheMerge(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sinter
