// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tools/sinter/cache.cpp needs of the commands about bundles.

#include <string>

#include <CLI/App.hpp>

#include "base/result.h"
#include "base/settings.h"
#include "cache/row_signature.h"

namespace sinter::cli {

/// Adds export, import, sign and verify-sig to `sinter cache`.
void add_cache_bundles(CLI::App& cache_command, int& status);

/// Adds merge.
void add_cache_merge(CLI::App& cache_command, int& status);

/// The policy of signatures, with its keys. Errors: those of TrustedKeys::load and SigningKey::load.
Result<RowSignatures> row_signatures(const Settings& settings);

/// `sinter cache verify FILE`.
int verify_bundle_file(const std::string& path, bool json);

}  // namespace sinter::cli
