// SPDX-License-Identifier: Apache-2.0
#pragma once

// KernelCache: what the runtime asks before it compiles and tells after. It walks the layers in order (memory, the
// local database, read-only bundles, the remote tier), fills the upper ones on a hit below, and turns every storage
// fault into a miss and a number.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "base/settings.h"
#include "cache/cache_key.h"
#include "cache/compile_failure.h"
#include "cache/golden_verdict.h"
#include "cache/memory_store.h"
#include "cache/remote_lease.h"
#include "cache/reported_problems.h"
#include "cache/usage_counters.h"
#include "codegen/code_object.h"

namespace sinter {

class BundleLayer;
class RemoteTier;
class SqliteStore;
struct RowSignatures;

/// Where a hit came from.
enum class CacheLayer : std::uint8_t { kMemory, kLocal, kBundle, kRemote };

struct CacheOptions {
  /// Holds the database; created (mode 0700) when first needed. Empty: memory only.
  std::string directory = {};
  std::size_t memory_bytes = 256u << 20;
  /// Accept a directory that others own or may write: they can then make this process run their code.
  bool allow_shared_directory = false;
  /// Bundles and directories of bundles, asked in this order after the local database. Never written.
  std::vector<std::string> bundles = {};
  SignaturePolicy signatures = SignaturePolicy::kNone;
  std::string trusted_keys = {};  ///< See TrustedKeys::load(); read once, here, unless the policy is kNone.
  std::string signing_key = {};   ///< Signs what is stored; read once, here. Empty: nothing is signed.
  /// Kept with each entry as its origin, for tools: "sinter 0.1.0".
  std::string writer = {};
  /// The longest that one operation waits for other processes to leave the database.
  std::int64_t busy_timeout_ms = 500;
  /// Beyond these, entries are removed in the background. 0: no limit.
  std::int64_t max_bytes = std::int64_t{8} << 30;
  std::int64_t max_entries = 100'000;
  RemoteOptions remote = {};
};

/// Whether a lookup that finds nothing is another miss, or the same one looked at again.
enum class MissCount : std::uint8_t { kCounted, kNotAgain };

struct CacheHit {
  std::shared_ptr<const CodeObject> code;  ///< From disk: without source and log, which only tools read.
  CacheLayer layer = CacheLayer::kMemory;
};

/// Since construction.
struct CacheCounters {
  std::int64_t memory_hits = 0;
  std::int64_t local_hits = 0;
  std::int64_t bundle_hits = 0;
  std::int64_t misses = 0;          ///< Lookups that no layer of this node could answer, for whatever reason.
  std::int64_t bad_entries = 0;     ///< Entries that failed their checks and were set aside.
  std::int64_t storage_faults = 0;  ///< Operations that the storage failed: full, locked, not permitted, damaged, ...
  std::int64_t stores = 0;          ///< Code objects that reached the local database.
  RemoteCounters remote = {};       ///< Its hits were misses before.
};

/// What the remote tier gave.
struct RemoteLookup {
  std::optional<CacheHit> hit;
  RemoteLease lease;  ///< Without a hit: to be ticked while compiling, and given to store().
};

/// Thread-safe, and safe beside other processes on the same directory. No call fails or throws: the worst is a miss.
/// A memory hit never waits for a disk. After a fork the child goes on in memory if the parent had the database open.
class KernelCache {
 public:
  /// One sentence for a log: what degraded, why, and the way out. Called from any thread, each text once
  /// (cache/reported_problems.h).
  using ProblemSink = std::function<void(std::string)>;

  KernelCache(CacheOptions options, ProblemSink on_problem);
  ~KernelCache();
  KernelCache(const KernelCache&) = delete;
  KernelCache& operator=(const KernelCache&) = delete;

