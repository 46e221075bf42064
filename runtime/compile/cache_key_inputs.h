// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one list of everything that can change a kernel's binary. What is missing here is a wrong-kernel bug.

#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/cache_key.h"
#include "codegen/family.h"

namespace sinter {

/// Which compiler builds a spec, and how.
struct Toolchain {
  std::string backend;               ///< "llvm", "nvrtc", "hiprtc".
  std::string identity;              ///< Its build identity, from the compiler itself.
  std::vector<std::string> options;  ///< In order.
};

/// True if two keys name the same kernel, whatever compiler built it: equal fields but for backend, compiler and options.
bool same_but_compiler(const CacheKey& a, const CacheKey& b);

/// No path, time, environment, device ordinal or build order is among the fields, so equal inputs give equal keys in
/// every directory, process and container. Errors: kInternal if the plan's template does not exist.
Result<CacheKey> cache_key_of(const KernelSpec& spec, const BodyPlan& plan, const Toolchain& toolchain);

}  // namespace sinter
