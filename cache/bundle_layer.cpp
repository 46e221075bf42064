// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle_layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace sinter {
namespace {

/// Long enough that a missing bundle costs nothing, short enough to notice that it was put there.
constexpr std::chrono::seconds kRetryOpenAfter{1};

void count(std::atomic<std::int64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

BundleLayer::BundleLayer(std::vector<std::string> places, BundleTrust trust,
                         std::function<void(std::string)> on_problem)
    : places_(std::move(places)), trust_(trust), on_problem_(std::move(on_problem)) {}

std::shared_ptr<const CodeObject> BundleLayer::get(const CacheKey& key) {
  const std::string key_fields = key_fields_to_json(key.fields);
  for (std::shared_ptr<Bundle>& bundle : bundles_for(key.field(kArchKeyField))) {
    BundleAnswer answer = bundle->get(key, key_fields);
    if (answer.kind == BundleAnswer::kBadRow) {
      // Bundle and manifest are two files: one opened between their renames does not fit together.
      if (const auto fresh = reopened(*bundle)) {
        answer = fresh->get(key, key_fields);
      }
    }
    switch (answer.kind) {
      case BundleAnswer::kHit: return std::move(answer.code);
      case BundleAnswer::kMiss: break;
      case BundleAnswer::kBadRow:
        count(bad_rows_);
        on_problem_(std::move(answer.problem));
        break;
      case BundleAnswer::kFault: fault(std::move(answer.problem)); break;
    }
  }
  return nullptr;
}

std::vector<CacheKey> BundleLayer::keys_of_spec(std::string_view spec, std::string_view arch) {
  std::vector<CacheKey> keys;
  for (const std::shared_ptr<Bundle>& bundle : bundles_for(arch)) {
    auto found = bundle->keys_of_spec(spec);
    if (found) {
      std::move(found->begin(), found->end(), std::back_inserter(keys));
    } else {
      fault(std::move(found).error().message);
    }
  }
  return keys;
}

std::vector<std::shared_ptr<Bundle>> BundleLayer::bundles_for(std::string_view arch) {
  std::call_once(listed_, [this] { list_places(); });
  std::vector<std::shared_ptr<Bundle>> bundles;
  std::vector<std::size_t> closed;  // Slots to open, and where they go in `bundles`.
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!may_hold_arch(slots_[i].path, arch) || (slots_[i].bundle == nullptr && now < slots_[i].closed_until)) {
        continue;
      }
      if (slots_[i].bundle == nullptr) {
        closed.push_back(i);
      }
      bundles.push_back(slots_[i].bundle);
    }
  }
  auto next = closed.begin();
  for (std::shared_ptr<Bundle>& bundle : bundles) {
    if (bundle != nullptr) {
      continue;
    }
    Slot& slot = slots_[*next++];  // Slots and their paths never change once they are listed.
    bundle = open(slot.path);
    const std::lock_guard lock(mutex_);
    if (slot.bundle == nullptr) {
      slot.bundle = bundle;
      slot.closed_until = now + kRetryOpenAfter;
    }
  }
  std::erase(bundles, nullptr);
  return bundles;
}

void BundleLayer::list_places() {
  for (const std::string& place : places_) {
    std::error_code error;
    if (!std::filesystem::is_directory(place, error)) {
      slots_.push_back({place, nullptr, {}});
      continue;
    }
    std::vector<std::string> paths;
    for (auto it = std::filesystem::directory_iterator(place, error);
         !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      if (it->path().extension() == kBundleExtension) {
        paths.push_back(it->path().string());
      }
    }
    if (error) {
      fault(fmt::format("cannot read the directory of bundles {}: {}", place, error.message()));
    }
    std::sort(paths.begin(), paths.end());
    for (std::string& path : paths) {
      slots_.push_back({std::move(path), nullptr, {}});
    }
  }
}

std::shared_ptr<Bundle> BundleLayer::open(const std::string& path) {
  auto bundle = Bundle::open(path, trust_);
  if (!bundle) {
    fault(std::move(bundle).error().message);
    return nullptr;
  }
  return std::move(*bundle);
}

std::shared_ptr<Bundle> BundleLayer::reopened(const Bundle& bundle) {
  if (bundle.is_current()) {
    return nullptr;
  }
  auto fresh = open(bundle.path());
  if (fresh != nullptr) {
    const std::lock_guard lock(mutex_);
    for (Slot& slot : slots_) {
      if (slot.bundle.get() == &bundle) {
        slot.bundle = fresh;
      }
    }
  }
  return fresh;
}

void BundleLayer::fault(std::string problem) {
  count(faults_);
  on_problem_(std::move(problem));
}

}  // namespace sinter
