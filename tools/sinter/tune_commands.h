// SPDX-License-Identifier: Apache-2.0
#pragma once

// The subcommands of `sinter tune` that look at tuned rows and move them.

#include <CLI/App.hpp>

#include "codegen/tuning_row.h"

namespace sinter::cli {

/// list, show, export, import and forget.
void add_tune_rows(CLI::App& tune, int& status);

/// One row as text: the decision, then its candidates with median, spread and what they lose.
void print_row(const TuningRow& row);

/// The first hex digits of a decision, as tools show it.
std::string short_name(const Digest& decision);

}  // namespace sinter::cli
