// SPDX-License-Identifier: Apache-2.0
#include "cache/write_turn.h"

#include <fcntl.h>

#include <algorithm>
#include <thread>

namespace sinter {
namespace {

using std::chrono::microseconds;

/// Between two looks of whoever is next, and of the others, who only have to notice when they are.
constexpr microseconds kPauseOfNext{30}, kPauseOfOthers{150};

// Locks of an open file, not of the process: two connections of a process are two writers, and neither ends the other's
// lock when it closes.

struct flock bytes(short type, off_t begin, off_t count) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = begin;
  lock.l_len = count;
  return lock;
}

bool set_lock(int file, short type, off_t byte) {
  struct flock lock = bytes(type, byte, 1);
  return fcntl(file, F_OFD_SETLK, &lock) == 0;
}

/// True as well if that cannot be found out: then nobody is passed.
bool is_locked_by_others(int file, off_t begin, off_t count) {
  struct flock lock = bytes(F_WRLCK, begin, count);
  return fcntl(file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

constexpr off_t kTurn = 0, kFirstPlace = 1, kToTheEnd = 0;

/// Later arrivals have later places. The clock is the same for all processes of a machine.
off_t place_at(WriteTurn::Clock::time_point arrival) {
  const auto time = std::chrono::duration_cast<microseconds>(arrival.time_since_epoch()).count();
  return kFirstPlace + std::max<off_t>(time, 1);
}

}  // namespace

void WriteTurn::take(Clock::time_point deadline) {
  if (leave_alone_until_ != Clock::time_point() && Clock::now() < leave_alone_until_) {
    return;
  }
  if (!file_.is_open()) {
    file_ = Descriptor(open(lock_file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  }
  is_held_ = !is_locked_by_others(file_.get(), kFirstPlace, kToTheEnd) && set_lock(file_.get(), F_WRLCK, kTurn);
  if (!is_held_) {
    wait_in_line(deadline);
  }
}

void WriteTurn::wait_in_line(Clock::time_point deadline) {
  const Clock::time_point arrival = Clock::now();
  const off_t place = place_at(arrival);
  if (!set_lock(file_.get(), F_RDLCK, place)) {
    return;  // The file cannot be opened or has no such locks.
  }
  for (;;) {
    const bool is_next = !is_locked_by_others(file_.get(), kFirstPlace, place - kFirstPlace);
    is_held_ = is_next && set_lock(file_.get(), F_WRLCK, kTurn);
    const Clock::time_point now = Clock::now();
    if (is_held_ || now >= deadline) {
      break;
    }
    if (now - arrival >= longest_wait_) {
      leave_alone_until_ = now + kLeaveAlone;
      break;
    }
    std::this_thread::sleep_for(is_next ? kPauseOfNext : kPauseOfOthers);
  }
  set_lock(file_.get(), F_UNLCK, place);
}

void WriteTurn::give_back() {
  if (is_held_) {
    set_lock(file_.get(), F_UNLCK, kTurn);
    is_held_ = false;
  }
}

}  // namespace sinter
