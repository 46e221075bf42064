// SPDX-License-Identifier: Apache-2.0
#pragma once

// C++ over the C ABI of sinter.h, header-only: owners that clean up, and failures as exceptions of the caller's own
// build (none crosses the library's boundary).

#include <sinter/sinter.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace sinter {

/// A refused or failed call. what() is the one-sentence message.
class Failure : public std::runtime_error {
 public:
  /// Takes `error` over.
  explicit Failure(sinter_error* error)
      : std::runtime_error(sinter_error_message(error)), status_(sinter_error_status(error)), log_(sinter_error_log(error)) {
    sinter_error_free(error);
  }
  sinter_status status() const { return status_; }
  const std::string& log() const { return log_; }  ///< The compiler's output, or empty.

 private:
  sinter_status status_;
  std::string log_;
};

namespace detail {
template <class Call>
void check(Call&& call) {
  sinter_error* error = nullptr;
  if (std::forward<Call>(call)(&error) != SINTER_OK) {
    throw Failure(error);
  }
}
}  // namespace detail

/// A kernel of a Runtime; copy it freely while the runtime lives. Thread-safe.
class KernelRef {
 public:
  explicit KernelRef(const sinter_kernel* kernel) : kernel_(kernel) {}
  std::string_view name() const { return sinter_kernel_name(kernel_); }

  /// `args`: sinter_grouped_gemm_args, sinter_quantize_args, ...
  template <class Args>
  void launch(const Args& args, void* stream = nullptr) const {
    detail::check([&](sinter_error** error) { return sinter_launch(kernel_, &args, sizeof args, stream, error); });
  }

 private:
  const sinter_kernel* kernel_;
};

/// What is wanted, by name: Request("grouped_gemm").set("n", 2816).set("quant", "fp8_block").
class Request {
 public:
  explicit Request(const char* family) {
    detail::check([&](sinter_error** error) { return sinter_request_init(&request_, family, error); });
  }
  Request& set(const char* name, const char* value) {
    detail::check([&](sinter_error** error) { return sinter_request_set(&request_, name, value, error); });
    return *this;
  }
  Request& set(const char* name, std::int64_t value) {
    detail::check([&](sinter_error** error) { return sinter_request_set_int(&request_, name, value, error); });
    return *this;
  }
  const sinter_request& raw() const { return request_; }

 private:
  sinter_request request_;
};

/// Owns compilers, cache and devices. Thread-safe.
class Runtime {
 public:
  Runtime() : Runtime(sinter_options{sizeof(sinter_options), 0, nullptr, 0, nullptr, nullptr}) {}
  explicit Runtime(const sinter_options& options) {
    sinter_runtime* runtime = nullptr;
    detail::check([&](sinter_error** error) { return sinter_runtime_create(&options, &runtime, error); });
    runtime_.reset(runtime);
  }

  /// "host", "cuda:0", "hip:1".
  std::int32_t open_device(const char* name) {
    std::int32_t device = 0;
    detail::check([&](sinter_error** error) { return sinter_open_device(runtime_.get(), name, &device, error); });
    return device;
  }

  KernelRef get_kernel(std::int32_t device, const Request& request) {
    const sinter_kernel* kernel = nullptr;
    detail::check([&](sinter_error** error) { return sinter_get_kernel(runtime_.get(), device, &request.raw(), &kernel, error); });
    return KernelRef(kernel);
  }

 private:
  struct Destroy {
    void operator()(sinter_runtime* runtime) const { sinter_runtime_destroy(runtime); }
  };
  std::unique_ptr<sinter_runtime, Destroy> runtime_;
};

}  // namespace sinter
