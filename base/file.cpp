// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sinter {
namespace {

Result<void> make_directories(const std::string& directory, mode_t mode) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = directory.find('/', end + 1);
    const std::string prefix = directory.substr(0, end);
    struct stat info {};
    if (stat(prefix.c_str(), &info) == 0) {
      continue;  // What exists but is no directory fails below, or in check_private_directory.
    }
    if (mkdir(prefix.c_str(), mode) != 0 && errno != EEXIST) {
      return make_error(ErrorCode::kCacheError,
                        fmt::format("cannot make the directory {}: {}", prefix, errno_text(errno)));
    }
  }
  return {};
}

}  // namespace

std::string errno_text(int error) {
  const char* text = strerrordesc_np(error);  // Unlike strerror, it needs no shared buffer.
  return text != nullptr ? text : fmt::format("error {}", error);
}

std::optional<FileId> file_id(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return FileId{info.st_dev, info.st_ino};
}

std::optional<FileId> file_id(int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) {
    return std::nullopt;
  }
  return FileId{info.st_dev, info.st_ino};
}

Result<void> make_private_directories(const std::string& directory) { return make_directories(directory, 0700); }
Result<void> make_public_directories(const std::string& directory) { return make_directories(directory, 0755); }

Result<void> check_private_directory(const std::string& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) {
    return make_error(ErrorCode::kCacheError, fmt::format("cannot use {}: {}", directory, errno_text(errno)));
  }
  if (!S_ISDIR(info.st_mode)) {
    return make_error(ErrorCode::kCacheError, fmt::format("{} is not a directory", directory));
  }
  if (info.st_uid != geteuid()) {
    return make_error(
        ErrorCode::kCacheError,
        fmt::format("{0} belongs to user {1}, not to user {2} of this process, and kernels from it would be "
                    "run: choose another directory, or chown {2} {0}",
                    directory, info.st_uid, geteuid()));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return make_error(
        ErrorCode::kCacheError,
        fmt::format("others may write {0} (mode {1:04o}), and kernels from it would be run: chmod go-w {0}", directory,
                    info.st_mode & 07777));
  }
  return {};
}

Result<void> check_only_owner_writes(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return make_error(ErrorCode::kCacheError, fmt::format("cannot use {}: {}", path, errno_text(errno)));
  }
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return make_error(ErrorCode::kCacheError,
                      fmt::format("{0} belongs to user {1}, neither to root nor to user {2} of this process, and what it "
                                  "says would be believed: chown {2} {0}",
                                  path, info.st_uid, geteuid()));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return make_error(ErrorCode::kCacheError,
                      fmt::format("others may write {0} (mode {1:04o}), and what it says would be believed: chmod go-w {0}",
                                  path, info.st_mode & 07777));
  }
  return {};
}

std::string_view network_file_system_name(std::uint32_t magic) {
  switch (magic) {
    case 0x00006969: return "NFS";
    case 0x0000517B: return "SMB";
    case 0xFE534D42: return "SMB2";
    case 0xFF534D42: return "CIFS";
    case 0x0BD00BD0: return "Lustre";
    case 0x47504653: return "GPFS";
    case 0x00C36400: return "CephFS";
    case 0x65735546: return "FUSE";
    case 0x01021997: return "9p";
    case 0x5346414F: return "AFS";
    case 0x6B414653: return "AFS";
    case 0x73757245: return "Coda";
    case 0x19830326: return "BeeGFS";
    case 0x01161970: return "GFS2";
    case 0x7461636F: return "OCFS2";
    default: return {};
  }
}

std::string_view network_file_system_of(const std::string& path) {
  struct statfs info {};
  if (statfs(path.c_str(), &info) != 0) {
    return {};
  }
  return network_file_system_name(static_cast<std::uint32_t>(info.f_type));
}

}  // namespace sinter
