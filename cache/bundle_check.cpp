// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle_check.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "cache/bundle_writer.h"
#include "cache/entry_row.h"
#include "cache/row_import.h"

namespace sinter {
namespace {

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

/// Both are sorted by key, so that neither is ever searched.
void compare_rows(CacheAdmin& bundle, const std::vector<RowInfo>& rows, BundleReport& report) {
  auto promised = report.manifest->entries.begin();
  const auto end = report.manifest->entries.end();
  const auto missing = [&] {
    report.manifest_problems.push_back(
        fmt::format("{} is listed, but missing in the bundle", to_hex(promised->key)));
    ++promised;
  };
  for (const RowInfo& info : rows) {
    const auto row = bundle.read_row(info.number);
    if (!row) {
      continue;  // verify() has it.
    }
    while (promised != end && promised->key < row->key) {
      missing();
    }
    if (promised == end || promised->key != row->key) {
      report.manifest_problems.push_back(fmt::format("{} is in the bundle, but not listed", to_hex(row->key)));
      continue;
    }
    const auto facts = code_facts_from_json(row->facts);
    const std::string difference =
        row_disagreement(*promised, row->sha256, row->code.size(), facts ? facts->target : std::string());
    if (!difference.empty()) {
      report.manifest_problems.push_back(fmt::format("{}: {}", to_hex(row->key), difference));
    }
    ++promised;
  }
  while (promised != end) {
    missing();
  }
}

std::string complaint(const std::string& path, const BundleReport& report) {
  const std::string first = !report.rows.file_problems.empty() ? report.rows.file_problems.front()
                            : !report.rows.damaged.empty()     ? report.rows.damaged.front().reason
                                                               : report.manifest_problems.front();
  return fmt::format("the bundle {} is damaged, and nothing of it is imported: {} ({} problems in all; sinter cache "
                     "verify shows them)",
                     path, first,
                     report.rows.file_problems.size() + report.rows.damaged.size() + report.manifest_problems.size());
}

}  // namespace

Result<BundleReport> verify_bundle(const std::string& path) {
  SINTER_TRY(CacheAdmin bundle, CacheAdmin::open_bundle(path));
  BundleReport report;
  SINTER_TRY(report.rows, bundle.verify());
  if (!file_id(path + std::string(kManifestExtension))) {
    report.manifest_problems.push_back(fmt::format("there is no {}{}", path, kManifestExtension));
    return report;
  }
  auto manifest = read_manifest(path);
  if (!manifest) {
    report.manifest_problems.push_back(manifest.error().message);
    return report;
  }
  report.manifest = std::move(*manifest);
  if (const auto same = check_bundle_file(path, report.manifest->header); !same) {
    report.manifest_problems.push_back(same.error().message);
  }
  SINTER_TRY(const std::vector<RowInfo> rows, bundle.rows_by_key());
  for (const RowInfo& row : rows) {
    if (row.arch != report.manifest->header.arch) {
      report.manifest_problems.push_back(
          fmt::format("row {} is for {}, the bundle for {}", row.number, row.arch, report.manifest->header.arch));
    }
  }
  compare_rows(bundle, rows, report);
  return report;
}

std::vector<TrustedKey> trusted_signers(const Manifest& manifest, const TrustedKeys& trusted) {
  const std::string message = signed_part(manifest);
  std::vector<TrustedKey> signers;
  for (const TrustedKey& key : trusted.keys()) {
    for (const Signature& signature : manifest.signatures) {
      if (signature.key == key.key.id() && verify_signature(key.key, as_bytes(message), signature)) {
        signers.push_back(key);
      }
    }
  }
  return signers;
}

Result<ImportReport> import_bundle(const Bundle& bundle, const RowSignatures& signatures, SqliteStore& store) {
  const std::string& path = bundle.path();
  SINTER_TRY(const BundleReport checked, verify_bundle(path));
  const bool manifest_is_missing = bundle.manifest() == nullptr;
  if (!checked.rows.ok() || (!manifest_is_missing && !checked.manifest_problems.empty())) {
    return failed(complaint(path, checked));
  }
  ImportReport report;
  report.name = manifest_is_missing ? std::filesystem::path(path).stem().string() : bundle.manifest()->header().name;
  SINTER_TRY(CacheAdmin admin, CacheAdmin::open_bundle(path));
  SINTER_TRY(const std::vector<RowInfo> rows, admin.rows_by_key());
  for (const RowInfo& info : rows) {
    SINTER_TRY(EntryRow row, admin.read_row(info.number));
    // Once more: the file may have changed since it was verified.
    if (std::string problem = check_whole_entry(row); !problem.empty()) {
      return failed(fmt::format("the row {} of {} is damaged: {}", to_hex(row.key), path, problem));
    }
    SINTER_TRY_VOID(bundle.check_promised(row));
    SINTER_TRY(const RowImport outcome,
               import_row(std::move(row), fmt::format("import {}", report.name), path, signatures, store));
    (outcome == RowImport::kStored ? report.imported : report.already_there) += 1;
  }
  return report;
}

}  // namespace sinter
