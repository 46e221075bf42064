// SPDX-License-Identifier: Apache-2.0

// What Runtime does so that a host need not wait: builds in the background, stand-ins, and the end of the warm-up.

#include <fmt/format.h>

#include "runtime/runtime.h"

namespace sinter {

namespace {

// Whether `other` computes what `spec` does, from the same arguments: they differ in nothing but what a request may
// leave open (the tile, vskip).
bool computes_the_same(const KernelSpec& spec, const KernelSpec& other) {
  if (spec.family != other.family || spec.arch != other.arch) {
    return false;
  }
  const auto params = spec.family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    const bool is_open = params[i].resolved || params[i].words.data() == std::data(kVskipWords);
    if (!is_open && spec.values[i] != other.values[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<CompiledCode> Runtime::find_code(const KernelSpec& spec, const BodyPlan& plan, GetPolicy policy) {
  const LateCompiles late = late_compiles_mode_.load(std::memory_order_relaxed);
  CompilePermission permission;
  if (policy == GetPolicy::kStrict) {
    permission = {false, "the request is strict, so it is not compiled"};
  } else if (late == LateCompiles::kRefused) {
    permission = {false, "the warm-up is over, so it is not compiled"};
  }
  const NvtxRange range(nvtx(), "sinter look up or compile");
  auto found = service_->load_or_compile(spec, plan, permission);
  if (late == LateCompiles::kAllowed) {
    return found;
  }
  const bool was_refused = !found && found.error().code == ErrorCode::kNotPrebuilt && late == LateCompiles::kRefused;
  if (was_refused || (found && found->origin == CodeOrigin::kCompiled)) {
    ++late_compiles_;
  } else if (found) {
    ++late_loads_;
  }
  if (late == LateCompiles::kWarned && found && found->origin == CodeOrigin::kCompiled) {
    log_.warn(fmt::format("{} was compiled after the warm-up; ask for it before, by sinter_prefetch or `sinter prebuild`", spec.name()));
  }
  return found;
}

const Kernel* Runtime::find_stand_in(int device, const KernelSpec& spec) {
  const std::lock_guard lock(mutex_);
  for (auto it = kernels_.lower_bound({device, std::string()}); it != kernels_.end() && it->first.first == device; ++it) {
    if (computes_the_same(spec, it->second->spec())) {
      return it->second.get();
    }
  }
  return nullptr;
}

// Of several threads that come at the same time one is first; the others get its handle.
const KernelHandle* Runtime::give_stand_in(int device, const KernelRequest& request, const Kernel* stand_in) {
  auto handle = std::make_unique<KernelHandle>(stand_in);
  handle->set_standing_in();
  KernelHandle* const mine = handle.get();
  const KernelHandle* const first = live_.insert({static_cast<std::uint64_t>(device), request}, mine);
  if (first == mine) {
    {
      const std::lock_guard lock(mutex_);
      stand_in_handles_.push_back(std::move(handle));
    }
    build_behind(device, request, mine);
  }
  return first;
}

void Runtime::build_behind(int device, const KernelRequest& request, KernelHandle* handle) {
  background_.add([this, device, request, handle] {
    const auto special = get_kernel(device, request);
    if (!special) {
      ++background_failures_;
      log_.warn(fmt::format("a stand-in stays in use: {}", special.error().message));
      return;
    }
    const std::lock_guard lock(mutex_);
    ready_swaps_.push_back({handle, *special});
  });
}

std::int64_t Runtime::swap_ready() {
  const std::lock_guard lock(mutex_);
  for (const ReadySwap& swap : ready_swaps_) {
    swap.handle->swap_to(swap.kernel);
  }
  const auto count = static_cast<std::int64_t>(ready_swaps_.size());
  ready_swaps_.clear();
  swaps_ += count;
  return count;
}

Result<void> Runtime::prefetch(int device, std::span<const KernelRequest> requests) {
  if (device < 0 || device >= kMaxDevices || opened_[static_cast<std::size_t>(device)].load() == nullptr) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("device {} was not opened", device));
  }
  for (const KernelRequest& request : requests) {
    const bool is_taken = background_.add([this, device, request] {
      if (const auto kernel = get_kernel(device, request); !kernel) {
        ++background_failures_;
        log_.warn(fmt::format("prefetch: {}", kernel.error().message));
      }
    });
    if (!is_taken) {
      return make_error(ErrorCode::kInternal, "prefetch: no thread is to be had (a child of fork has none); get the kernels one by one");
    }
  }
  return {};
}

}  // namespace sinter
