// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/cold_caches.h"

#include <algorithm>

#include "codegen/random_tensors.h"
#include "codegen/resolve.h"

namespace sinter::cli {

namespace {

/// Where no row says what L2, or the host's L3, holds.
constexpr std::int64_t kUnknownCacheBytes = std::int64_t{64} << 20;
constexpr std::int64_t kTimes = 4;
constexpr std::int64_t kColumns = 4096;

}  // namespace

Result<ColdCaches> ColdCaches::prepare(Runtime& runtime, int device_index) {
  ColdCaches caches;
  const Device& device = runtime.device(device_index);
  if (device.properties.simulated) {
    return caches;
  }
  const std::int64_t bytes = kTimes * device.caps.l2_bytes.value.value_or(kUnknownCacheBytes);
  if (device.build_arch->vendor == Vendor::kHost) {
    caches.memory_.resize(static_cast<std::size_t>(std::max(bytes, kTimes * kUnknownCacheBytes)));
    SINTER_TRY(caches.buffer_, device.driver->allocate(device.properties.ordinal, caches.memory_.size()));
    return caches;
  }
  KernelRequest request;
  SINTER_TRY(request.family, find_family("quantize"));
  SINTER_TRY_VOID(set_param(request, "k", kColumns));
  SINTER_TRY(caches.kernel_, runtime.get_kernel(device_index, request));
  const RowLayout rows{.of_groups = {bytes / (2 * kColumns)}};
  SINTER_TRY(const RandomTensors inputs, RandomTensors::inputs(caches.kernel_->spec(), rows, /*seed=*/1));
  SINTER_TRY(caches.operands_, Operands::prepare(*device.driver, device.properties.ordinal, caches.kernel_->spec(), inputs.views()));
  return caches;
}

Result<void> ColdCaches::flush() {
  if (kernel_ != nullptr) {
    return operands_->launch(*kernel_);
  }
  return buffer_ == nullptr ? Result<void>() : buffer_->upload(memory_);
}

}  // namespace sinter::cli
