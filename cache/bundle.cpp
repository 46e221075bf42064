// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/descriptor.h"
#include "cache/schema.h"

namespace sinter {
namespace {

/// More threads than this rarely miss the memory layer at once.
constexpr std::size_t kMaxIdleConnections = 4;

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

std::string directory_of(const std::string& path) {
  std::error_code error;
  // Behind a link it is the directory of the file itself that matters.
  const std::filesystem::path real = std::filesystem::is_symlink(path, error)
                                         ? std::filesystem::canonical(path, error)
                                         : std::filesystem::path(path);
  const std::string directory = (error ? std::filesystem::path(path) : real).parent_path().string();
  return directory.empty() ? "." : directory;
}

Result<void> check_owner(const std::string& path, bool has_manifest) {
  SINTER_TRY_VOID(check_only_owner_writes(directory_of(path)));
  SINTER_TRY_VOID(check_only_owner_writes(path));
  if (has_manifest) {
    SINTER_TRY_VOID(check_only_owner_writes(path + std::string(kManifestExtension)));
  }
  return {};
}

std::uint32_t big_endian(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

/// SQLite's header, read without SQLite: its statements for this would cost more than the row.
Result<void> check_header(const std::string& path) {
  // Offsets: sqlite.org/fileformat2.html, 1.3.
  constexpr std::size_t kHeaderBytes = 100, kUserVersionAt = 60, kApplicationIdAt = 68;
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file.is_open() || fstat(file.get(), &info) != 0) {
    return failed(fmt::format("cannot open the bundle {}: {}", path, errno_text(errno)));
  }
  std::array<unsigned char, kHeaderBytes> header;
  if (!S_ISREG(info.st_mode) || !file.read_at(header.data(), header.size(), 0) ||
      !std::equal(kMagic.begin(), kMagic.end(), header.begin(), [](char a, unsigned char b) {
        return static_cast<unsigned char>(a) == b;
      })) {
    return failed(fmt::format("{} is no bundle", path));
  }
  const std::int64_t version = big_endian(&header[kUserVersionAt]);
  const std::int64_t application = big_endian(&header[kApplicationIdAt]);
  if (application != schema::bundle_application_id(version)) {
    return failed(fmt::format("{} is no bundle (application id {:#x})", path, application));
  }
  if (version != schema::kVersion) {
    return failed(fmt::format("the bundle {} has schema {}, this Sinter reads {}: export it anew", path, version,
                              schema::kVersion));
  }
  return {};
}

Result<void> check_trust(const std::string& path, const std::optional<ManifestFile>& manifest,
                         const BundleTrust& trust) {
  if (trust.policy != SignaturePolicy::kNone) {
    // A signature says more than an owner: signed bytes may lie anywhere.
    if (manifest && manifest->is_signed_by(*trust.keys)) {
      return {};
    }
    const std::string_view what = !manifest                        ? "has no manifest"
                                  : manifest->signatures().empty() ? "is not signed"
                                                                   : "is not signed by a trusted key";
    return failed(fmt::format("the bundle {} {}, and SINTER_SIGNATURES is {}: sinter key trust the key of who made "
                              "it, or sinter cache sign it",
                              path, what, signature_policy_name(trust.policy)));
  }
  return trust.allow_shared ? Result<void>() : check_owner(path, manifest.has_value());
}

}  // namespace

std::string bundle_path(std::string_view directory, std::string_view name, std::string_view arch) {
  return fmt::format("{}/{}-{}{}", directory, name, arch, kBundleExtension);
}

bool may_hold_arch(std::string_view path, std::string_view arch) {
  const auto names = [path](std::string_view name) { return path.ends_with(fmt::format("-{}{}", name, kBundleExtension)); };
  return names(arch) || std::none_of(all_archs().begin(), all_archs().end(),
                                     [&](const Arch& other) { return names(other.name); });
}

// --- Opening ---

Result<std::shared_ptr<Bundle>> Bundle::open(const std::string& path, const BundleTrust& trust) {
  std::shared_ptr<Bundle> bundle(new Bundle(path));
  const std::string manifest_path = path + std::string(kManifestExtension);
  bundle->file_ = file_id(path);
  bundle->manifest_file_ = file_id(manifest_path);
  SINTER_TRY_VOID(check_header(path));
  SINTER_TRY(bundle->manifest_, ManifestFile::open(manifest_path));
  SINTER_TRY_VOID(check_trust(path, bundle->manifest_, trust));
  bundle->rows_ = EntryFile::open(path, EntryFileKind::kBundle);
  return bundle;
}

Bundle::~Bundle() {
  if (Database::is_inherited()) {
    for (ConnectionPtr& connection : idle_) {
      connection.release();  // Even freeing it calls SQLite, whose mutexes may have been held at the fork.
    }
  }
}

bool Bundle::is_current() const {
  return file_id(path_) == file_ && file_id(path_ + std::string(kManifestExtension)) == manifest_file_;
}

Result<Bundle::ConnectionPtr> Bundle::take_connection() {
  if (Database::is_inherited()) {
    return failed(fmt::format("this process was forked while the bundle {} was open, which SQLite does not survive: "
                              "fork before the first use of the cache",
                              path_));
  }
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      ConnectionPtr connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  auto connection = std::make_unique<SqliteConnection>();
  if (const DbStatus status = Database::open(path_, OpenMode::kImmutable, connection->database); !status.ok()) {
    return failed(fmt::format("cannot open the bundle {}: {}", path_, status.text()));
  }
  return connection;
}

void Bundle::return_connection(ConnectionPtr connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdleConnections) {
    idle_.push_back(std::move(connection));
  }
}

