// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what PTX text says about one of its kernels.

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"
#include "codegen/code_object.h"

namespace sinter {

/// The facts of kernel `entry`: target ("compute_90a" for `.target sm_90a`, since PTX is for a virtual arch), argument
/// bytes, launch bounds, declared shared memory and matrix instructions. Registers, spills and local memory are decided
/// by the driver that compiles it, so they stay kUnknown. The bytes may be anything.
/// Errors: kInvalidRequest: no PTX, or no such kernel in it. Thread-safe.
Result<CodeFacts> read_ptx_facts(std::span<const std::byte> code, std::string_view entry);

}  // namespace sinter
