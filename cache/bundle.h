// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bundle: one read-only file of kernels for one arch, with its manifest. Whether it may be believed is decided when it
// is opened; each row is checked when it is read. docs/bundles.md has the rules.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/fork_safe_mutex.h"
#include "base/result.h"
#include "base/settings.h"
#include "cache/entry_file.h"
#include "cache/entry_row.h"
#include "cache/manifest_file.h"
#include "cache/sqlite_connection.h"
#include "cache/trusted_keys.h"
#include "codegen/code_object.h"

namespace sinter {

inline constexpr std::string_view kBundleExtension = ".sinter";
/// Of a manifest, after the whole name of its bundle.
inline constexpr std::string_view kManifestExtension = ".manifest";

/// "<directory>/<name>-<arch>.sinter".
std::string bundle_path(std::string_view directory, std::string_view name, std::string_view arch);
/// False if the file's name ends in another arch that Sinter knows: then there is no need to open it.
bool may_hold_arch(std::string_view path, std::string_view arch);

/// What must hold for a bundle to be believed.
struct BundleTrust {
  SignaturePolicy policy = SignaturePolicy::kNone;
  const TrustedKeys* keys = nullptr;  ///< Not null unless the policy is kNone.
  /// Accept files and directories that others own or may write.
  bool allow_shared = false;
};

/// What a bundle says of a key.
struct BundleAnswer {
  enum Kind : std::uint8_t {
    kHit,
    kMiss,
    kBadRow,  ///< There is something, but not what it should be; `problem` says what.
    kFault,   ///< It could not be read.
  };
  Kind kind = kMiss;
  std::shared_ptr<const CodeObject> code;  ///< On kHit.
  std::string problem;                     ///< On kBadRow and kFault.
};

/// Thread-safe. A bundle that is replaced by renaming goes on being read as it was opened.
class Bundle {
 public:
  /// Errors: kCacheError for a file that is missing, no bundle, of another schema, with a manifest that is not
  /// well-formed, or not to be believed, with what mends it.
  static Result<std::shared_ptr<Bundle>> open(const std::string& path, const BundleTrust& trust);
  ~Bundle();
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  const std::string& path() const { return path_; }
  /// Null if the bundle has none.
  const ManifestFile* manifest() const { return manifest_ ? &*manifest_ : nullptr; }
  /// False if the path names another bundle or manifest by now.
  bool is_current() const;

  /// `key_fields` is key_fields_to_json() of the key.
  BundleAnswer get(const CacheKey& key, std::string_view key_fields);
  /// Errors: kCacheError unless the manifest, as it was believed when this was opened, promises the row; a bundle without
  /// one promises all. For who reads rows by path, where others may have put another file. REQUIRES: check_whole_entry()
  /// found nothing.
  Result<void> check_promised(const EntryRow& row) const;
  /// Keys of rows of this spec, by whatever compiler, at most 16. Errors: kCacheError.
  Result<std::vector<CacheKey>> keys_of_spec(std::string_view spec);

 private:
  using ConnectionPtr = std::unique_ptr<SqliteConnection>;

  explicit Bundle(std::string path) : path_(std::move(path)) {}
  Result<ConnectionPtr> take_connection();
  void return_connection(ConnectionPtr connection);

  const std::string path_;
  std::optional<FileId> file_, manifest_file_;
  std::optional<ManifestFile> manifest_;
  std::optional<EntryFile> rows_;  // Finds a row without SQLite; what it does not find, SQLite is asked for.

  ForkSafeMutex mutex_;  // Guards idle_; not held during I/O.
  std::vector<ConnectionPtr> idle_;
};

}  // namespace sinter
