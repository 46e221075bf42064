// SPDX-License-Identifier: Apache-2.0
#include "cache/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "cache/bundle_check.h"
#include "cache/cache_admin.h"
#include "cache/row_signature.h"

namespace sinter {
namespace {

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

/// One cache or bundle, with a place in its rows.
struct Source {
  std::string path;
  std::shared_ptr<const Bundle> bundle;  // As it was believed; null for a cache.
  CacheAdmin admin;
  std::vector<RowInfo> rows;  // by key
  std::size_t next = 0;
  std::optional<EntryRow> current;
};

/// A directory of bundles stands for them.
Result<std::vector<std::string>> expand(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error) || CacheAdmin::exists(path)) {
    return std::vector<std::string>{path};
  }
  std::vector<std::string> bundles;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == kBundleExtension) {
      bundles.push_back(it->path().string());
    }
  }
  if (error || bundles.empty()) {
    return failed(
        fmt::format("{} has neither a kernel cache nor bundles{}", path, error ? ": " + error.message() : ""));
  }
  std::sort(bundles.begin(), bundles.end());
  return bundles;
}

Result<CacheAdmin> open_bundle(const Bundle& bundle) {
  const std::string& path = bundle.path();
  SINTER_TRY(const BundleReport checked, verify_bundle(path));
  if (!checked.rows.ok() || (bundle.manifest() != nullptr && !checked.manifest_problems.empty())) {
    return failed(fmt::format("the bundle {} is damaged, and nothing is merged: sinter cache verify shows how", path));
  }
  return CacheAdmin::open_bundle(path);
}

Result<CacheAdmin> open_cache(const std::string& path, const BundleTrust& trust) {
  if (!trust.allow_shared) {
    SINTER_TRY_VOID(check_only_owner_writes(path));
  }
  SINTER_TRY(CacheAdmin admin, CacheAdmin::open(path));
  SINTER_TRY_VOID(admin.freeze());
  return admin;
}

Result<Source> open_source(const std::string& path, const BundleTrust& trust) {
  std::error_code error;
  std::shared_ptr<const Bundle> bundle;
  if (!std::filesystem::is_directory(path, error)) {
    SINTER_TRY(bundle, Bundle::open(path, trust));
  }
  SINTER_TRY(CacheAdmin admin, bundle ? open_bundle(*bundle) : open_cache(path, trust));
  SINTER_TRY(std::vector<RowInfo> rows, admin.rows_by_key());
  return Source{path, std::move(bundle), std::move(admin), std::move(rows), 0, std::nullopt};
}

}  // namespace

struct CacheMerge::State {
  BundleTrust trust;
  std::vector<Source> sources;
  std::set<std::string> archs;
  std::string arch;
  MergeReport report;

  Result<void> advance(Source& source);
  Result<void> check_believed(const Source& source, const EntryRow& row) const;
};

/// To the next row of the arch that passes its checks.
Result<void> CacheMerge::State::advance(Source& source) {
  source.current.reset();
  while (source.next < source.rows.size() && !source.current) {
    const RowInfo& info = source.rows[source.next++];
    if (info.arch != arch) {
      continue;
    }
    ++report.rows;
    auto row = source.admin.read_row(info.number);
    if (!row) {
      report.damaged.push_back({source.path, "", fmt::format("row {}", info.number), row.error().message});
      continue;
    }
    if (std::string problem = check_whole_entry(*row); !problem.empty()) {
      report.damaged.push_back({source.path, to_hex(row->key), row->spec, std::move(problem)});
      continue;
    }
    SINTER_TRY_VOID(check_believed(source, *row));
    source.current = std::move(*row);
  }
  return {};
}

Result<void> CacheMerge::State::check_believed(const Source& source, const EntryRow& row) const {
  if (source.bundle) {
    return source.bundle->check_promised(row);  // The file may have changed since it was verified.
  }
  if (trust.policy == SignaturePolicy::kNone || is_row_signed(row, *trust.keys)) {
    return {};
  }
  return failed(
      fmt::format("the row {} of {} is not signed by a trusted key, and SINTER_SIGNATURES is {}: merge signed "
                  "bundles (sinter prebuild --out DIR --sign KEY)",
                  to_hex(row.key), source.path, signature_policy_name(trust.policy)));
}

CacheMerge::CacheMerge(std::unique_ptr<State> state) : state_(std::move(state)) {}
CacheMerge::CacheMerge(CacheMerge&&) noexcept = default;
CacheMerge& CacheMerge::operator=(CacheMerge&&) noexcept = default;
CacheMerge::~CacheMerge() = default;

Result<CacheMerge> CacheMerge::open(const std::vector<std::string>& paths, const BundleTrust& trust) {
  auto state = std::make_unique<State>();
  state->trust = trust;
  for (const std::string& path : paths) {
    SINTER_TRY(const std::vector<std::string> files, expand(path));
    for (const std::string& file : files) {
      SINTER_TRY(Source source, open_source(file, trust));
      for (const RowInfo& row : source.rows) {
        state->archs.insert(row.arch);
      }
      state->sources.push_back(std::move(source));
    }
  }
  return CacheMerge(std::move(state));
}

const std::set<std::string>& CacheMerge::archs() const { return state_->archs; }
const MergeReport& CacheMerge::report() const { return state_->report; }

void CacheMerge::start(const std::string& arch) {
  state_->arch = arch;
  for (Source& source : state_->sources) {
    source.next = 0;
    source.current.reset();
  }
}

Result<std::optional<CacheMerge::Row>> CacheMerge::next() {
  Source* first = nullptr;
  for (Source& source : state_->sources) {
    if (!source.current) {
      SINTER_TRY_VOID(state_->advance(source));
    }
    if (source.current && (first == nullptr || source.current->key < first->current->key)) {
      first = &source;
    }
  }
  if (first == nullptr) {
    return std::optional<Row>();
  }
  Row result{std::move(*first->current), first->path};
  first->current.reset();
  for (Source& source : state_->sources) {
    if (!source.current || source.current->key != result.row.key) {
      continue;
    }
    if (source.current->sha256 == result.row.sha256) {
      ++state_->report.duplicates;
    } else {
      state_->report.conflicts.push_back({to_hex(result.row.key), result.row.spec, first->path, source.path});
    }
    source.current.reset();
  }
  return std::optional(std::move(result));
}

}  // namespace sinter
