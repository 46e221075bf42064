// SPDX-License-Identifier: Apache-2.0
#include "cache/database_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cache/schema.h"

namespace sinter {
namespace {

constexpr std::string_view kBadSuffix = ".bad-";

Error failed(std::string_view action, const std::string& path, int error) {
  return make_error(ErrorCode::kCacheError, fmt::format("cannot {} {}: {}", action, path, errno_text(error)));
}

/// A database was set aside with its log; both go.
void delete_oldest_bad(const DatabaseFiles& files) {
  struct Bad {
    std::filesystem::file_time_type time;
    std::string path;
  };
  std::vector<Bad> found;
  const std::string prefix = files.database + std::string(kBadSuffix);
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(files.directory, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string path = it->path().string();
    if (path.starts_with(prefix) && !path.ends_with("-wal")) {
      std::error_code ignored;
      found.push_back({it->last_write_time(ignored), path});
    }
  }
  std::sort(found.begin(), found.end(), [](const Bad& a, const Bad& b) {
    return std::pair(a.time, std::string_view(a.path)) > std::pair(b.time, std::string_view(b.path));
  });
  for (std::size_t i = kKeptBadDatabases; i < found.size(); ++i) {
    unlink(found[i].path.c_str());
    unlink((found[i].path + "-wal").c_str());
  }
}

}  // namespace

DatabaseFiles::DatabaseFiles(const std::string& cache_directory)
    : directory(cache_directory),
      database(cache_directory + "/" + std::string(schema::kFileName)),
      log(database + "-wal"),
      shared_memory(database + "-shm"),
      journal(database + "-journal"),
      lock(cache_directory + "/" + std::string(schema::kLockFileName)),
      collector_lock(cache_directory + "/" + std::string(schema::kCollectorLockFileName)) {}

Result<DirectoryLock> DirectoryLock::acquire(const DatabaseFiles& files, LockMode mode,
                                             std::chrono::milliseconds longest_wait) {
  const auto deadline = std::chrono::steady_clock::now() + longest_wait;
  for (;;) {
    const int descriptor = open(files.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) {
      return failed("open", files.lock, errno);
    }
    DirectoryLock lock(descriptor);
    // Polled, because a wait inside flock() has no limit and its owner may be stopped.
    if (flock(descriptor, (mode == LockMode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) {
      // A file that was deleted or moved with its directory meanwhile is not what others lock.
      if (file_id(descriptor) == file_id(files.lock)) {
        return lock;
      }
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      return failed("lock", files.lock, errno);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return make_error(ErrorCode::kCacheError, fmt::format("another process holds {}", files.lock));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) {
    // Closing alone would not end the lock if another thread forked meanwhile: the child has the descriptor, too.
    flock(descriptor_, LOCK_UN);
    close(descriptor_);
  }
}

Result<std::string> rename_database_aside(const DatabaseFiles& files, const std::optional<FileId>& damaged) {
  if (!damaged || file_id(files.database) != damaged) {
    return std::string();
  }
  const std::string base =
      fmt::format("{}{}{}-{}", files.database, kBadSuffix, static_cast<std::int64_t>(std::time(nullptr)), getpid());
  std::string name = base;
  for (int copy = 2; file_id(name).has_value(); ++copy) {
    name = fmt::format("{}-{}", base, copy);
  }
  // The log first: a crash between the two leaves a database without its log, never a log without its database, which
  // the next database would have to be protected from.
  if (std::rename(files.log.c_str(), (name + "-wal").c_str()) != 0 && errno != ENOENT) {
    return failed("rename", files.log, errno);
  }
  unlink(files.shared_memory.c_str());
  unlink(files.journal.c_str());
  if (std::rename(files.database.c_str(), name.c_str()) != 0) {
    return failed("rename", files.database, errno);
  }
  delete_oldest_bad(files);
  return name;
}

Result<void> delete_leftovers(const DatabaseFiles& files) {
  for (const std::string& path : {files.log, files.shared_memory, files.journal}) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      return failed("delete", path, errno);
    }
  }
  return {};
}

}  // namespace sinter
