// SPDX-License-Identifier: Apache-2.0
#pragma once

// Invariants. They stay on in release builds; nothing that a user or a file can contain may reach one.

#include <cstdio>
#include <cstdlib>

#define SINTER_CHECK(condition, message)                                                                            \
  do {                                                                                                              \
    if (!(condition)) {                                                                                             \
      std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", __FILE__, __LINE__, message, #condition);          \
      std::abort();                                                                                                 \
    }                                                                                                               \
  } while (false)
