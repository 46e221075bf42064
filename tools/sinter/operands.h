// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operands: the tensors of one launch in a device's memory, and the argument struct that points to them. Any kernel of
// the family and shape can be launched on them.

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/kernel.h"
#include "runtime/runtime.h"

namespace sinter::cli {

class Operands {
 public:
  /// Uploads the inputs; the outputs are poisoned. `device` and the inputs' memory must outlive this. Errors: the driver's.
  static Result<Operands> prepare(const Device& device, const KernelSpec& spec, std::span<const TensorView> inputs,
                                  std::span<const TensorInfo> input_infos);

  /// NaN everywhere, so that an element that a kernel leaves out cannot pass a check.
  Result<void> poison_outputs();
  /// Zero everywhere: rows that no group owns keep what was there before.
  Result<void> clear_outputs();
  /// The outputs as they are now, in this object's memory.
  Result<std::span<const TensorView>> fetch_outputs();

  Result<void> launch(const Kernel& kernel) const { return kernel.launch(args_.data(), args_.size(), nullptr); }
  /// Milliseconds of one launch, by the device's clock.
  Result<double> timed(const Kernel& kernel) const;

 private:
  struct Bound {
    std::string_view name;
    std::unique_ptr<DeviceBuffer> buffer;
  };

  Operands(const Device& device, const Family& family) : device_(&device), family_(&family), args_(family.args_bytes()) {}
  Result<void> bind(std::string_view name, std::span<const std::byte> bytes);
  Result<void> fill_outputs(std::byte value);

  const Device* device_;
  const Family* family_;
  std::vector<std::byte> args_;
  std::vector<Bound> buffers_;
  std::vector<std::vector<std::byte>> output_bytes_;
  std::vector<TensorView> outputs_;
};

}  // namespace sinter::cli
