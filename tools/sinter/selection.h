// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which kernels a command is about, and for what: the options that prebuild and coverage share.

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "base/result.h"
#include "runtime/runtime.h"
#include "tools/sinter/model_presets.h"
#include "tools/sinter/prebuild_plan.h"

namespace sinter::cli {

struct SelectionOptions {
  std::vector<std::string> manifests, traces;
  std::string model;
  ModelSplit split;
  std::vector<std::string> archs;
  std::vector<std::string> devices;  ///< Rows of the capability table, or devices of this machine.
  std::string driver_version;
  std::string shard;
};

/// Adds --manifest, --model and its split, --trace, --arch, --device, --driver and --shard.
void add_selection_options(CLI::App& command, SelectionOptions& options);

/// What was selected.
struct Selection {
  KernelPlan plan;
  std::vector<PlanTarget> targets;  ///< Empty if a trace alone says where.
  std::vector<std::string> notes;   ///< What of the traces was left out, a sentence each.
};

/// Opens devices of this machine ("cuda:0") if they are named. `tuned` is what was measured, as the server will have it.
/// Errors: kInvalidRequest; those of Runtime::open_device.
Result<Selection> select_kernels(Runtime& runtime, const TunedTable& tuned, const SelectionOptions& options);

}  // namespace sinter::cli
