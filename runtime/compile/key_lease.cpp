// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/key_lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "runtime/compile/patience.h"

namespace sinter {
namespace {

/// An owner and a deputy for an owner that is stopped. More would only make the last wait longer.
constexpr int kRanks = 2;

/// How often a waiter looks whether what it waits for is there: a look costs a read of the disk.
constexpr Patience::Duration kFirstLook{100'000};
constexpr Patience::Duration kLastLook{1'000'000};

std::uint64_t word_of(const Digest& digest, std::size_t index) {
  std::uint64_t word;
  std::memcpy(&word, digest.bytes.data() + index * sizeof(word), sizeof(word));
  return word;
}

/// 61 bits of the digest, and the rank above them. Two keys that shared a byte would only wait for each other.
std::int64_t byte_of(const Digest& key, int rank) {
  return static_cast<std::int64_t>((word_of(key, 0) >> 3) | (static_cast<std::uint64_t>(rank) << 61));
}

std::uint64_t counter_of(const Digest& key, int rank) { return word_of(key, 1) + static_cast<std::uint64_t>(rank); }

/// Says when to look next, less and less often.
class LookSchedule {
 public:
  bool is_due(Patience::Duration slept) {
    if (slept < next_) {
      return false;
    }
    next_ = slept + interval_;
    interval_ = std::min(2 * interval_, kLastLook);
    return true;
  }

 private:
  Patience::Duration interval_ = kFirstLook;
  Patience::Duration next_ = kFirstLook;
};

}  // namespace

KeyLeases::KeyLeases(Options options, std::function<void(std::string)> on_problem)
    : options_(std::move(options)), on_problem_(std::move(on_problem)) {}

Result<LockFile> KeyLeases::open() const {
  if (!options_.allow_shared_directory) {
    // Whoever may write the directory could make the name a link to another file of this user.
    SINTER_TRY_VOID(check_private_directory(options_.directory));
  }
  return LockFile::open(fmt::format("{}/{}", options_.directory, kFileName));
}

KeyLease KeyLeases::acquire(const Digest& key, const std::function<bool()>& is_settled) {
  if (options_.directory.empty()) {
    return {};
  }
  auto file = open();
  if (!file) {
    return {};  // what prevents this prevents the cache from being written, which the cache says
  }
  for (int rank = 0; rank < kRanks; ++rank) {
    const std::uint64_t counter = counter_of(key, rank);
    Patience patience(options_.patience);
    LookSchedule schedule;
    do {
      const auto locked = file->try_lock(byte_of(key, rank), LockFile::Kind::kExclusive);
      if (!locked) {
        complain(locked.error());
        return {};
      }
      if (*locked) {
        return KeyLease(std::move(*file), counter);
      }
      if (schedule.is_due(patience.slept()) && is_settled()) {
        return {};
      }
    } while (patience.wait(file->counter(counter)));
  }
  return {};
}

void KeyLeases::complain(const Error& error) {
  if (!has_complained_.exchange(true) && on_problem_) {
    on_problem_(fmt::format("{}; processes of this node may compile the same kernel at the same time", error.message));
  }
}

}  // namespace sinter
