// SPDX-License-Identifier: Apache-2.0
#pragma once

// Opens a fake driver library (fake_gpu.h) from a test.

#include <dlfcn.h>

#include <algorithm>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "codegen/code_object.h"
#include "codegen/family.h"
#include "tests/support/fake_gpu.h"

namespace sinter::testing {

/// The control block of the fake at `path`, as new: the driver library stays loaded between tests.
inline FakeGpu& fresh_fake(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  auto* const control = reinterpret_cast<FakeGpuFunction*>(dlsym(library, "fake_gpu"));
  REQUIRE(control != nullptr);
  FakeGpu& fake = *control();
  const FakeGpu defaults;
  fake.device_count = defaults.device_count;
  fake.failures.clear();
  fake.jit_log.clear();
  fake.args_bytes = defaults.args_bytes;
  fake.args_offset = defaults.args_offset;
  fake.max_dynamic_shared_bytes = defaults.max_dynamic_shared_bytes;
  fake.blocks_per_unit = defaults.blocks_per_unit;
  fake.compute_capability = defaults.compute_capability;
  fake.arch = defaults.arch;
  fake.local_bytes = defaults.local_bytes;
  fake.capturing = defaults.capturing;
  fake.capture_status = defaults.capture_status;
  fake.live_streams = defaults.live_streams;
  fake.on_launch = nullptr;
  fake.is_silent = false;
  fake.calls.clear();
  fake.launches.clear();
  fake.last_error = 0;
  return fake;
}

inline std::ptrdiff_t count_calls(const FakeGpu& fake, std::string_view name) {
  return std::count(fake.calls.begin(), fake.calls.end(), name);
}

inline CodeObject fake_code(CodeFormat format) {
  CodeObject code;
  code.format = format;
  code.entry = "fake_kernel";
  code.code.assign(64, std::byte{'x'});
  code.facts.target = "fake target";
  return code;
}

/// Three words of arguments, as many as the fake kernel takes.
struct FakeArgs {
  std::uint64_t words[3] = {0x1111, 0x2222, 0x3333};

  std::string bytes() const { return {reinterpret_cast<const char*>(words), sizeof(words)}; }
};

inline LaunchShape fake_shape() { return {{7, 2, 1}, {256, 1, 1}, 4096}; }

}  // namespace sinter::testing
