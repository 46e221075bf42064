// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands below `sinter cache` that look inside one, and none that changes one. Each adds its own to `cache`.

#include <CLI/App.hpp>

namespace sinter::cli {

void add_cache_list(CLI::App& cache, int& status);
void add_cache_top(CLI::App& cache, int& status);
void add_cache_diff(CLI::App& cache, int& status);
void add_cache_disasm(CLI::App& cache, int& status);
void add_cache_why(CLI::App& cache, int& status);
void add_cache_stats(CLI::App& cache, int& status);
void add_cache_report(CLI::App& cache, int& status);

}  // namespace sinter::cli
