// SPDX-License-Identifier: Apache-2.0
#include "cache/upkeep.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <utility>
#include <vector>

#include "cache/row_columns.h"
#include "cache/schema.h"

namespace sinter {
namespace {

/// Work is gathered for this long, and the log is not folded in more often: each time the disk must flush. Stores that
/// are farther apart leave a pause.
constexpr std::chrono::milliseconds kGather{100};
/// Without work for this long the thread ends.
constexpr std::chrono::seconds kLinger{5};

/// The limits are looked at after a process's first store and then after as many stores or bytes.
constexpr std::int64_t kStoresPerLook = 256;
constexpr std::int64_t kBytesPerLook = std::int64_t{64} << 20;

/// Pages in the log from which on it should be folded in when stores pause, and at once: 1 and 32 MiB. A flush holds up
/// those who store meanwhile, and while they go on the log does not get shorter by it.
constexpr int kCheckpointPages = 256, kLongLogPages = 8192;

/// A process that uses more in one go loses stamps, which costs nothing but their order of age.
constexpr std::size_t kMaxRemembered = 4096;
constexpr std::size_t kStampsPerTransaction = 64;

/// At the end of a process nobody waits for stamps.
constexpr std::chrono::milliseconds kLastWait{20};
/// Elsewhere in the thread: the end of the process may be waiting for it.
constexpr std::chrono::milliseconds kWait{200};

std::int64_t unix_now() { return static_cast<std::int64_t>(std::time(nullptr)); }

/// Held by the one process that collects; the kernel frees it when that dies.
class CollectorLock {
 public:
  explicit CollectorLock(const std::string& path)
      : descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)),
        is_held_(descriptor_ >= 0 && flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {}
  ~CollectorLock() {
    if (descriptor_ >= 0) {
      flock(descriptor_, LOCK_UN);  // Closing is not enough if a child of fork has the descriptor, too.
      close(descriptor_);
    }
  }
  CollectorLock(const CollectorLock&) = delete;
  CollectorLock& operator=(const CollectorLock&) = delete;
  bool is_held() const { return is_held_; }

 private:
  int descriptor_;
  bool is_held_;
};

}  // namespace

Upkeep::Upkeep(ConnectionPool& pool, CacheLimits limits, std::shared_ptr<UsageCounters> usage,
               std::function<void(std::string)> on_problem)
    : pool_(pool), limits_(limits), on_problem_(std::move(on_problem)), usage_(std::move(usage)) {}

Upkeep::~Upkeep() {
  if (thread_.is_inherited()) {
    return;
  }
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_->notify_all();
  thread_.join();
  (void)stamp(work_.used, kLastWait);
  (void)usage_.flush(pool_, kLastWait);
}

void Upkeep::note_use(const Digest& key) {
  if (thread_.is_inherited()) {
    return;
  }
  std::lock_guard lock(mutex_);
  if (work_.used.size() < kMaxRemembered) {
    work_.used.insert(key);
  }
  if (work_.used.size() > 1) {
    wake_thread();
  }
}

void Upkeep::note_count() {
  if (thread_.is_inherited() || !usage_.is_due()) {
    return;
  }
  std::lock_guard lock(mutex_);
  work_.count = true;
  wake_thread();
}

void Upkeep::note_store(std::int64_t bytes, int log_pages) {
  if (thread_.is_inherited()) {
    return;
  }
  std::lock_guard lock(mutex_);
  stored_bytes_ += bytes;
  if (++stores_ >= kStoresPerLook || stored_bytes_ >= kBytesPerLook || !has_stored_) {
    stores_ = 0;
    stored_bytes_ = 0;
    has_stored_ = true;
    work_.collect = true;
  }
  last_store_ = Clock::now();
  work_.checkpoint = work_.checkpoint || log_pages >= kCheckpointPages;
  is_log_long_ = log_pages >= kLongLogPages;
  if (!work_.is_empty()) {
    wake_thread();
  }
}

void Upkeep::wake_thread() {
  // If no thread is to be had, the log is folded in by its writers when it gets long, and the rest waits.
  thread_.start([this] { loop(); });
  changed_->notify_one();
}

void Upkeep::loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (work_.is_empty() && !changed_->wait_for(lock, kLinger, [this] { return stop_ || !work_.is_empty(); })) {
      break;
    }
    if (changed_->wait_for(lock, kGather, [this] { return stop_; })) {
      break;
    }
    Work work = std::exchange(work_, {});
    if (work.checkpoint && !is_log_long_ && Clock::now() - last_store_ < kGather) {
      std::swap(work.checkpoint, work_.checkpoint);  // For the next turn, after a pause.
    }
    lock.unlock();
    try {
      do_work(work);
    } catch (const std::exception&) {
      // Memory has run out, or the host's log threw. It is all upkeep, and an exception that leaves a thread ends the host.
    }
    lock.lock();
  }
  thread_.leave();
}

void Upkeep::do_work(const Work& work) {
  if (work.checkpoint) {
    // What fails here is tried again by the next store that finds the log long.
    (void)pool_.run("clean", [](SqliteConnection& connection) { return connection.database.checkpoint(); });
  }
  (void)stamp(work.used, kWait);
  if (work.count) {
    (void)usage_.flush(pool_, kWait);  // What fails here is added to what the next call writes.
  }
  if (work.collect) {
    collect();
  }
}

void Upkeep::collect() {
  const DatabaseRunner run = [this](std::string_view action, const std::function<DbStatus(SqliteConnection&)>& step) {
    return pool_.run(action, step, kWait);
  };
  const auto should_stop = [this] {
    std::lock_guard lock(mutex_);
    return stop_;
  };
  const auto exceeded = exceeds_limits(run, limits_);
  if (!exceeded || !*exceeded) {
    return;
  }
  const CollectorLock lock(pool_.files().collector_lock);
  if (!lock.is_held()) {
    return;
  }
  const auto report = collect_garbage(run, {.limits = limits_, .now_unix_s = unix_now(), .should_stop = should_stop});
  if (!report) {
    on_problem_(report.error().message);
  }
}

Result<void> Upkeep::stamp(const std::set<Digest>& used, std::chrono::milliseconds longest_wait) {
  const std::int64_t now = unix_now();
  std::vector<Digest> stale;
  const auto bind = [&](const Digest& key) {
    return [&key, now](Statement& statement) {
      statement.bind(1, bytes_of(key));
      statement.bind(2, now);
    };
  };
  if (!used.empty()) {
    SINTER_TRY_VOID(pool_.run(
        "read",
        [&](SqliteConnection& connection) {
          stale.clear();
          Statement is_stale;
          DbStatus status;
          for (auto key = used.begin(); key != used.end() && status.ok(); ++key) {
            status = connection.query_row(is_stale, schema::kIsUseStale, bind(*key),
                                          [&](const Statement&) { stale.push_back(*key); });
          }
          return status;
        },
        longest_wait));
  }
  for (std::size_t begin = 0; begin < stale.size(); begin += kStampsPerTransaction) {
    SINTER_TRY_VOID(pool_.run(
        "write",
        [&](SqliteConnection& connection) {
          Transaction transaction(connection.database);
          Statement stamp;
          DbStatus status = transaction.begin_write();
          for (std::size_t i = begin; i < std::min(begin + kStampsPerTransaction, stale.size()) && status.ok(); ++i) {
            status = connection.execute(stamp, schema::kStampUse, bind(stale[i]));
          }
          return status.ok() ? transaction.commit() : status;
        },
        longest_wait));
  }
  return {};
}

}  // namespace sinter
