// SPDX-License-Identifier: Apache-2.0
#include "cache/manifest_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/file.h"

namespace sinter {
namespace {

/// Header and digests of 3,000 rows come with the first read.
constexpr std::size_t kFirstReadBytes = 8192;

constexpr std::string_view kRowsLine = "rows\n";

Error failed(const std::string& path, std::string_view reason) {
  return make_error(ErrorCode::kCacheError, fmt::format("cannot use {}: {}", path, reason));
}

}  // namespace

Result<std::optional<ManifestFile>> ManifestFile::open(const std::string& path) {
  ManifestFile file;
  file.path_ = path;
  file.file_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.file_.is_open()) {
    if (errno == ENOENT) {
      return std::optional<ManifestFile>();
    }
    return failed(path, errno_text(errno));
  }
  struct stat info {};
  if (fstat(file.file_.get(), &info) != 0) {
    return failed(path, errno_text(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return failed(path, "it is not a regular file");
  }
  const auto bytes = static_cast<std::size_t>(info.st_size);
  SINTER_TRY(std::string head, file.read(0, std::min(bytes, kFirstReadBytes)));
  auto layout = manifest_layout(head, bytes);
  if (!layout) {
    return failed(path, layout.error().message);
  }
  file.layout_ = std::move(*layout);
  const std::size_t signed_bytes = file.layout_.entries_at;  // At most `bytes`, says the layout.
  if (signed_bytes > head.size()) {
    SINTER_TRY(const std::string rest, file.read(head.size(), signed_bytes - head.size()));
    head += rest;
  }
  head.resize(signed_bytes);
  if (!head.ends_with(kRowsLine)) {
    return failed(path, "manifest: the line 'rows' is not where it should be");
  }
  file.signed_part_ = std::move(head);
  SINTER_TRY(const std::string lines,
             file.read(file.layout_.signatures_at, file.layout_.signature_count * manifest::kSignatureLineBytes));
  for (std::size_t at = 0; at < lines.size(); at += manifest::kSignatureLineBytes) {
    const auto signature = parse_signature_line(std::string_view(lines).substr(at, manifest::kSignatureLineBytes));
    if (!signature) {
      return failed(path, "manifest: a signature is not well-formed");
    }
    file.signatures_.push_back(*signature);
  }
  return std::optional<ManifestFile>(std::move(file));
}

Result<std::string> ManifestFile::read(std::size_t offset, std::size_t bytes) const {
  std::string text(bytes, '\0');
  if (!file_.read_at(text.data(), bytes, offset)) {
    return failed(path_, errno == 0 ? "it was cut short" : errno_text(errno));
  }
  return text;
}

bool ManifestFile::is_signed_by(const TrustedKeys& keys) const {
  return std::any_of(signatures_.begin(), signatures_.end(),
                     [&](const Signature& signature) { return keys.is_signed(as_bytes(signed_part_), signature); });
}

Result<std::size_t> ManifestFile::block_of(const Digest& key) const {
  const std::string wanted = to_hex(key);
  std::size_t low = 0;
  std::size_t high = layout_.block_count;
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    SINTER_TRY(const std::string first, read(layout_.block_at(middle), wanted.size()));
    (first <= wanted ? low : high) = middle;
  }
  return low;
}

Result<std::optional<ManifestEntry>> ManifestFile::find(const Digest& key) const {
  if (layout_.block_count == 0) {
    return std::optional<ManifestEntry>();
  }
  SINTER_TRY(const std::size_t block, block_of(key));
  SINTER_TRY(const std::string lines, read(layout_.block_at(block), layout_.block_bytes(block)));
  const auto expected = block_digest(std::string_view(signed_part_).substr(layout_.blocks_at), block);
  if (!expected || sha256(as_bytes(lines)) != *expected) {
    return failed(path_, fmt::format("manifest: rows {} and following do not have the digest that the header gives them",
                                     block * manifest::kLinesPerBlock));
  }
  const std::string wanted = to_hex(key);
  for (std::size_t at = 0; at < lines.size(); at += manifest::kEntryLineBytes) {
    const std::string_view line = std::string_view(lines).substr(at, manifest::kEntryLineBytes);
    if (line.starts_with(wanted)) {
      auto entry = parse_entry_line(line);
      if (!entry) {
        return failed(path_, fmt::format("manifest: the row of {} is not well-formed", wanted));
      }
      return std::optional<ManifestEntry>(std::move(*entry));
    }
  }
  return std::optional<ManifestEntry>();
}

}  // namespace sinter
