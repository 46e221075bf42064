// SPDX-License-Identifier: Apache-2.0

// Directories, the database, bundles, keys and log files, for `sinter doctor`.

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "cache/bundle.h"
#include "cache/cache_admin.h"
#include "cache/signing_key.h"
#include "tools/sinter/cache_view.h"
#include "tools/sinter/doctor.h"

namespace sinter::cli {

namespace {

/// A kernel is 30 KB or so; with less room than this a cache is as good as full.
constexpr std::int64_t kLittleSpace = std::int64_t{256} << 20;

/// Message and command of an error of base/file.h, which are one text: "...: chmod 700 DIR" is both.
Diagnosis broken(std::string subject, const Error& error, std::string mend = {}) {
  return {std::move(subject), Health::kBroken, error.message, std::move(mend)};
}

std::string file_system_kind(const std::string& path) {
  const std::string_view network = network_file_system_of(path);
  return network.empty() ? "a local file system" : std::string(network);
}

void examine_space(const std::string& directory, std::int64_t max_bytes, Diagnoses& findings) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0) {
    return;
  }
  const auto free = static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
  const std::string limit =
      max_bytes == 0 ? "no limit is set" : fmt::format("the cache may grow to {}", bytes_text(max_bytes));
  findings.push_back({"disk space", free < kLittleSpace ? Health::kBroken : Health::kHealthy,
                      fmt::format("{} free; {}", bytes_text(free), limit),
                      free < kLittleSpace ? fmt::format("make room, or move the cache: SINTER_CACHE_DIR; `sinter cache "
                                                        "gc --max-bytes N --cache {}` shrinks it",
                                                        directory)
                                          : std::string()});
}

void examine_database(const std::string& directory, Diagnoses& findings) {
  if (!CacheAdmin::exists(directory)) {
    findings.push_back({"cache database", Health::kHealthy, "none yet: the first kernel makes it"});
    return;
  }
  auto cache = CacheAdmin::open(directory);
  auto entries = cache ? cache->list() : Result<std::vector<EntryInfo>>(cache.error());
  auto bad = cache ? cache->bad_entries() : Result<std::vector<BadEntry>>(cache.error());
  auto failures = cache ? cache->failures() : Result<std::vector<FailedCompile>>(cache.error());
  if (!entries || !bad || !failures) {
    const Error& error = !entries ? entries.error() : !bad ? bad.error() : failures.error();
    findings.push_back(
        broken("cache database", error,
               "the next process that uses it sets a damaged database aside; `sinter cache verify` says more"));
    return;
  }
  std::int64_t bytes = 0;
  for (const EntryInfo& entry : *entries) {
    bytes += entry.code_bytes;
  }
  findings.push_back(
      {"cache database", Health::kHealthy,
       fmt::format("{} kernels, {} of code in {}", entries->size(), bytes_text(bytes), cache->database_path())});
  if (!bad->empty()) {
    findings.push_back({"damaged kernels", Health::kNote,
                        fmt::format("{} were set aside; the last: {}", bad->size(), bad->front().reason),
                        "sinter cache verify"});
  }
  if (!failures->empty()) {
    findings.push_back({"failed compiles", Health::kNote,
                        fmt::format("{}; the last: {}", failures->size(), failures->front().message),
                        "sinter cache forget"});
  }
}

std::size_t count_databases_aside(const std::string& directory) {
  std::error_code error;
  std::size_t count = 0;
  for (auto file = std::filesystem::directory_iterator(directory, error);
       !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::string name = file->path().filename().string();
    count += name.find(".db.bad-") != std::string::npos && !name.ends_with("-wal") ? 1u : 0u;
  }
  return count;
}

void examine_cache(const Settings& settings, Diagnoses& findings) {
  const std::string& directory = settings.cache_dir;
  if (directory.empty()) {
    findings.push_back({"cache directory", Health::kBroken, "none: HOME is not set, so kernels are kept in memory only",
                        "export SINTER_CACHE_DIR=/var/cache/sinter"});
    return;
  }
  if (auto made = make_private_directories(directory); !made) {
    findings.push_back(
        broken("cache directory", made.error(), "export SINTER_CACHE_DIR=<a directory that you may write>"));
    return;
  }
  if (auto checked = check_private_directory(directory); !checked && !settings.shared_cache_dir) {
    findings.push_back(broken("cache directory", checked.error(), fmt::format("chmod 700 {}", directory)));
    return;
  }
  if (::access(directory.c_str(), W_OK) != 0) {
    findings.push_back({"cache directory", Health::kBroken,
                        fmt::format("{} may not be written: {}", directory, errno_text(errno)),
                        fmt::format("chown {} {}", ::getuid(), directory)});
    return;
  }
  const bool is_network = !network_file_system_of(directory).empty();
  findings.push_back({"cache directory", is_network ? Health::kNote : Health::kHealthy,
                      fmt::format("{} on {}{}", directory, file_system_kind(directory),
                                  is_network ? ": used without a write-ahead log, slower and with more waiting" : ""),
                      is_network ? "export SINTER_CACHE_DIR=<a local directory>, and ship kernels as bundles" : ""});
  examine_space(directory, settings.cache_max_bytes, findings);
  if (const std::size_t aside = count_databases_aside(directory); aside > 0) {
    findings.push_back({"damaged databases", Health::kNote, fmt::format("{} were set aside in {}", aside, directory),
                        fmt::format("rm {}/sinter-v2.db.bad-*", directory)});
  }
  examine_database(directory, findings);
}

