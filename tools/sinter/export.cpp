// SPDX-License-Identifier: Apache-2.0

// sinter cache export | import | sign | verify-sig, and verify of a bundle: kernels as files that can be shipped.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cache/bundle_check.h"
#include "cache/bundle_writer.h"
#include "cache/row_signature.h"
#include "tools/sinter/bundle_commands.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct BundleCommand {
  CommonOptions common;
  std::string out, name = "kernels";
  std::string arch, family;
  std::string key_file;
  std::int64_t created_unix_s = 0;
  std::vector<std::string> files;
};

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

std::string dump(const ordered_json& value) { return value.dump(2, ' ', false, ordered_json::error_handler_t::replace); }

ordered_json ids_of(const std::vector<Signature>& signatures) {
  auto ids = ordered_json::array();
  for (const Signature& signature : signatures) {
    ids.push_back(to_hex(signature.key));
  }
  return ids;
}

// --- export ---

/// Row numbers by arch, each in the order of keys.
Result<std::map<std::string, std::vector<std::int64_t>>> rows_to_export(CacheAdmin& cache, const BundleCommand& options) {
  SINTER_TRY(const std::vector<RowInfo> rows, cache.rows_by_key());
  std::map<std::string, std::vector<std::int64_t>> archs;
  for (const RowInfo& row : rows) {
    if ((options.arch.empty() || row.arch == options.arch) && (options.family.empty() || row.family == options.family)) {
      archs[row.arch].push_back(row.number);
    }
  }
  if (archs.empty()) {
    return make_error(ErrorCode::kCacheError, fmt::format("{} has no such entry to export", cache.database_path()));
  }
  return archs;
}

Result<std::vector<WrittenBundle>> export_cache(const BundleCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  if (settings.cache_dir.empty()) {
    return invalid("no cache directory: HOME is not set; give --cache DIR or set SINTER_CACHE_DIR");
  }
  std::optional<SigningKey> key;
  if (!options.key_file.empty()) {
    SINTER_TRY(key, SigningKey::load(options.key_file));
  }
  SINTER_TRY(CacheAdmin cache, CacheAdmin::open(settings.cache_dir));
  SINTER_TRY_VOID(cache.freeze());
  SINTER_TRY(const auto archs, rows_to_export(cache, options));
  std::vector<WrittenBundle> bundles;
  for (const auto& [arch, numbers] : archs) {
    auto next = numbers.begin();
    const RowSource rows = [&]() -> Result<std::optional<EntryRow>> {
      if (next == numbers.end()) {
        return std::optional<EntryRow>();
      }
      SINTER_TRY(EntryRow row, cache.read_row(*next++));
      return std::optional(std::move(row));
    };
    SINTER_TRY(WrittenBundle written, write_bundle(rows, {.directory = options.out,
                                                          .name = options.name,
                                                          .arch = arch,
                                                          .created_unix_s = options.created_unix_s,
                                                          .key = key ? &*key : nullptr}));
    bundles.push_back(std::move(written));
  }
  return bundles;
}

int export_command(const BundleCommand& options) {
  const auto bundles = export_cache(options);
  if (!bundles) {
    return fail(bundles.error(), options.common.json);
  }
  auto array = ordered_json::array();
  for (const WrittenBundle& bundle : *bundles) {
    const ManifestHeader& header = bundle.manifest.header;
    array.push_back({{"path", bundle.path},
                     {"manifest", bundle.path + std::string(kManifestExtension)},
                     {"arch", header.arch},
                     {"entries", header.entries},
                     {"bytes", header.file_bytes},
                     {"sha256", to_hex(header.file_sha256)},
                     {"signed_by", ids_of(bundle.manifest.signatures)}});
    if (!options.common.json) {
      fmt::print("{}: {} kernels for {}, {} bytes, {}\n", bundle.path, header.entries, header.arch, header.file_bytes,
                 bundle.manifest.signatures.empty() ? "not signed" : "signed by " + to_hex(bundle.manifest.signatures[0].key));
    }
  }
  if (options.common.json) {
    fmt::print("{}\n", dump({{"bundles", array}}));
  }
  return kGood;
}

// --- import ---

