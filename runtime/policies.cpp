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

// What a live handle says to a request at once. Null: the caller has to build the kernel that is asked for.
const KernelHandle* Runtime::answer_live(int device, const KernelRequest& request, const KernelHandle* live, GetPolicy policy) {
  StandIn* const stand_in = live->stand_in();
  if (stand_in == nullptr) {
    return live;
  }
  if (policy != GetPolicy::kFallback) {
    const Kernel* const own = stand_in->own();
    return own != nullptr ? own->handle() : nullptr;
  }
  return !stand_in->begin_build() || build_behind(device, request, *stand_in) ? live : nullptr;
}

// Of several threads that come at the same time one is first; the others get its handle.
Result<const KernelHandle*> Runtime::give_stand_in(int device, const KernelRequest& request, const Kernel* resident, void* stream,
                                                   KernelOrigin* origin) {
  auto stand_in = std::make_unique<StandIn>(resident);
  const KernelHandle* const mine = stand_in->handle();
  const KernelHandle* const live = live_.insert({static_cast<std::uint64_t>(device), request}, mine);
  if (live == nullptr) {  // The table is full: a stand-in that nobody finds again would be one at every call.
    return make_live(device, request, {GetPolicy::kBlock, stream}, origin);
  }
  if (live == mine) {
    const std::lock_guard lock(mutex_);
    stand_ins_.push_back(std::move(stand_in));
  }
  if (const KernelHandle* const answer = answer_live(device, request, live, GetPolicy::kFallback); answer != nullptr) {
    return answer;
  }
  // Nobody can build it behind the stand-in.
  auto own = make_live(device, request, {GetPolicy::kBlock, stream}, origin);
  if (own) {
    return own;
  }
  if (StandIn* const waiting = live->stand_in(); waiting != nullptr) {
    keep_standing_in(*waiting, own.error());
  }
  return live;
}

// False if no thread is to be had.
bool Runtime::build_behind(int device, const KernelRequest& request, StandIn& stand_in) {
  const bool is_taken = background_.add([this, device, request, &stand_in] {
    if (const auto own = get_kernel(device, request); !own && !service_->is_stopped()) {
      keep_standing_in(stand_in, own.error());
    }
  });
  if (!is_taken) {
    stand_in.give_up_build();
  }
  return is_taken;
}

void Runtime::keep_standing_in(StandIn& stand_in, const Error& why) {
  stand_in.fail_build();
  ++background_failures_;
  log_.warn(fmt::format("a stand-in stays in use: {}", why.message));
}

// The kernel of a request is there; a handle that was given for it before may be swapped.
void Runtime::finish_stand_in(const KernelHandle* live, const Kernel* own) {
  StandIn* const stand_in = live->stand_in();
  if (stand_in == nullptr || !stand_in->finish_build(own)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  ready_swaps_.push_back(stand_in);
}

std::int64_t Runtime::swap_ready() {
  const std::lock_guard lock(mutex_);
  for (StandIn* const stand_in : ready_swaps_) {
    stand_in->swap();
  }
  const auto count = static_cast<std::int64_t>(ready_swaps_.size());
  ready_swaps_.clear();
  swaps_ += count;
  return count;
}

void Runtime::retry_failures() {
  service_->retry_failures();
  const std::lock_guard lock(mutex_);
  for (const auto& stand_in : stand_ins_) {
    stand_in->retry_at_once();
  }
}

Result<void> Runtime::prefetch(int device, std::span<const KernelRequest> requests) {
  if (opened(device) == nullptr) {
    return no_device(device);
  }
  for (const KernelRequest& request : requests) {
    const bool is_taken = background_.add([this, device, request] {
      if (const auto kernel = get_kernel(device, request); !kernel && !service_->is_stopped()) {
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
