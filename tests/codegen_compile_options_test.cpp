// SPDX-License-Identifier: Apache-2.0
#include "codegen/compile_options.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace sinter {
namespace {

Arch arch_named(std::string_view name, Vendor vendor, std::int32_t capability = 0) {
  Arch arch{};
  arch.name = name;
  arch.vendor = vendor;
  arch.compute_capability = capability;
  return arch;
}

/// True if `value` follows `option`.
bool has_pair(const std::vector<std::string>& options, std::string_view option, std::string_view value) {
  const auto match = [&](const std::string& a, const std::string& b) { return a == option && b == value; };
  return std::adjacent_find(options.begin(), options.end(), match) != options.end();
}

}  // namespace

TEST_CASE("clang is told the arch, its features and the language") {
  const auto amd = default_options("llvm", arch_named("gfx950", Vendor::kAmd));
  CHECK(has_pair(amd, "-target-cpu", "gfx950"));
  CHECK(has_pair(amd, "-x", "hip"));
  const auto host = default_options("llvm", arch_named("x86-64-v4+avx512bf16", Vendor::kHost));
  CHECK(has_pair(host, "-target-cpu", "x86-64-v4"));
  CHECK(has_pair(host, "-target-feature", "+avx512bf16"));
  CHECK(has_pair(host, "-x", "c++"));
  const auto ptx = default_options("llvm", arch_named("compute_80", Vendor::kNvidia, 80));
  CHECK(has_pair(ptx, "-target-cpu", "sm_80"));
  CHECK(has_pair(ptx, "-target-feature", "+ptx80"));
  CHECK(has_pair(default_options("llvm", arch_named("sm_90a", Vendor::kNvidia, 90)), "-target-cpu", "sm_90a"));
}

TEST_CASE("the run-time compilers are told the arch") {
  const auto nvrtc = default_options("nvrtc", arch_named("sm_90a", Vendor::kNvidia, 90));
  REQUIRE_FALSE(nvrtc.empty());
  CHECK(nvrtc[0] == "--gpu-architecture=sm_90a");
  const auto hiprtc = default_options("hiprtc", arch_named("gfx90a", Vendor::kAmd));
  REQUIRE_FALSE(hiprtc.empty());
  CHECK(hiprtc[0] == "--offload-arch=gfx90a");
}

TEST_CASE("a backend has no options for a vendor it does not serve") {
  CHECK(default_options("nvrtc", arch_named("gfx942", Vendor::kAmd)).empty());
  CHECK(default_options("hiprtc", arch_named("sm_80", Vendor::kNvidia, 80)).empty());
  CHECK(default_options("gcc", arch_named("sm_80", Vendor::kNvidia, 80)).empty());
}

}  // namespace sinter
