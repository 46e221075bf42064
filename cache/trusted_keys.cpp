// SPDX-License-Identifier: Apache-2.0
#include "cache/trusted_keys.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/read_file.h"

namespace sinter {
namespace {

constexpr std::uint64_t kMaxKeyFileBytes = 16384;

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

Result<TrustedKey> load_key(const std::string& path) {
  SINTER_TRY_VOID(check_only_owner_writes(path));
  auto text = read_text_file(path, kMaxKeyFileBytes);
  if (!text) {
    return failed(text.error().message);
  }
  auto key = public_key_from_pem(*text);
  if (!key) {
    return failed(fmt::format("{} is no public key: {}", path, key.error().message));
  }
  return TrustedKey{*key, path};
}

Result<std::vector<std::string>> key_files(const std::string& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(directory, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (it->path().extension() == ".pub") {
      paths.push_back(it->path().string());
    }
    if (paths.size() > kMaxTrustedKeys) {
      return failed(fmt::format("{} holds more than {} keys", directory, kMaxTrustedKeys));
    }
  }
  if (error) {
    return failed(fmt::format("cannot read the trusted keys in {}: {}", directory, error.message()));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TrustedKeys::TrustedKeys(std::vector<TrustedKey> keys) : keys_(std::move(keys)) {
  std::sort(keys_.begin(), keys_.end(),
            [](const TrustedKey& a, const TrustedKey& b) { return a.key.id() < b.key.id(); });
}

Result<TrustedKeys> TrustedKeys::load(const std::string& path) {
  struct stat info {};
  if (path.empty() || (stat(path.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR))) {
    return TrustedKeys();
  }
  std::vector<TrustedKey> keys;
  if (!S_ISDIR(info.st_mode)) {
    SINTER_TRY(TrustedKey key, load_key(path));
    keys.push_back(std::move(key));
    return TrustedKeys(std::move(keys));
  }
  SINTER_TRY_VOID(check_only_owner_writes(path));
  SINTER_TRY(const std::vector<std::string> paths, key_files(path));
  for (const std::string& file : paths) {
    SINTER_TRY(TrustedKey key, load_key(file));
    keys.push_back(std::move(key));
  }
  return TrustedKeys(std::move(keys));
}

bool TrustedKeys::is_signed(std::span<const std::byte> message, const Signature& signature) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](const TrustedKey& trusted) {
    return trusted.key.id() == signature.key && verify_signature(trusted.key, message, signature);
  });
}

}  // namespace sinter
