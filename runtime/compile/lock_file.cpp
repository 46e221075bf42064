// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/file.h"

namespace sinter {
namespace {

constexpr off_t kCounterBytes = static_cast<off_t>(LockFile::kCounters * sizeof(std::uint64_t));

Error failed(std::string_view action, const std::string& path, int error) {
  return make_error(ErrorCode::kCacheError, fmt::format("cannot {} {}: {}", action, path, errno_text(error)));
}

off_t offset_of(std::uint64_t number) {
  return static_cast<off_t>(number % LockFile::kCounters * sizeof(std::uint64_t));
}

/// Bytes outside of the file can be locked like those inside.
struct flock region(short type, std::int64_t byte, std::int64_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = length;
  return lock;
}

}  // namespace

Result<LockFile> LockFile::open(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) {
    return failed("open", path, errno);
  }
  struct stat info {};
  if (::fstat(file.get(), &info) == 0 && info.st_size < kCounterBytes) {
    // A block of its own now, so that a disk that is full later does not stop the counters.
    [[maybe_unused]] const int ignored = ::posix_fallocate(file.get(), 0, kCounterBytes);
  }
  return LockFile(std::move(file), path);
}

LockFile::~LockFile() {
  if (file_.is_open()) {
    struct flock all = region(F_UNLCK, 0, 0);  // length 0: to the largest offset
    ::fcntl(file_.get(), F_OFD_SETLK, &all);
  }
}

Result<bool> LockFile::try_lock(std::int64_t byte, Kind kind) {
  struct flock lock = region(kind == Kind::kShared ? F_RDLCK : F_WRLCK, byte, 1);
  while (::fcntl(file_.get(), F_OFD_SETLK, &lock) != 0) {
    // POSIX allows EACCES here, too; Linux says it of nothing but a system that permits no locks, where nobody holds one.
    if (errno == EAGAIN) {
      return false;
    }
    if (errno != EINTR) {
      return failed("lock", path_, errno);
    }
  }
  return true;
}

Result<bool> LockFile::try_lock_one_of(std::int64_t first, std::int64_t count) {
  for (std::int64_t byte = first; byte < first + count; ++byte) {
    SINTER_TRY(const bool locked, try_lock(byte, Kind::kExclusive));
    if (locked) {
      return true;
    }
  }
  return false;
}

void LockFile::unlock(std::int64_t byte) {
  struct flock lock = region(F_UNLCK, byte, 1);
  ::fcntl(file_.get(), F_OFD_SETLK, &lock);
}

bool LockFile::move_above(int number) {
  if (file_.get() > number) {
    return true;
  }
  Descriptor moved(::fcntl(file_.get(), F_DUPFD_CLOEXEC, number + 1));
  std::swap(file_, moved);
  return file_.is_open();
}

std::uint64_t LockFile::counter(std::uint64_t number) const {
  std::uint64_t value = 0;
  return ::pread(file_.get(), &value, sizeof(value), offset_of(number)) == sizeof(value) ? value : 0;
}

void LockFile::tick(std::uint64_t number) {
  const std::uint64_t value = counter(number) + 1;
  [[maybe_unused]] const ssize_t ignored = ::pwrite(file_.get(), &value, sizeof(value), offset_of(number));
}

}  // namespace sinter
