// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernels by number, for programs that compile with the fault compiler (fault_compiler.cpp). Its code is a function of
// the kernel's symbol alone, so that a wrong load is recognized wherever it comes from.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/arch.h"
#include "codegen/family.h"
#include "codegen/kernel_spec.h"
#include "codegen/resolve.h"

namespace sinter::faults {

struct FaultKernel {
  KernelSpec spec;
  BodyPlan plan;
};

/// Kernels of the host's lowest level, which every machine runs. `number` is from 0 to 100,000.
inline Result<FaultKernel> fault_kernel(int number) {
  KernelRequest request;
  SINTER_TRY(request.family, find_family("grouped_gemm"));
  SINTER_TRY_VOID(set_param(request, "n", std::int64_t{8} * (number + 1)));
  SINTER_TRY_VOID(set_param(request, "k", std::int64_t{64}));
  SINTER_TRY_VOID(set_param(request, "groups", std::int64_t{2}));
  FaultKernel kernel;
  SINTER_TRY(kernel.spec, resolve(request, {find_arch("x86-64-v3"), false, 0}));
  SINTER_TRY(kernel.plan, make_plan(kernel.spec));
  return kernel;
}

/// What the fault compiler makes of a kernel with this symbol: 1 to 40 KB.
inline std::vector<std::byte> fault_code(std::string_view entry) {
  std::uint64_t state = 1469598103934665603u;
  for (const char c : entry) {
    state = (state ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  std::vector<std::byte> code(1000 + state % 40000);
  for (std::byte& byte : code) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return code;
}

}  // namespace sinter::faults
