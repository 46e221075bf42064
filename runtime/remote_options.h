// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/settings.h"
#include "cache/remote_lease.h"

namespace sinter {

/// The remote tier that the settings ask for, with the place of its helper program.
RemoteOptions remote_options(const Settings& settings);

}  // namespace sinter
