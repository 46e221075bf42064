// SPDX-License-Identifier: Apache-2.0
#pragma once

// NVTX ranges, which NVIDIA's profilers draw above the kernels. The functions are those of NVIDIA's own library, found
// by dlopen: it forwards to the profiler that started the process, and does nothing where there is none.

#include <memory>

#include "base/result.h"

namespace sinter {

/// Thread-safe. Ranges nest per thread.
class Nvtx {
 public:
  /// Errors: kDriverError naming the libraries that were tried.
  static Result<std::unique_ptr<const Nvtx>> open();

  void push(const char* name) const { (void)push_(name); }
  void pop() const { (void)pop_(); }

 private:
  Nvtx() = default;
  int (*push_)(const char* name) = nullptr;
  int (*pop_)() = nullptr;
};

/// A range of this thread until the end of the scope; nothing without an Nvtx.
class NvtxRange {
 public:
  NvtxRange(const Nvtx* nvtx, const char* name) : nvtx_(nvtx) {
    if (nvtx_ != nullptr) {
      nvtx_->push(name);
    }
  }
  ~NvtxRange() {
    if (nvtx_ != nullptr) {
      nvtx_->pop();
    }
  }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;

 private:
  const Nvtx* nvtx_;
};

}  // namespace sinter
