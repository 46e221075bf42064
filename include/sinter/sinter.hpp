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
#include <vector>

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

/// One launch that repeats, in this object's memory (sinter_packed). For one thread at a time; keep one per place that
/// launches.
class Packed {
 public:
  sinter_packed* raw() { return &packed_; }

 private:
  sinter_packed packed_{};
};

/// A kernel of a Runtime; copy it freely while the runtime lives. Thread-safe.
class KernelRef {
 public:
  explicit KernelRef(const sinter_kernel* kernel) : kernel_(kernel) {}
  std::string_view name() const { return sinter_kernel_name(kernel_); }
  /// A resident kernel answers for this one until it is ready and swap_ready() was called.
  bool stands_in() const { return sinter_kernel_stands_in(kernel_) != 0; }
  const sinter_kernel* raw() const { return kernel_; }

  /// `args`: sinter_grouped_gemm_args, sinter_grouped_wgrad_args, sinter_quantize_args.
  template <class Args>
  void launch(const Args& args, void* stream = nullptr) const {
    detail::check([&](sinter_error** error) { return sinter_launch(kernel_, &args, sizeof args, stream, error); });
  }
  /// The same for launches that repeat: arguments that `packed` holds already are neither checked nor encoded again.
  template <class Args>
  void launch(const Args& args, Packed& packed, void* stream = nullptr) const {
    detail::check([&](sinter_error** error) { return sinter_kernel_launch(kernel_, &args, sizeof args, packed.raw(), stream, error); });
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
  Runtime() : Runtime(sinter_options{sizeof(sinter_options), 0, nullptr, 0, nullptr, nullptr, 0, 0}) {}
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

  /// `stream`: that the kernel is wanted for; while it is captured, only live kernels are to be had.
  KernelRef get_kernel(std::int32_t device, const Request& request, sinter_policy policy, void* stream = nullptr) {
    const sinter_get_options options{sizeof(sinter_get_options), static_cast<std::uint32_t>(policy), stream};
    const sinter_kernel* kernel = nullptr;
    detail::check(
        [&](sinter_error** error) { return sinter_get_kernel_with(runtime_.get(), device, &request.raw(), &options, &kernel, error); });
    return KernelRef(kernel);
  }

  /// "<kernel>: exact: tile=128x256x64 measured on ...": which kernel a request gets, and what chose it. Builds nothing.
  std::string explain_choice(std::int32_t device, const Request& request) {
    std::string text(1024, '\0');
    std::size_t needed = 0;
    const auto explain = [&](sinter_error** error) {
      return sinter_explain_choice(runtime_.get(), device, &request.raw(), text.data(), text.size(), &needed, error);
    };
    detail::check(explain);
    if (needed > text.size()) {
      text.resize(needed);
      detail::check(explain);
    }
    text.resize(std::char_traits<char>::length(text.c_str()));
    return text;
  }

  /// Builds in the background.
  void prefetch(std::int32_t device, const std::vector<Request>& requests) {
    std::vector<sinter_request> raw;
    for (const Request& request : requests) {
      raw.push_back(request.raw());
    }
    detail::check([&](sinter_error** error) { return sinter_prefetch(runtime_.get(), device, raw.data(), raw.size(), error); });
  }
  /// Throws Failure with SINTER_TIMEOUT.
  void wait_background(std::uint32_t timeout_ms) {
    detail::check([&](sinter_error** error) { return sinter_wait_background(runtime_.get(), timeout_ms, error); });
  }
  /// Call it where launches may change. The number of kernels that took their stand-in's place.
  std::uint64_t swap_ready() {
    std::uint64_t swapped = 0;
    detail::check([&](sinter_error** error) { return sinter_swap_ready(runtime_.get(), &swapped, error); });
    return swapped;
  }
  void end_warmup(sinter_late_compiles late) {
    detail::check([&](sinter_error** error) { return sinter_end_warmup(runtime_.get(), late, error); });
  }
  sinter_stats stats() const {
    sinter_stats stats{};
    stats.struct_size = sizeof stats;
    sinter_get_stats(runtime_.get(), &stats);
    return stats;
  }
  /// Counters and times in Prometheus' text format.
  std::string metrics_text() const {
    std::string text;
    std::size_t length = 0;
    // It may grow between the two calls.
    for (sinter_metrics_text(runtime_.get(), nullptr, 0, &length); length > text.size();) {
      text.resize(length);
      sinter_metrics_text(runtime_.get(), text.data(), text.size() + 1, &length);
    }
    text.resize(length);
    return text;
  }

 private:
  struct Destroy {
    void operator()(sinter_runtime* runtime) const { sinter_runtime_destroy(runtime); }
  };
  std::unique_ptr<sinter_runtime, Destroy> runtime_;
};

}  // namespace sinter
