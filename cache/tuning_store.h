// SPDX-License-Identifier: Apache-2.0
#pragma once

// TuningStore: the tuned rows of a cache directory, in the table `tuning` of its database. Rows are read all at once,
// when a process starts to choose, and never on the way to a launch; only tools write.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codegen/tuning_row.h"

namespace sinter {

struct TuningStoreOptions {
  std::string directory;                ///< The cache's.
  bool allow_shared_directory = false;  ///< See CacheOptions.
};

struct StoredTuning {
  std::vector<TuningRow> rows;        ///< By decision.
  std::vector<std::string> problems;  ///< One sentence for each row that is damaged and left out.
};

/// All rows. Makes nothing, works on read-only media and beside writers, and opens no connection to a database that was
/// never tuned: a new process's first kernel should not wait for one.
/// A directory that others may write has no rows; the cache says why it is not used. Errors: kCacheError for a database
/// that cannot be read.
Result<StoredTuning> read_tuning(const TuningStoreOptions& options);

/// Stores rows, all or none, each in place of an older one of its decision. The database is made if there is none.
/// `on_problem` as for the cache. Errors: kCacheError.
Result<void> write_tuning(const TuningStoreOptions& options, const std::vector<TuningRow>& rows,
                          const std::function<void(std::string)>& on_problem);

/// Removes the rows of these decisions, all or none; gives how many there were. Errors: kCacheError.
Result<std::int64_t> forget_tuning(const TuningStoreOptions& options, const std::vector<Digest>& decisions,
                                   const std::function<void(std::string)>& on_problem);

}  // namespace sinter
