// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda_context.h"

#include <utility>

namespace sinter::cuda {

Result<std::shared_ptr<const PrimaryContext>> PrimaryContext::retain(std::shared_ptr<const Api> api, Device device) {
  Context* handle = nullptr;
  if (const Status status = api->primary_retain(&handle, device); status != kSuccess) {
    return call_error(*api, "cuDevicePrimaryCtxRetain", status);
  }
  return std::shared_ptr<const PrimaryContext>(new PrimaryContext(std::move(api), device, handle));
}

PrimaryContext::PrimaryContext(std::shared_ptr<const Api> api, Device device, Context* handle)
    : api_(std::move(api)), device_(device), handle_(handle) {}

PrimaryContext::~PrimaryContext() { api_->primary_release(device_); }

}  // namespace sinter::cuda
