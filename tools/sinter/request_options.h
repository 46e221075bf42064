// SPDX-License-Identifier: Apache-2.0
#pragma once

// A kernel request on a command line: one option for each parameter of any family.

#include <cstdint>
#include <map>
#include <string>

#include <CLI/App.hpp>

#include "base/result.h"
#include "codegen/kernel_spec.h"

namespace sinter::cli {

struct RequestOptions {
  std::string family;
  std::map<std::string, std::string> params;  ///< By name; empty: not given.
  std::int64_t rows = 0, largest = 0;  ///< Of a launch; 0: not given.
};

/// --n, --k, --tile, ..., --rows and --largest. `options` must live as long as the command.
void add_request_options(CLI::App& command, RequestOptions& options);

/// What was given; the rest is open. Errors: kInvalidRequest naming the parameter, the value and what is allowed.
Result<KernelRequest> make_request(const RequestOptions& options);

}  // namespace sinter::cli
