// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tools/sinter/cache.cpp needs of the commands about bundles.

#include <string>

#include <CLI/App.hpp>

namespace sinter::cli {

/// Adds export, import, sign and verify-sig to `sinter cache`.
void add_cache_bundles(CLI::App& cache_command, int& status);

/// `sinter cache verify FILE`.
int verify_bundle_file(const std::string& path, bool json);

}  // namespace sinter::cli
