// SPDX-License-Identifier: Apache-2.0
#include "cache/remote_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <random>
#include <thread>
#include <utility>

#include "cache/remote_entry.h"
#include "cache/remote_url.h"

namespace sinter {
namespace {

using std::chrono::milliseconds;

/// Between two looks at what another node compiles: each is a question to the engine.
constexpr milliseconds kFirstLook{50};
constexpr milliseconds kLastLook{400};

/// Without work for this long the thread ends.
constexpr std::chrono::seconds kLinger{5};

/// Releases and renewals are small.
constexpr milliseconds kLeaseLimit{500};

void count(std::atomic<std::int64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
std::int64_t read(const std::atomic<std::int64_t>& counter) { return counter.load(std::memory_order_relaxed); }

/// Not to be guessed, so that nobody ends another's lease by accident.
std::string random_token() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

/// What a server said must not move the cursor of a terminal or fill a log.
std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  std::string out(text.substr(0, kLongest));
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

/// Runs a step of the thread. False if memory ran out or the host's log threw: an exception that leaves a thread ends the
/// host, while an entry that is not written costs a compile elsewhere, and a lease that is not renewed ends by itself.
bool comes_to_end(const std::function<void()>& step) {
  try {
    step();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

// --- Leases ---

RemoteLease::RemoteLease(RemoteLease&& other) noexcept
    : tier_(other.tier_), state_(std::exchange(other.state_, nullptr)) {}

RemoteLease& RemoteLease::operator=(RemoteLease&& other) noexcept {
  std::swap(tier_, other.tier_);
  std::swap(state_, other.state_);
  return *this;
}

RemoteLease::~RemoteLease() {
  if (state_ != nullptr) {
    tier_->release(std::move(state_));
  }
}

void RemoteLease::tick() {
  if (state_ != nullptr) {
    state_->progress.fetch_add(1, std::memory_order_relaxed);
  }
}

bool RemoteTier::may_lease() {
  const std::lock_guard lock(mutex_);
  return !options_.read_only && Clock::now() >= no_leases_until_;
}

RemoteLease RemoteTier::hold(const CacheKey& key, std::string token) {
  auto state = std::make_shared<RemoteLease::State>();
  state->key = to_hex(key.digest);
  state->token = std::move(token);
  const std::lock_guard lock(mutex_);
  leases_.push_back(state);
  wake_thread();
  return RemoteLease(this, std::move(state));
}

void RemoteTier::release(std::shared_ptr<RemoteLease::State> lease) {
  std::string key = lease->key;
  add_job({.op = remote::Op::kRelease, .key = std::move(key), .row = {}, .bytes = 0, .lease = std::move(lease)});
}

// --- Requests ---

RemoteTier::RemoteTier(RemoteOptions options, std::shared_ptr<const RowSignatures> signatures,
                       std::function<void(std::string)> on_problem)
    : options_(std::move(options)),
      signatures_(std::move(signatures)),
      on_problem_(std::move(on_problem)) {
  auto url = parse_remote_url(options_.url);
  if (!url) {
    report(fmt::format("there is no remote cache: {}", url.error().message));
    return;
  }
  host_ = url->host;
  if (options_.program.empty()) {
    report(fmt::format("there is no remote cache: {}", options_.program_problem));
    return;
  }
  client_ = std::make_unique<RemoteClient>(RemoteClientOptions{.program = options_.program,
                                                               .url = options_.url,
                                                               .ca_file = options_.ca_file,
                                                               .ca_directory = options_.ca_directory});
}

RemoteTier::~RemoteTier() {
  if (thread_.is_inherited()) {
    (void)client_.release();  // The helper stayed with the parent.
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    stop_at_ = Clock::now() + kDrainLimit;
  }
  changed_->notify_all();
  thread_.join();
}

std::optional<remote::Answer> RemoteTier::ask(const remote::Request& request, RemoteBreaker& breaker,
                                              milliseconds limit) {
  if (!breaker.may_pass(Clock::now())) {
    return std::nullopt;
  }
  auto answer = client_->ask(request, limit);
  if (!answer && answer.error().code == ErrorCode::kUnsupported) {
    breaker.not_tried();  // Every channel is in use: a miss, but no fault.
    return std::nullopt;
  }
  std::string problem = !answer ? answer.error().message : answer->status == remote::Status::kFailed ? answer->error : "";
  if (!answer && answer.error().code == ErrorCode::kTimeout) {
    problem = fmt::format("it did not answer within {} ms", limit.count());
  }
  if (problem.empty()) {
    breaker.succeeded();
    return std::move(*answer);
  }
  count(faults_);
  const bool was_open = breaker.is_open();
  breaker.failed(Clock::now());
  report(fmt::format("the remote cache at {} failed: {}", host_, problem));
  if (!was_open && breaker.is_open()) {
    report(fmt::format("the remote cache at {} failed {} times in a row and is left alone for some seconds", host_,
                       RemoteBreaker::kFailuresToOpen));
  }
  return std::nullopt;
}

RemoteTier::Found RemoteTier::find(const CacheKey& key, RemoteWish wish, const std::function<bool()>& on_wait) {
  if (!is_usable()) {
    return {};
  }
  remote::Request request{.op = remote::Op::kGet, .limit_ms = 0, .key = to_hex(key.digest), .token = {}, .lease_ms = 0, .blob = {}};
  if (wish == RemoteWish::kEntryOrLease && may_lease()) {
    request.token = random_token();
    request.lease_ms = static_cast<std::uint32_t>(kLeaseTime.count());
  }
  std::minstd_rand random(std::random_device{}());
  const auto give_up = Clock::now() + milliseconds(options_.lease_wait_ms);
  for (milliseconds pause = kFirstLook;; pause = std::min(2 * pause, kLastLook)) {
    auto answer = ask(request, reads_, milliseconds(options_.timeout_ms));
    if (!answer) {
      return {};
    }
    if (answer->status == remote::Status::kDone) {
      auto row = open_remote_entry(answer->blob, key, *signatures_);
      if (!row) {
        reject(key, row.error().message);
        return {};
      }
      count(hits_);
      row->origin = fmt::format("remote {}", host_);
      reseal_entry(*row);
      return {std::move(*row), {}};
    }
    const auto lease = request.token.empty() ? remote::LeaseState::kNone : answer->lease;
    if (lease == remote::LeaseState::kHeld && Clock::now() >= give_up) {
      const std::lock_guard lock(mutex_);
      no_leases_until_ = Clock::now() + kNoLeasesFor;
    } else if (lease == remote::LeaseState::kHeld) {
      // Of random length, so that nodes do not ask in step.
      std::uniform_int_distribution<int> spread(0, static_cast<int>(pause.count()));
      std::this_thread::sleep_for(pause / 2 + milliseconds(spread(random)));
      if (on_wait()) {
        continue;
      }
      return {};
    }
    count(misses_);
    return {std::nullopt, lease == remote::LeaseState::kGranted ? hold(key, std::move(request.token)) : RemoteLease()};
  }
}

void RemoteTier::reject(const CacheKey& key, std::string_view why) {
  count(bad_entries_);
  report(fmt::format("what the remote cache at {} has under {} is not used: {}", host_,
                     to_hex(key.digest).substr(0, 16), why));
}

void RemoteTier::store(EntryRow row, RemoteLease lease) {
  if (!is_usable() || options_.read_only) {
    return;
  }
  const std::size_t bytes = static_cast<std::size_t>(entry_bytes(row));
  if (bytes > remote::kMaxBlobBytes) {
    count(dropped_);
    return;
  }
  Job job{.op = remote::Op::kPut, .key = to_hex(row.key), .row = std::move(row), .bytes = bytes,
          .lease = std::move(lease.state_)};
  if (job.lease != nullptr) {
    job.lease->is_compiled = true;
  }
  add_job(std::move(job));
}

RemoteCounters RemoteTier::counters() const {
  return {.hits = read(hits_),
          .misses = read(misses_),
          .stores = read(stores_),
          .faults = read(faults_),
          .bad_entries = read(bad_entries_),
          .dropped = read(dropped_)};
}

void RemoteTier::report(std::string_view problem) { on_problem_(printable(problem)); }

// --- The thread ---

void RemoteTier::add_job(Job job) {
  if (thread_.is_inherited()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  const bool is_put = job.op == remote::Op::kPut;
  if (is_put && (jobs_.size() >= kMaxQueuedEntries || queued_bytes_ + job.bytes > kMaxQueuedBytes)) {
    count(dropped_);
    job.row.reset();
    job.op = remote::Op::kRelease;
    if (job.lease == nullptr) {
      return;
    }
  }
  queued_bytes_ += job.row ? job.bytes : 0;
  jobs_.push_back(std::move(job));
  wake_thread();
}

void RemoteTier::wake_thread() {
  // If no thread is to be had, nothing is written until there is one, and leases end by themselves.
  thread_.start([this] { loop(); });
  changed_->notify_one();
}

void RemoteTier::loop() {
  std::unique_lock lock(mutex_);
  auto renew_at = Clock::now() + kRenewEvery;
  for (;;) {
    const auto has_work = [this] { return stop_ || !jobs_.empty(); };
    if (leases_.empty()) {
      if (!changed_->wait_for(lock, kLinger, [&] { return has_work() || !leases_.empty(); })) {
        break;
      }
    } else {
      changed_->wait_until(lock, renew_at, has_work);
    }
    if (stop_ && (jobs_.empty() || Clock::now() >= stop_at_)) {
      break;
    }
    if (!jobs_.empty()) {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      queued_bytes_ -= job.row ? job.bytes : 0;
      const auto limit = stop_ ? std::min(kWriteLimit, std::chrono::ceil<milliseconds>(stop_at_ - Clock::now()))
                               : kWriteLimit;
      std::erase(leases_, job.lease);
      lock.unlock();
      if (!comes_to_end([&] { do_job(job, limit); }) && job.row) {
        count(dropped_);
      }
      lock.lock();
    }
    if (!leases_.empty() && Clock::now() >= renew_at) {
      lock.unlock();
      (void)comes_to_end([&] { renew_leases(); });
      lock.lock();
      renew_at = Clock::now() + kRenewEvery;
    }
  }
  thread_.leave();
}

void RemoteTier::do_job(const Job& job, milliseconds limit) {
  remote::Request request{.op = job.op, .limit_ms = 0, .key = job.key, .token = {}, .lease_ms = 0, .blob = {}};
  if (job.row) {
    request.blob = encode_remote_entry(*job.row);
    const bool is_small = request.blob.size() <= remote::kMaxBlobBytes;
    const auto answer = is_small ? ask(request, writes_, limit) : std::nullopt;
    count(answer ? stores_ : dropped_);
  }
  if (job.lease != nullptr) {
    request.op = remote::Op::kRelease;
    request.key = job.lease->key;
    request.blob.clear();
    request.token = job.lease->token;
    (void)ask(request, writes_, std::min(limit, kLeaseLimit));
  }
}

void RemoteTier::renew_leases() {
  std::unique_lock lock(mutex_);
  const auto leases = leases_;
  lock.unlock();
  for (const auto& lease : leases) {
    const std::uint64_t progress = lease->progress.load(std::memory_order_relaxed);
    if (progress == std::exchange(lease->renewed_at, progress) && !lease->is_compiled) {
      continue;  // Its owner is stopped, or hangs: others may take over.
    }
    (void)ask({.op = remote::Op::kRenew,
               .limit_ms = 0,
               .key = lease->key,
               .token = lease->token,
               .lease_ms = static_cast<std::uint32_t>(kLeaseTime.count()),
               .blob = {}},
              writes_, kLeaseLimit);
  }
}

}  // namespace sinter