  /// The verified code object of `key`, or nullopt.
  std::optional<CacheHit> lookup(const CacheKey& key, MissCount miss_count = MissCount::kCounted);
  /// The same from the memory layer alone; a miss here is not counted, since lookup() follows it.
  std::optional<CacheHit> lookup_memory(const CacheKey& key);

  /// For a caller that looked up without counting, once nothing else that it asked had the kernel either.
  void count_miss(const CacheKey& key);

  /// Asks the remote tier, after lookup() found nothing; a hit is kept on this node. `accept` says no to what is of no
  /// use although it is whole. Whoever would compile the key, while another node does, waits here for it, within
  /// RemoteTier's limits; `on_wait` is called in between, and ends the
  /// wait by false.
  RemoteLookup lookup_remote(const CacheKey& key, RemoteWish wish, const std::function<Result<void>(const CodeObject&)>& accept,
                             const std::function<bool()>& on_wait);

  /// Keys under which the spec is stored, by whatever compiler: for a process without a compiler. The local database's
  /// come first, newest first.
  std::vector<CacheKey> keys_of_spec(std::string_view spec, std::string_view arch);
  /// Those of the bundles alone: whoever names a bundle wants what is in it, and not a compile.
  std::vector<CacheKey> bundle_keys_of_spec(std::string_view spec, std::string_view arch);

  /// Keeps `code` in memory and, if it can, in the local database; the remote tier gets it later. REQUIRES: `code` is
  /// not null.
  void store(const CacheKey& key, std::shared_ptr<const CodeObject> code, RemoteLease lease = {});

  /// The build identity remembered for compiler libraries of this stamp (their paths, sizes, times and inodes), so that
  /// a key can be built without starting a worker.
  std::optional<std::string> compiler_identity(std::string_view stamp);
  void remember_compiler_identity(std::string_view stamp, std::string_view identity);

  /// What is remembered of the key's last failed compile in the local database. How long that is believed is the
  /// caller's to decide; a failure from the future, after a clock was set back, is forgotten here.
  std::optional<CompileFailure> failure(const CacheKey& key);
  /// The newest 256 are kept.
  void remember_failure(const CacheKey& key, const CompileFailure& failure);
  /// Forgets the failures of keys that start with these hex digits; empty: all. Gives how many there were.
  std::int64_t forget_failures(std::string_view key_prefix);

  /// What a golden check found out about the key's kernel there, in the local database. One of another code object under
  /// the same key is the caller's to tell.
  std::optional<GoldenVerdict> verdict(const Digest& key, const GoldenPlace& place);
  /// Kept as long as the entry, or until the entry's code is another; false if it could not be stored.
  bool remember_verdict(const Digest& key, const GoldenVerdict& verdict);
  /// Forgets the verdicts that did not pass, as forget_failures() does.
  std::int64_t forget_failed_verdicts(std::string_view key_prefix);

  CacheCounters counters() const;
  /// Absolute; empty for memory only.
  const std::string& directory() const { return directory_; }

 private:
  void report(std::string problem);
  void count_fault(const Error& error);
  std::shared_ptr<const RowSignatures> load_keys(const CacheOptions& options);
  void store_remotely(const CacheKey& key, const CodeObject& code, RemoteLease lease);

  const std::string directory_, writer_;
  const ProblemSink on_problem_;
  const std::shared_ptr<UsageCounters> usage_ = std::make_shared<UsageCounters>();
  std::atomic<std::int64_t> storage_faults_{0};

  // Before the layers, whose threads report problems until they are destroyed.
  ForkSafeMutex problems_mutex_;  // Guards reported_; not held while the sink runs.
  ReportedProblems reported_;

  MemoryStore memory_;
  std::shared_ptr<const RowSignatures> signatures_;
  std::unique_ptr<SqliteStore> local_;    // Null without a directory.
  std::unique_ptr<BundleLayer> bundles_;  // Null without bundles.
  std::unique_ptr<RemoteTier> remote_;    // Null without a URL.
};

}  // namespace sinter
