// SPDX-License-Identifier: Apache-2.0
#pragma once

// LaunchWatch: who wants to be told of every launch (SINTER_LAUNCH_LOG, SINTER_NVTX). A kernel that nobody watches has
// none, and pays one compare for it.

#include <functional>
#include <memory>
#include <string>

#include "base/descriptor.h"
#include "base/settings.h"
#include "codegen/family.h"
#include "runtime/nvtx.h"

namespace sinter {

/// Thread-safe: immutable. Neither locks nor allocates.
class LaunchWatch {
 public:
  /// What the settings ask for; null if that is nothing. `on_problem` gets a sentence for what is not to be had: then
  /// launches go on without it.
  static std::unique_ptr<const LaunchWatch> create(const Settings& settings, const std::function<void(std::string)>& on_problem);

  /// Ranges around what takes long; may be null.
  const Nvtx* nvtx() const { return nvtx_.get(); }

  /// After a launch: one line of JSON, by one write(2) in append mode.
  void log(const std::string& device, const std::string& spec, const LaunchShape& shape, const void* stream, bool is_ok) const;

 private:
  LaunchWatch() = default;

  std::unique_ptr<const Nvtx> nvtx_;
  Descriptor file_;
};

}  // namespace sinter
