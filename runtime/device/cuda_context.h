// SPDX-License-Identifier: Apache-2.0
#pragma once

// The context that Sinter's CUDA kernels, buffers and timers live in: a device's primary one, which the CUDA runtime,
// and so every framework on it, uses too.

#include <memory>

#include "base/result.h"
#include "runtime/device/cuda_api.h"

namespace sinter::cuda {

/// One reference to a device's primary context. Whatever lives in the context holds a pointer to this, so that the
/// context is not torn down under it. Thread-safe: immutable.
class PrimaryContext {
 public:
  /// The first reference in a process creates the context: hundreds of milliseconds and of MiB.
  static Result<std::shared_ptr<const PrimaryContext>> retain(std::shared_ptr<const Api> api, Device device);

  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;
  ~PrimaryContext();

  const Api& api() const { return *api_; }
  Context* handle() const { return handle_; }

 private:
  PrimaryContext(std::shared_ptr<const Api> api, Device device, Context* handle);

  std::shared_ptr<const Api> api_;
  Device device_;
  Context* handle_;
};

/// Makes a context current on this thread and gives the thread back what it had.
class ContextScope {
 public:
  explicit ContextScope(const PrimaryContext& context)
      : api_(context.api()), status_(api_.context_push(context.handle())) {}
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope() {
    if (status_ == kSuccess) {
      Context* popped = nullptr;
      api_.context_pop(&popped);
    }
  }

  /// False after the driver's shutdown: then nothing in the context is left to be released.
  bool is_current() const { return status_ == kSuccess; }
  Status status() const { return status_; }

 private:
  const Api& api_;
  Status status_;
};

/// Lets this thread allocate while another one captures a graph: without it, the first call that a capture in global
/// mode forbids would invalidate the host's capture. Nothing of what runs inside is part of a capture.
class RelaxedCaptureScope {
 public:
  explicit RelaxedCaptureScope(const Api& api) : api_(api) { is_set_ = api_.exchange_capture_mode(&mode_) == kSuccess; }
  RelaxedCaptureScope(const RelaxedCaptureScope&) = delete;
  RelaxedCaptureScope& operator=(const RelaxedCaptureScope&) = delete;
  ~RelaxedCaptureScope() {
    if (is_set_) {
      api_.exchange_capture_mode(&mode_);
    }
  }

 private:
  const Api& api_;
  CaptureMode mode_ = kCaptureRelaxed;
  bool is_set_ = false;
};

}  // namespace sinter::cuda
