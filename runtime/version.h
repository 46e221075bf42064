// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace sinter {

/// The release of Sinter. In no cache key: what can change a binary is listed in runtime/compile/cache_key_inputs.cpp.
inline constexpr std::string_view kVersion = SINTER_VERSION;

}  // namespace sinter