// --- Reading ---

BundleAnswer Bundle::get(const CacheKey& key, std::string_view key_fields) {
  const auto answer = [](BundleAnswer::Kind kind, std::string problem) {
    return BundleAnswer{kind, nullptr, std::move(problem)};
  };
  const auto bad_row = [&](std::string_view reason) {
    return answer(BundleAnswer::kBadRow,
                  fmt::format("the row {} ({}) of the bundle {} is not used: {}", to_hex(key.digest).substr(0, 16),
                              key.field(kSpecKeyField), path_, reason));
  };
  std::optional<ManifestEntry> promised;
  if (manifest_) {
    auto found = manifest_->find(key.digest);
    if (!found) {
      return answer(BundleAnswer::kBadRow, std::move(found).error().message);
    }
    if (!*found) {
      return {};
    }
    promised = std::move(*found);
  }

  std::optional<Result<EntryRow>> row;
  if (auto direct = rows_ ? rows_->find(key.digest) : std::nullopt) {
    row = std::move(*direct);
  } else {
    auto connection = take_connection();
    if (!connection) {
      return answer(BundleAnswer::kFault, std::move(connection).error().message);
    }
    const DbStatus status = (*connection)->query_row(
        (*connection)->get_entry, schema::kGetEntry,
        [&](Statement& statement) { statement.bind(1, std::as_bytes(std::span(key.digest.bytes))); },
        [&](const Statement& statement) { row = read_entry_row(statement, RowPart::kRead); });
    return_connection(std::move(*connection));
    if (!status.ok()) {
      const auto kind = status.is_damage() ? BundleAnswer::kBadRow : BundleAnswer::kFault;
      return answer(kind, fmt::format("cannot read the bundle {}: {}", path_, status.text()));
    }
  }
  if (!row) {
    return promised ? bad_row("the manifest lists it, but it is missing") : BundleAnswer{};
  }
  if (!*row) {
    return bad_row(row->error().message);
  }
  const Digest row_sha256 = row->value().sha256;  // open_entry() finds out whether it is true.
  auto code = open_entry(std::move(**row), {key.digest, key_fields});
  if (!code) {
    return bad_row(code.error().message);
  }
  if (promised) {
    const std::string difference = row_disagreement(*promised, row_sha256, code->code.size(), code->facts.target);
    if (!difference.empty()) {
      return bad_row(difference);
    }
  }
  return {BundleAnswer::kHit, std::make_shared<const CodeObject>(std::move(*code)), {}};
}

Result<void> Bundle::check_promised(const EntryRow& row) const {
  if (!manifest_) {
    return {};
  }
  SINTER_TRY(const std::optional<ManifestEntry> promised, manifest_->find(row.key));
  SINTER_TRY(const CodeFacts facts, code_facts_from_json(row.facts));
  const std::string difference = promised ? row_disagreement(*promised, row.sha256, row.code.size(), facts.target)
                                          : "its manifest did not list the row when it was opened";
  if (!difference.empty()) {
    return failed(fmt::format("the row {} of the bundle {} is refused: {}", to_hex(row.key), path_, difference));
  }
  return {};
}

Result<std::vector<CacheKey>> Bundle::keys_of_spec(std::string_view spec) {
  SINTER_TRY(ConnectionPtr connection, take_connection());
  std::vector<CacheKey> keys;
  const DbStatus status = read_keys_of_spec(*connection, spec, keys);
  return_connection(std::move(connection));
  if (!status.ok()) {
    return failed(fmt::format("cannot read the bundle {}: {}", path_, status.text()));
  }
  return keys;
}

}  // namespace sinter
