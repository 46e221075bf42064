// SPDX-License-Identifier: Apache-2.0
#pragma once

// A kernel of the host from request to launch, for tests: resolved, rendered, compiled in this process, loaded by the
// host driver; and memory that shows accesses out of place.

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "codegen/compile_options.h"
#include "codegen/render.h"
#include "codegen/resolve.h"
#include "runtime/device/driver.h"
#include "tools/worker_llvm/llvm_worker.h"

namespace sinter::testing {

inline std::vector<const Arch*> archs_of_this_cpu() {
  std::vector<const Arch*> archs;
  for (const Arch& arch : all_archs()) {
    if (arch.vendor == Vendor::kHost && runs_on(arch, *host_arch())) {
      archs.push_back(&arch);
    }
  }
  return archs;
}

/// A request by words, as on a command line.
struct Words {
  std::string_view family;
  std::vector<std::pair<std::string_view, std::string>> params;
};

inline KernelSpec resolve_words(const Words& words, const Arch& arch) {
  KernelRequest request;
  const auto family = find_family(words.family);
  REQUIRE(family);
  request.family = *family;
  for (const auto& [name, value] : words.params) {
    REQUIRE(set_param(request, name, std::string_view(value)));
  }
  const auto spec = resolve(request, ResolveTarget{.arch = &arch});
  REQUIRE(spec);
  return *spec;
}

/// Compiles for a test and launches on a driver of so many threads.
class HostKernel {
 public:
  HostKernel(const KernelSpec& spec, int threads) : spec_(spec) {
    auto plan = make_plan(spec);
    REQUIRE(plan);
    plan_ = *plan;
    const auto generated = render(spec, plan_);
    REQUIRE(generated);
    protocol::CompileRequest request;
    request.backend = "llvm";
    request.arch = spec.arch->name;
    request.entry = generated->entry;
    request.source = generated->source;
    request.headers = generated->headers;
    request.options = default_options("llvm", *spec.arch);
    const protocol::CompileReply reply = LlvmWorker().compile(request);
    INFO(spec.name() << ": " << reply.error << "\n" << reply.log);
    REQUIRE(reply.ok);
    CHECK(reply.log.empty());
    auto driver = make_host_driver(threads);
    REQUIRE(driver);
    CodeObject code;
    code.entry = request.entry;
    code.code = reply.code;
    auto kernel = (*driver)->load(0, code, LaunchShape{.dynamic_shared_bytes = plan_.dynamic_shared_bytes});
    REQUIRE(kernel);
    kernel_ = std::move(*kernel);
  }

  template <class Args>
  void launch(const Args& args) const {
    const Body* body = spec_.family->body(Vendor::kHost);
    launch(args, body->launch_shape(spec_, plan_, &args, LaunchTarget{.unit_count = 2}));
  }

  template <class Args>
  void launch(const Args& args, const LaunchShape& shape) const {
    REQUIRE(kernel_->launch(shape, &args, sizeof args, nullptr));
  }

  const BodyPlan& plan() const { return plan_; }

 private:
  KernelSpec spec_;
  BodyPlan plan_;
  std::unique_ptr<LoadedKernel> kernel_;
};

/// An array of poison that ends at a page nobody may touch and begins behind a page of poison: reading behind the end
/// kills the test, writing before the beginning is seen.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t count)
      : count_(count), mapped_(kPage + (count * sizeof(T) + kPage - 1) / kPage * kPage) {
    void* const memory = mmap(nullptr, mapped_ + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    bytes_ = static_cast<unsigned char*>(memory);
    REQUIRE(mprotect(bytes_, mapped_, PROT_READ | PROT_WRITE) == 0);
    poison();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(bytes_, mapped_ + kPage); }

  T* data() { return reinterpret_cast<T*>(bytes_ + mapped_) - count_; }
  T& operator[](std::size_t i) { return data()[i]; }
  std::size_t size() const { return count_; }
  std::vector<T> values() { return {data(), data() + count_}; }
  void poison() { std::memset(bytes_, kPoison, mapped_); }
  bool guard_intact() {
    const unsigned char* const end = reinterpret_cast<unsigned char*>(data());
    return std::all_of(static_cast<const unsigned char*>(bytes_), end, [](auto byte) { return byte == kPoison; });
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr unsigned char kPoison = 0xa5;
  std::size_t count_, mapped_;
  unsigned char* bytes_ = nullptr;
};

inline std::uint16_t bf16(double value) {
  const float narrow = static_cast<float>(value);
  std::uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace sinter::testing
