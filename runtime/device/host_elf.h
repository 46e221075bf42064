// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the dynamic loader would do with a host code object, read before it gets the chance.
//
// dlopen runs constructors and resolvers, pulls in other libraries, binds names to whatever the process has, and makes
// every stack executable for a file that does not say otherwise. A kernel needs none of that, so a code object that
// asks for any of it is refused.

#include <cstddef>
#include <span>

#include "base/result.h"

namespace sinter {

/// Checks that `code` is an x86-64 ELF shared object that is self-contained: its segments lie in the file, none is both
/// writable and executable, its stack is not executable, nothing is needed from other libraries, every relocation is
/// relative and lies in writable memory, and no code of it runs when it is opened or closed.
/// Errors: kUnsupported naming what was found. Reads only within `code`, whatever it holds. Thread-safe.
Result<void> check_host_code(std::span<const std::byte> code);

}  // namespace sinter
