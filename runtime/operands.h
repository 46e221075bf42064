// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operands: the tensors of one launch in a device's memory, and the argument struct that points to them. Any kernel of
// the family and shape can be launched on them, and its results compared with float64.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/device/driver.h"
#include "runtime/kernel.h"

namespace sinter {

class Operands {
 public:
  /// Where copies and launches happen.
  enum class Place : std::uint8_t { kDefaultStream, kOwnStream };

  /// Uploads the inputs; the outputs are poisoned. `driver` and the inputs' memory must outlive this. An input that is an
  /// output too is what that holds before. Errors: the driver's.
  static Result<Operands> prepare(Driver& driver, int ordinal, const KernelSpec& spec, std::span<const TensorView> inputs,
                                  Place place = Place::kDefaultStream);

  /// As they were after prepare(): poison everywhere, so that an element that a kernel leaves out cannot pass a check.
  Result<void> reset_outputs();
  /// Zero everywhere: rows that no group owns keep what was there before.
  Result<void> clear_outputs();
  /// Waits for the launch: the outputs as they are now, in this object's memory.
  Result<std::span<const TensorView>> fetch_outputs();
  /// The same, compared with float64; what was written before and behind an output counts, too. REQUIRES: one launch since
  /// reset_outputs() or prepare().
  Result<ReferenceReport> judge(ReferenceEffort effort, std::uint64_t seed);

  Result<void> launch(const Kernel& kernel) const { return kernel.launch(args_.data(), args_.size(), stream_->handle()); }
  /// The same, told to nobody (Kernel::launch_unseen).
  Result<void> launch_unseen(const Kernel& kernel) const { return kernel.launch_unseen(args_.data(), args_.size(), stream_->handle()); }
  Result<void> wait() const { return stream_->wait(); }
  /// Milliseconds of one launch, by the device's clock. REQUIRES: Place::kDefaultStream.
  Result<double> timed(const Kernel& kernel) const;

 private:
  /// An output, with guards around it.
  struct Output {
    TensorView view;                ///< In `bytes`.
    std::vector<std::byte> bytes;   ///< Guard, output, guard.
    std::size_t guard_bytes = 0;    ///< Of each guard.
    const TensorView* before = nullptr;
    DeviceBuffer* buffer = nullptr;
  };

  Operands(Driver& driver, int ordinal, const KernelSpec& spec)
      : driver_(&driver), ordinal_(ordinal), spec_(spec), args_(spec.family->args_bytes()) {}
  Result<DeviceBuffer*> allocate(std::size_t bytes);
  Result<void> add_input(const TensorView& input);
  Result<void> add_output(TensorInfo info);
  Result<void> point_to(const TensorInfo& tensor, const std::byte* data);
  Result<void> fill_outputs(std::byte value);
  std::string broken_guard() const;

  Driver* driver_;
  int ordinal_;
  KernelSpec spec_;
  std::vector<TensorView> inputs_;
  std::vector<std::byte> args_;
  std::unique_ptr<DeviceStream> stream_;
  std::vector<std::unique_ptr<DeviceBuffer>> buffers_;
  std::vector<std::unique_ptr<Output>> outputs_;
  std::vector<TensorView> views_;  ///< Of the outputs.
};

}  // namespace sinter