Result<std::vector<ImportReport>> import_files(const BundleCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  if (settings.cache_dir.empty()) {
    return invalid("no cache directory: HOME is not set; give --cache DIR or set SINTER_CACHE_DIR");
  }
  SINTER_TRY(RowSignatures loaded, row_signatures(settings));
  const auto signatures = std::make_shared<const RowSignatures>(std::move(loaded));
  SqliteStore store({.directory = settings.cache_dir,
                     .allow_shared_directory = settings.shared_cache_dir,
                     .busy_timeout = std::chrono::seconds(5),
                     .signatures = signatures},
                    [](const std::string& problem) { fmt::print(stderr, "sinter: {}\n", problem); });
  const BundleTrust trust{settings.signatures, &signatures->trusted, settings.shared_cache_dir};
  std::vector<ImportReport> reports;
  for (const std::string& file : options.files) {
    SINTER_TRY(const auto bundle, Bundle::open(file, trust));
    SINTER_TRY(ImportReport report, import_bundle(*bundle, *signatures, store));
    reports.push_back(std::move(report));
  }
  return reports;
}

int import_command(const BundleCommand& options) {
  const auto reports = import_files(options);
  if (!reports) {
    return fail(reports.error(), options.common.json);
  }
  auto array = ordered_json::array();
  for (std::size_t i = 0; i < reports->size(); ++i) {
    const ImportReport& report = (*reports)[i];
    array.push_back({{"path", options.files[i]},
                     {"name", report.name},
                     {"imported", report.imported},
                     {"already_there", report.already_there}});
    if (!options.common.json) {
      fmt::print("{}: {} kernels imported, {} were there already\n", options.files[i], report.imported, report.already_there);
    }
  }
  if (options.common.json) {
    fmt::print("{}\n", dump({{"files", array}}));
  }
  return kGood;
}

// --- sign and verify-sig ---

Result<Manifest> sign_checked(const BundleCommand& options) {
  SINTER_TRY(const SigningKey key, SigningKey::load(options.key_file));
  // A signature says that somebody looked: what is damaged is not signed.
  SINTER_TRY(const BundleReport report, verify_bundle(options.files.front()));
  if (!report.ok()) {
    return make_error(ErrorCode::kCacheError, fmt::format("{} is not signed, since it is damaged: sinter cache verify shows how",
                                                          options.files.front()));
  }
  return sign_bundle(options.files.front(), key);
}

int sign_command(const BundleCommand& options) {
  const auto manifest = sign_checked(options);
  if (!manifest) {
    return fail(manifest.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", dump({{"path", options.files.front()}, {"signed_by", ids_of(manifest->signatures)}}));
  } else {
    fmt::print("{}: signed by {}\n", options.files.front(), fmt::join(ids_of(manifest->signatures).get<std::vector<std::string>>(), " "));
  }
  return kGood;
}

struct SignatureCheck {
  Manifest manifest;
  std::vector<TrustedKey> signers;
};

Result<SignatureCheck> check_signatures(const BundleCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  SINTER_TRY(const TrustedKeys trusted, TrustedKeys::load(settings.trusted_keys));
  SINTER_TRY(Manifest manifest, read_manifest(options.files.front()));
  SINTER_TRY_VOID(check_bundle_file(options.files.front(), manifest.header));
  std::vector<TrustedKey> signers = trusted_signers(manifest, trusted);
  return SignatureCheck{std::move(manifest), std::move(signers)};
}

int verify_sig_command(const BundleCommand& options) {
  const auto check = check_signatures(options);
  if (!check) {
    return fail(check.error(), options.common.json);
  }
  const std::string& path = options.files.front();
  const bool good = !check->signers.empty();
  if (options.common.json) {
    auto signers = ordered_json::array();
    for (const TrustedKey& key : check->signers) {
      signers.push_back({{"key", to_hex(key.key.id())}, {"path", key.path}});
    }
    fmt::print("{}\n", dump({{"path", path}, {"signed_by", ids_of(check->manifest.signatures)}, {"trusted_signers", signers}, {"ok", good}}));
  } else if (good) {
    fmt::print("{}: signed by {} ({})\n", path, to_hex(check->signers.front().key.id()), check->signers.front().path);
  } else if (check->manifest.signatures.empty()) {
    fmt::print("{}: not signed\n", path);
  } else {
    fmt::print("{}: signed by {}, which is not trusted or did not sign this: sinter key list shows the trusted keys\n", path,
               fmt::join(ids_of(check->manifest.signatures).get<std::vector<std::string>>(), " "));
  }
  return good ? kGood : kProblem;
}

/// The time of reproducible builds (reproducible-builds.org/specs/source-date-epoch).
void add_source_date(CLI::App& command, BundleCommand& options) {
  command.add_option("--created", options.created_unix_s, "time of each entry, in seconds since 1970")
      ->envname("SOURCE_DATE_EPOCH")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS");
}

}  // namespace