void examine_keys(const Settings& settings, TrustedKeys& trusted, Diagnoses& findings) {
  if (!settings.signing_key.empty()) {
    if (auto key = SigningKey::load(settings.signing_key); key) {
      findings.push_back({"signing key", Health::kHealthy, settings.signing_key});
    } else {
      findings.push_back(broken("signing key", key.error(), "sinter key generate FILE"));
    }
  }
  auto loaded = TrustedKeys::load(settings.trusted_keys);
  if (!loaded) {
    findings.push_back(broken("trusted keys", loaded.error()));
    return;
  }
  trusted = std::move(*loaded);
  const bool needs_some = settings.signatures != SignaturePolicy::kNone;
  const bool is_broken = needs_some && trusted.keys().empty();
  findings.push_back(
      {"trusted keys", is_broken ? Health::kBroken : Health::kHealthy,
       fmt::format("{}; signatures are asked for of {}", trusted.keys().empty() ? "none" : settings.trusted_keys,
                   settings.signatures == SignaturePolicy::kAll      ? "everything"
                   : settings.signatures == SignaturePolicy::kSigned ? "bundles and imports"
                                                                     : "nothing"),
       is_broken ? "sinter key trust FILE.pub" : ""});
}

std::vector<std::string> bundle_files(const std::string& place) {
  std::error_code error;
  if (!std::filesystem::is_directory(place, error)) {
    return {place};
  }
  std::vector<std::string> files;
  for (auto file = std::filesystem::directory_iterator(place, error);
       !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    if (file->path().extension() == kBundleExtension) {
      files.push_back(file->path().string());
    }
  }
  return files;
}

void examine_bundles(const Settings& settings, const TrustedKeys& trusted, Diagnoses& findings) {
  const BundleTrust trust{settings.signatures, &trusted, settings.shared_cache_dir};
  for (const std::string& place : settings.bundles) {
    const std::vector<std::string> files = bundle_files(place);
    if (files.empty()) {
      findings.push_back({"bundle", Health::kBroken, fmt::format("{} holds no *{} file", place, kBundleExtension),
                          "sinter cache export --out " + place});
    }
    for (const std::string& file : files) {
      const auto bundle = Bundle::open(file, trust);
      const auto rows = CacheAdmin::open_bundle(file);
      if (!bundle || !rows) {
        findings.push_back(
            broken("bundle", !bundle ? bundle.error() : rows.error(),
                   "correct SINTER_BUNDLES, or make the bundle again: `sinter cache verify " + file + "` says more"));
        continue;
      }
      findings.push_back({"bundle", Health::kHealthy,
                          fmt::format("{}{}", file, (*bundle)->manifest() == nullptr ? ", without a manifest" : "")});
    }
  }
}

void examine_run_directory(const Settings& settings, Diagnoses& findings) {
  if (settings.run_dir.empty()) {
    findings.push_back({"run directory", Health::kNote,
                        "none: processes of this node do not share one budget of compile workers",
                        "export SINTER_RUN_DIR=/run/user/$(id -u)/sinter"});
    return;
  }
  auto usable = make_private_directories(settings.run_dir);
  if (usable) {
    usable = check_private_directory(settings.run_dir);
  }
  if (!usable) {
    findings.push_back(
        broken("run directory", usable.error(),
               fmt::format("chmod 700 {}, or export SINTER_RUN_DIR=<a directory of your own>", settings.run_dir)));
    return;
  }
  findings.push_back({"run directory", Health::kHealthy, settings.run_dir});
}

void examine_log_files(const Settings& settings, Diagnoses& findings) {
  const std::pair<std::string_view, const std::string*> files[] = {{"SINTER_WORKER_LOG", &settings.worker_log},
                                                                   {"SINTER_TRACE", &settings.trace_file},
                                                                   {"SINTER_LAUNCH_LOG", &settings.launch_log}};
  for (const auto& [variable, path] : files) {
    if (path->empty()) {
      continue;
    }
    const std::filesystem::path directory = std::filesystem::path(*path).parent_path();
    const bool writable = ::access(path->c_str(), W_OK) == 0 ||
                          (errno == ENOENT && ::access(directory.empty() ? "." : directory.c_str(), W_OK) == 0);
    findings.push_back({"log file", writable ? Health::kHealthy : Health::kBroken,
                        fmt::format("{} {}{}", variable, *path, writable ? "" : " cannot be written"),
                        writable ? "" : fmt::format("mkdir -p {}", directory.string())});
  }
}

}  // namespace

void examine_storage(const Settings& settings, Diagnoses& findings) {
  examine_cache(settings, findings);
  TrustedKeys trusted;
  examine_keys(settings, trusted, findings);
  examine_bundles(settings, trusted, findings);
  examine_run_directory(settings, findings);
  examine_log_files(settings, findings);
}

}  // namespace sinter::cli
