// SPDX-License-Identifier: Apache-2.0
#include "runtime/tuned_rows.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/read_file.h"
#include "cache/tuning_store.h"

namespace sinter {

namespace {

constexpr std::string_view kExtension = ".tuned.json";

Result<std::vector<TuningRow>> read_file(const std::string& path) {
  SINTER_TRY(const std::string text, read_text_file(path));
  return parse_tuning_file(text, path);
}

std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (std::string path = it->path().string(); path.ends_with(kExtension)) {
      paths.push_back(std::move(path));
    }
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

Result<std::unique_ptr<TunedRows>> TunedRows::create(const Settings& settings, const Log& log) {
  std::unique_ptr<TunedRows> rows(new TunedRows(settings, log));
  if (settings.tuned_file) {
    std::vector<TuningRow> read;
    if (!settings.tuned_file->empty()) {
      SINTER_TRY(read, read_file(*settings.tuned_file));
    }
    std::call_once(rows->loaded_, [&] { rows->use(std::move(read)); });
  }
  return rows;
}

const TunedTable& TunedRows::table() {
  std::call_once(loaded_, [this] {
    std::vector<TuningRow> rows = rows_of_cache();
    add_rows_of_bundles(rows);
    use(std::move(rows));
  });
  return table_;
}

std::vector<TuningRow> TunedRows::rows_of_cache() const {
  auto stored = read_tuning({settings_.cache_dir, settings_.shared_cache_dir});
  if (!stored) {
    log_.warn(stored.error().message);
    return {};
  }
  for (const std::string& problem : stored->problems) {
    log_.warn(problem);
  }
  return std::move(stored->rows);
}

void TunedRows::add_rows_of_bundles(std::vector<TuningRow>& rows) const {
  for (const std::string& place : settings_.bundles) {
    for (const std::string& path : files_in(place)) {
      if (auto read = read_file(path); read) {
        std::ranges::move(*read, std::back_inserter(rows));
      } else {
        log_.warn(fmt::format("tuned rows are left out: {}", read.error().message));
      }
    }
  }
}

void TunedRows::use(std::vector<TuningRow> rows) {
  table_ = TunedTable(std::move(rows));
  if (table_.size() > 0) {
    log_.info(fmt::format("choosing by {} tuned rows, digest {}", table_.size(), table_.digest().substr(0, 16)));
  }
}

}  // namespace sinter