Result<RowSignatures> row_signatures(const Settings& settings) {
  RowSignatures signatures;
  signatures.policy = settings.signatures;
  if (settings.signatures != SignaturePolicy::kNone) {
    SINTER_TRY(signatures.trusted, TrustedKeys::load(settings.trusted_keys));
  }
  if (!settings.signing_key.empty()) {
    SINTER_TRY(signatures.key, SigningKey::load(settings.signing_key));
  }
  return signatures;
}

int verify_bundle_file(const std::string& path, bool json) {
  const auto report = verify_bundle(path);
  if (!report) {
    return fail(report.error(), json);
  }
  if (json) {
    auto damaged = ordered_json::array();
    for (const BadEntry& entry : report->rows.damaged) {
      damaged.push_back({{"key", entry.key}, {"spec", entry.spec}, {"reason", entry.reason}});
    }
    fmt::print("{}\n", dump({{"bundle", path},
                             {"checked", report->rows.checked},
                             {"damaged", damaged},
                             {"file_problems", report->rows.file_problems},
                             {"manifest_problems", report->manifest_problems},
                             {"signed_by", report->manifest ? ids_of(report->manifest->signatures) : ordered_json::array()},
                             {"ok", report->ok()}}));
    return report->ok() ? kGood : kProblem;
  }
  for (const std::string& problem : report->rows.file_problems) {
    fmt::print("{}: {}\n", path, problem);
  }
  for (const BadEntry& entry : report->rows.damaged) {
    fmt::print("{} {}: {}\n", entry.key.substr(0, 12), entry.spec, entry.reason);
  }
  for (const std::string& problem : report->manifest_problems) {
    fmt::print("manifest: {}\n", problem);
  }
  fmt::print("{} entries checked, {} damaged, {} problems of the manifest, in {}\n", report->rows.checked, report->rows.damaged.size(),
             report->manifest_problems.size(), path);
  return report->ok() ? kGood : kProblem;
}

void add_cache_bundles(CLI::App& cache_command, int& status) {
  auto options = std::make_shared<BundleCommand>();

  CLI::App* command = cache_command.add_subcommand("export", "Write bundles, one for each arch: files to ship and to mount read-only");
  command->add_option("--out", options->out, "directory for the bundles")->required()->type_name("DIR");
  command->add_option("--name", options->name, "name of the bundles: NAME-ARCH.sinter (default: kernels)");
  command->add_option("--arch", options->arch, "only this arch");
  command->add_option("--family", options->family, "only this family");
  command->add_option("--sign", options->key_file, "private key that signs the manifests")->type_name("KEYFILE");
  add_source_date(*command, *options);
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = export_command(*options); });

  command = cache_command.add_subcommand("import", "Copy the kernels of bundles into the cache, each checked");
  command->add_option("files", options->files, "bundles")->required()->type_name("FILE");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = import_command(*options); });

  command = cache_command.add_subcommand("sign", "Check a bundle whole and sign its manifest");
  command->add_option("file", options->files, "the bundle")->required()->expected(1)->type_name("FILE");
  command->add_option("--key", options->key_file, "private key")->required()->type_name("KEYFILE");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = sign_command(*options); });

  command = cache_command.add_subcommand("verify-sig", "Say whether a trusted key signed a bundle");
  command->add_option("file", options->files, "the bundle")->required()->expected(1)->type_name("FILE");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = verify_sig_command(*options); });
}

}  // namespace sinter::cli
