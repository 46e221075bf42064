// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <span>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/read_file.h"
#include "cache/bundle.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"

namespace sinter {
namespace {

constexpr mode_t kPublicFile = 0644;
constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{32} << 30;

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }
Error failed(std::string_view action, const std::string& path) {
  return failed(fmt::format("cannot {} {}: {}", action, path, errno_text(errno)));
}

/// A file that is not there yet: it gets its name when it is whole, or goes.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(std::string path)
      : path_(std::move(path)), temporary_(fmt::format("{}.unfinished-{}", path_, ::getpid())) {
    ::unlink(temporary_.c_str());  // Of a process that had this number and was killed.
  }
  ~UnfinishedFile() {
    if (!finished_) {
      ::unlink(temporary_.c_str());
    }
  }
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  const std::string& path() const { return temporary_; }

  /// The bytes reach the disk before the name does.
  Result<void> flush() const {
    const Descriptor file(::open(temporary_.c_str(), O_RDWR | O_CLOEXEC));
    if (!file.is_open() || ::fchmod(file.get(), kPublicFile) != 0 || ::fsync(file.get()) != 0) {
      return failed("write", temporary_);
    }
    return {};
  }
  Result<void> rename() {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return failed("rename", temporary_);
    }
    finished_ = true;
    return {};
  }

 private:
  const std::string path_, temporary_;
  bool finished_ = false;
};

struct FileDigest {
  Digest sha256;
  std::int64_t bytes = 0;
};

Result<FileDigest> digest_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    return failed("read", path);
  }
  Sha256 sha;
  FileDigest result;
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return failed("read", path);
    }
    if (size == 0) {
      break;
    }
    sha.add(std::span(buffer).first(static_cast<std::size_t>(size)));
    result.bytes += size;
  }
  result.sha256 = sha.finish();
  return result;
}

Result<void> write_whole(const std::string& path, std::string_view text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kPublicFile));
  if (!file.is_open()) {
    return failed("write", path);
  }
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return failed("write", path);
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

/// Renames are kept by a power cut only when their directory is written, too.
Result<void> flush_directory(const std::string& directory) {
  const Descriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.is_open() || (::fsync(file.get()) != 0 && errno != EINVAL)) {
    return failed("write", directory);
  }
  return {};
}

/// Checks a row and leaves out what differs between two builds of it.
Result<ManifestEntry> normalize(EntryRow& row, const BundleOptions& options) {
  const auto refused = [&](std::string_view reason) {
    return failed(fmt::format("the entry {} ({}) cannot go into a bundle: {}", to_hex(row.key).substr(0, 16), row.spec,
                              reason));
  };
  if (const std::string problem = check_whole_entry(row); !problem.empty()) {
    return refused(problem);
  }
  if (row.arch != options.arch) {
    return refused(fmt::format("it is for {}, the bundle for {}", row.arch, options.arch));
  }
  SINTER_TRY(CodeFacts facts, code_facts_from_json(row.facts));
  const ManifestEntry entry{row.key, row.sha256, std::move(facts.target), row.code_bytes};
  if (!is_manifest_target(entry.target)) {
    return refused(fmt::format("a manifest cannot hold its target '{}'", entry.target));
  }
  row.compile_ms = 0;
  row.created_unix_s = options.created_unix_s;
  row.origin = fmt::format("bundle {}", options.name);
  reseal_entry(row);
  return entry;
}

Result<std::vector<ManifestEntry>> fill(Database& database, const std::string& path, const RowSource& rows,
                                        const BundleOptions& options) {
  const auto check = [&](const DbStatus& status) {
    return status.ok() ? Result<void>() : failed(fmt::format("cannot write {}: {}", path, status.text()));
  };
  SINTER_TRY_VOID(check(database.execute(schema::kBeforeCreateBundle)));
  Transaction transaction(database);
  SINTER_TRY_VOID(check(transaction.begin_write()));
  SINTER_TRY_VOID(check(database.execute(schema::kCreateBundle)));
  std::vector<ManifestEntry> entries;
  {
    Statement put;
    SINTER_TRY_VOID(check(database.prepare(schema::kPutEntry, put)));
    for (;;) {
      SINTER_TRY(std::optional<EntryRow> row, rows());
      if (!row) {
        break;
      }
      SINTER_TRY(ManifestEntry entry, normalize(*row, options));
      if (!entries.empty() && entries.back().key >= entry.key) {
        return failed(fmt::format("the entry {} is not in order", to_hex(entry.key)));
      }
      entries.push_back(std::move(entry));
      StatementScope scope(put);
      bind_entry_row(put, *row);
      if (put.step() == Step::kFailed) {
        return check(put.status()).error();
      }
    }
  }
  if (entries.empty() || entries.size() > static_cast<std::size_t>(manifest::kMaxEntries)) {
    return failed(fmt::format("{} entries for {}: a bundle has 1 to {}", entries.size(), options.arch,
                              manifest::kMaxEntries));
  }
  SINTER_TRY_VOID(check(transaction.commit()));
  return entries;
}

