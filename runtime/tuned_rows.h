// SPDX-License-Identifier: Apache-2.0
#pragma once

// TunedRows: the measured decisions that a runtime goes by. They are read once and then stay: a process chooses the same
// for as long as it lives, and no launch waits for a database.

#include <memory>
#include <mutex>

#include "base/log.h"
#include "base/result.h"
#include "base/settings.h"
#include "codegen/tuned_table.h"

namespace sinter {

/// Thread-safe.
class TunedRows {
 public:
  /// A file that the settings name is read here, since a process that cannot have it would choose otherwise than its
  /// peers. Errors: kInvalidRequest if it cannot be read or parsed.
  static Result<std::unique_ptr<TunedRows>> create(const Settings& settings, const Log& log);

  /// The file's rows. Without one, those of the cache's database, then those of every *.tuned.json in directories of
  /// bundles, by name, read when this is first called; of several for one decision the first counts. What cannot be read
  /// is logged and left out.
  const TunedTable& table();

 private:
  TunedRows(const Settings& settings, const Log& log) : settings_(settings), log_(log) {}
  std::vector<TuningRow> rows_of_cache() const;
  void add_rows_of_bundles(std::vector<TuningRow>& rows) const;
  void use(std::vector<TuningRow> rows);

  const Settings& settings_;
  const Log& log_;
  std::once_flag loaded_;
  TunedTable table_;
};

}  // namespace sinter
