// SPDX-License-Identifier: Apache-2.0
#pragma once

// Empties a device's caches of what a kernel will read, as a real program would have: without it, small weights stay in
// L2 between two launches and every tile looks fast.

#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "runtime/operands.h"
#include "runtime/runtime.h"

namespace sinter::cli {

class ColdCaches {
 public:
  /// On a GPU a kernel of ours reads and writes four times what L2 holds, enqueued before the timed launch, so that the
  /// device does not idle between; on the host, memory is written. A simulated device has no caches.
  static Result<ColdCaches> prepare(Runtime& runtime, int device);

  Result<void> flush();

 private:
  const Kernel* kernel_ = nullptr;
  std::optional<Operands> operands_;
  std::vector<std::byte> memory_;
  std::unique_ptr<DeviceBuffer> buffer_;
};

}  // namespace sinter::cli