void add_signature(Manifest& manifest, const SigningKey& key) {
  std::erase_if(manifest.signatures, [&](const Signature& other) { return other.key == key.public_key().id(); });
  manifest.signatures.push_back(key.sign(as_bytes(signed_part(manifest))));
  std::sort(manifest.signatures.begin(), manifest.signatures.end(),
            [](const Signature& a, const Signature& b) { return a.key < b.key; });
}

}  // namespace

Result<WrittenBundle> write_bundle(const RowSource& rows, const BundleOptions& options) {
  if (!is_bundle_name(options.name) || !is_bundle_name(options.arch)) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("'{}' for '{}' is no name of a bundle: up to {} letters, digits, '.', '_', '+' and "
                                  "'-' are, the first a letter, digit, '_' or '+'",
                                  options.name, options.arch, manifest::kMaxNameBytes));
  }
  SINTER_TRY_VOID(make_public_directories(options.directory));
  WrittenBundle written;
  written.path = bundle_path(options.directory, options.name, options.arch);
  UnfinishedFile bundle(written.path);
  {
    Database database;
    if (const DbStatus status = Database::open(bundle.path(), OpenMode::kReadWrite, database); !status.ok()) {
      return failed(fmt::format("cannot write {}: {}", bundle.path(), status.text()));
    }
    SINTER_TRY(written.manifest.entries, fill(database, bundle.path(), rows, options));
  }
  SINTER_TRY_VOID(bundle.flush());
  SINTER_TRY(const FileDigest digest, digest_file(bundle.path()));
  written.manifest.header = {options.name, options.arch, static_cast<std::int64_t>(written.manifest.entries.size()),
                             digest.bytes, digest.sha256};
  if (options.key != nullptr) {
    add_signature(written.manifest, *options.key);
  }
  UnfinishedFile manifest(written.path + std::string(kManifestExtension));
  SINTER_TRY_VOID(write_whole(manifest.path(), manifest_text(written.manifest)));
  SINTER_TRY_VOID(manifest.flush());
  // Between the two, rows that changed disagree with the old manifest and are misses; a reader then looks again.
  SINTER_TRY_VOID(bundle.rename());
  SINTER_TRY_VOID(manifest.rename());
  SINTER_TRY_VOID(flush_directory(options.directory));
  return written;
}

Result<Manifest> read_manifest(const std::string& bundle_path) {
  const std::string path = bundle_path + std::string(kManifestExtension);
  auto text = read_text_file(path, kMaxManifestBytes);
  if (!text) {
    return failed(text.error().message);
  }
  auto parsed = parse_manifest(*text);
  return parsed ? std::move(parsed) : failed(fmt::format("{}: {}", path, parsed.error().message));
}

Result<void> check_bundle_file(const std::string& bundle_path, const ManifestHeader& header) {
  SINTER_TRY(const FileDigest digest, digest_file(bundle_path));
  if (digest.bytes != header.file_bytes || digest.sha256 != header.file_sha256) {
    return failed(fmt::format("{} is not the file of its manifest: it has {} bytes and the SHA-256 {}, the manifest "
                              "says {} and {}",
                              bundle_path, digest.bytes, to_hex(digest.sha256), header.file_bytes,
                              to_hex(header.file_sha256)));
  }
  return {};
}

Result<Manifest> sign_bundle(const std::string& bundle_path, const SigningKey& key) {
  SINTER_TRY(Manifest manifest, read_manifest(bundle_path));
  SINTER_TRY_VOID(check_bundle_file(bundle_path, manifest.header));
  add_signature(manifest, key);
  if (manifest.signatures.size() > manifest::kMaxSignatures) {
    return failed(fmt::format("{} has {} signatures already", bundle_path, manifest::kMaxSignatures));
  }
  UnfinishedFile file(bundle_path + std::string(kManifestExtension));
  SINTER_TRY_VOID(write_whole(file.path(), manifest_text(manifest)));
  SINTER_TRY_VOID(file.flush());
  SINTER_TRY_VOID(file.rename());
  return manifest;
}

}  // namespace sinter
