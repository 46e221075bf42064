// SPDX-License-Identifier: Apache-2.0
#include "cache/kernel_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "cache/bundle_layer.h"
#include "cache/entry_row.h"
#include "cache/remote_tier.h"
#include "cache/row_signature.h"
#include "cache/sqlite_store.h"

namespace sinter {
namespace {

/// The cache stays where it is when the process changes its working directory.
std::string absolute_path(const std::string& directory) {
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(directory, error).string();
  return error ? directory : absolute;
}

}  // namespace

KernelCache::KernelCache(CacheOptions options, ProblemSink on_problem)
    : directory_(absolute_path(options.directory)),
      writer_(options.writer),
      on_problem_(std::move(on_problem)),
      memory_(options.memory_bytes) {
  signatures_ = load_keys(options);
  if (!options.bundles.empty()) {
    std::vector<std::string> places;
    for (const std::string& place : options.bundles) {
      places.push_back(absolute_path(place));
    }
    const BundleTrust trust{options.signatures, &signatures_->trusted, options.allow_shared_directory};
    bundles_ = std::make_unique<BundleLayer>(std::move(places), trust,
                                             [this](std::string problem) { report(std::move(problem)); });
  }
  if (!options.remote.url.empty()) {
    remote_ = std::make_unique<RemoteTier>(std::move(options.remote), signatures_,
                                           [this](std::string problem) { report(std::move(problem)); });
  }
  if (directory_.empty()) {
    return;
  }
  local_ = std::make_unique<SqliteStore>(
      SqliteStoreOptions{.directory = directory_,
                         .allow_shared_directory = options.allow_shared_directory,
                         .writer = writer_,
                         .busy_timeout = std::chrono::milliseconds(options.busy_timeout_ms),
                         .limits = {.max_bytes = options.max_bytes, .max_entries = options.max_entries},
                         .signatures = signatures_,
                         .usage = usage_},
      [this](std::string problem) { report(std::move(problem)); });
}

KernelCache::~KernelCache() = default;

std::shared_ptr<const RowSignatures> KernelCache::load_keys(const CacheOptions& options) {
  auto signatures = std::make_shared<RowSignatures>();
  signatures->policy = options.signatures;
  if (options.signatures != SignaturePolicy::kNone) {
    if (auto trusted = TrustedKeys::load(options.trusted_keys); trusted) {
      signatures->trusted = std::move(*trusted);
    } else {
      report(fmt::format("no key is trusted: {}", trusted.error().message));
    }
  }
  if (!options.signing_key.empty()) {
    if (auto key = SigningKey::load(options.signing_key); key) {
      signatures->key = std::move(*key);
    } else {
      report(fmt::format("nothing is signed: {}", key.error().message));
    }
  }
  return signatures;
}

std::optional<CacheHit> KernelCache::lookup_memory(const CacheKey& key) {
  if (auto code = memory_.get(key); code && *code != nullptr) {
    usage_->count(UsageEvent::kMemoryHit);
    return CacheHit{std::move(*code), CacheLayer::kMemory};
  }
  return std::nullopt;
}

std::vector<CacheKey> KernelCache::keys_of_spec(std::string_view spec, std::string_view arch) {
  std::vector<CacheKey> keys;
  if (local_ != nullptr) {
    if (auto found = local_->keys_of_spec(spec); found) {
      keys = std::move(*found);
    } else {
      count_fault(found.error());
    }
  }
  std::ranges::move(bundle_keys_of_spec(spec, arch), std::back_inserter(keys));
  return keys;
}

std::vector<CacheKey> KernelCache::bundle_keys_of_spec(std::string_view spec, std::string_view arch) {
  return bundles_ == nullptr ? std::vector<CacheKey>() : bundles_->keys_of_spec(spec, arch);
}

std::optional<CacheHit> KernelCache::lookup(const CacheKey& key, MissCount miss_count) {
  if (auto hit = lookup_memory(key)) {
    return hit;
  }
  if (local_ != nullptr) {
    auto code = local_->get(key);
    if (!code) {
      count_fault(code.error());
      usage_->note_cause(key.digest, kCauseStorage);
    } else if (*code != nullptr) {
      usage_->count(UsageEvent::kLocalHit);
      (void)memory_.put(key, *code);  // The memory layer has no faults.
      return CacheHit{std::move(*code), CacheLayer::kLocal};
    }
  }
  if (bundles_ != nullptr) {
    if (auto code = bundles_->get(key); code != nullptr) {
      usage_->count(UsageEvent::kBundleHit);
      (void)memory_.put(key, code);
      return CacheHit{std::move(code), CacheLayer::kBundle};
    }
  }
  if (miss_count == MissCount::kCounted) {
    count_miss(key);
  }
  return std::nullopt;
}

void KernelCache::count_miss(const CacheKey& key) {
  if (local_ != nullptr) {
    usage_->note_miss(key);
  } else {
    usage_->count(UsageEvent::kMiss);  // There is nobody to explain it to.
  }
}

RemoteLookup KernelCache::lookup_remote(const CacheKey& key, RemoteWish wish,
                                        const std::function<Result<void>(const CodeObject&)>& accept,
                                        const std::function<bool()>& on_wait) {
  if (remote_ == nullptr) {
    return {};
  }
  RemoteTier::Found found = remote_->find(key, wish, on_wait);
  if (!found.row) {
    return {std::nullopt, std::move(found.lease)};
  }
  const auto open = [&]() -> Result<std::shared_ptr<const CodeObject>> {
    const std::string key_fields = key_fields_to_json(key.fields);
    SINTER_TRY(CodeObject code, open_entry(*found.row, {key.digest, key_fields}));
    SINTER_TRY_VOID(accept(code));
    return std::make_shared<const CodeObject>(std::move(code));
  };
  auto code = open();
  if (!code) {
    remote_->reject(key, code.error().message);
    return {};
  }
  usage_->count(UsageEvent::kRemoteHit);
  (void)memory_.put(key, *code);
  if (local_ != nullptr) {
    if (const auto stored = local_->put_foreign_row(*found.row); stored) {
      usage_->count(UsageEvent::kStore);
    } else {
      count_fault(stored.error());
    }
  }
  return {CacheHit{std::move(*code), CacheLayer::kRemote}, {}};
}

void KernelCache::store(const CacheKey& key, std::shared_ptr<const CodeObject> code, RemoteLease lease) {
  if (const auto complete = check_complete(*code); !complete) {
    count_fault(complete.error());
    return;
  }
  (void)memory_.put(key, code);
  if (remote_ != nullptr) {
    store_remotely(key, *code, std::move(lease));
  }
  if (local_ == nullptr) {
    return;
  }
  if (const auto stored = local_->put(key, std::move(code)); stored) {
    usage_->count(UsageEvent::kStore);
  } else {
    count_fault(stored.error());
  }
}

void KernelCache::store_remotely(const CacheKey& key, const CodeObject& code, RemoteLease lease) {
  if (signatures_->policy != SignaturePolicy::kNone && !signatures_->key) {
    return;  // Nobody who thinks as this node does would read it, and it would replace what they do read.
  }
  auto row = seal_entry(key, code, {.writer = writer_});
  if (!row) {
    return;  // The local database says no for the same reason, and that is reported.
  }
  signatures_->sign(*row);
  remote_->store(std::move(*row), std::move(lease));
}

std::optional<std::string> KernelCache::compiler_identity(std::string_view stamp) {
  if (local_ == nullptr) {
    return std::nullopt;
  }
  auto identity = local_->compiler_identity(stamp);
  if (!identity) {
    count_fault(identity.error());
    return std::nullopt;
  }
  return std::move(*identity);
}

void KernelCache::remember_compiler_identity(std::string_view stamp, std::string_view identity) {
  if (local_ == nullptr) {
    return;
  }
  if (const auto stored = local_->remember_compiler_identity(stamp, identity); !stored) {
    count_fault(stored.error());
  }
}

std::optional<CompileFailure> KernelCache::failure(const CacheKey& key) {
  if (local_ == nullptr) {
    return std::nullopt;
  }
  auto failure = local_->failure(key);
  if (!failure) {
    count_fault(failure.error());
    return std::nullopt;
  }
  return std::move(*failure);
}

void KernelCache::remember_failure(const CacheKey& key, const CompileFailure& failure) {
  if (local_ == nullptr) {
    return;
  }
  if (const auto stored = local_->remember_failure(key, failure); !stored) {
    count_fault(stored.error());
  }
}

std::int64_t KernelCache::forget_failures(std::string_view key_prefix) {
  const auto keys = keys_with_prefix(key_prefix);
  if (local_ == nullptr || !keys) {
    return 0;
  }
  const auto forgotten = local_->forget_failures(*keys);
  if (!forgotten) {
    count_fault(forgotten.error());
    return 0;
  }
  return *forgotten;
}

std::optional<GoldenVerdict> KernelCache::verdict(const Digest& key, const GoldenPlace& place) {
  if (local_ == nullptr) {
    return std::nullopt;
  }
  auto verdict = local_->verdict(key, place);
  if (!verdict) {
    count_fault(verdict.error());
    return std::nullopt;
  }
  return std::move(*verdict);
}

bool KernelCache::remember_verdict(const Digest& key, const GoldenVerdict& verdict) {
  if (local_ == nullptr) {
    return false;
  }
  const auto stored = local_->remember_verdict(key, verdict);
  if (!stored) {
    count_fault(stored.error());
  }
  return stored.has_value();
}

std::int64_t KernelCache::forget_failed_verdicts(std::string_view key_prefix) {
  const auto keys = keys_with_prefix(key_prefix);
  if (local_ == nullptr || !keys) {
    return 0;
  }
  const auto forgotten = local_->forget_failed_verdicts(*keys);
  if (!forgotten) {
    count_fault(forgotten.error());
    return 0;
  }
  return *forgotten;
}

CacheCounters KernelCache::counters() const {
  return {.memory_hits = usage_->value(UsageEvent::kMemoryHit),
          .local_hits = usage_->value(UsageEvent::kLocalHit),
          .bundle_hits = usage_->value(UsageEvent::kBundleHit),
          .misses = usage_->value(UsageEvent::kMiss),
          .bad_entries = (local_ == nullptr ? 0 : local_->bad_entries()) +
                         (bundles_ == nullptr ? 0 : bundles_->bad_rows()),
          .storage_faults = storage_faults_.load(std::memory_order_relaxed) + (bundles_ == nullptr ? 0 : bundles_->faults()),
          .stores = usage_->value(UsageEvent::kStore),
          .remote = remote_ == nullptr ? RemoteCounters() : remote_->counters()};
}

void KernelCache::count_fault(const Error& error) {
  storage_faults_.fetch_add(1, std::memory_order_relaxed);
  report(error.message);
}

void KernelCache::report(std::string problem) {
  std::optional<std::string> told;
  {
    std::lock_guard lock(problems_mutex_);
    told = reported_.add(std::move(problem), ReportedProblems::Clock::now());
  }
  if (told && on_problem_) {
    on_problem_(std::move(*told));
  }
}

}  // namespace sinter
