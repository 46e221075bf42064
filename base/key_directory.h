// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sinter {

/// Where `sinter key generate NAME` puts keys: $XDG_CONFIG_HOME/sinter/keys or ~/.config/sinter/keys; empty without either.
std::string default_key_directory();

}  // namespace sinter
