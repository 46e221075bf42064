// SPDX-License-Identifier: Apache-2.0
#pragma once

// A driver runs code objects on devices: CUDA, HIP and the host CPU behind one interface. Each is opened at run time
// (dlopen); a machine without it gets an error that names what was looked for.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/code_object.h"
#include "codegen/family.h"

namespace sinter {

/// What a live device reports of itself. nullopt/empty: the driver does not say.
struct DeviceProperties {
  std::int32_t ordinal = 0;
  std::string name;             ///< "NVIDIA H200".
  std::string arch;             ///< Canonical arch name of codegen/arch.h if known there, else the driver's word.
  std::string arch_detail;      ///< As the driver says it: "gfx942:sramecc+:xnack-", "9.0".
  std::optional<std::uint32_t> pci_vendor, pci_device;
  std::string pci_bus;          ///< "0000:1b:00.0".
  std::optional<std::int64_t> unit_count;  ///< SMs, CUs or pool threads.
  std::optional<std::int64_t> wave_size;
  std::optional<std::int64_t> max_threads_per_block;
  std::optional<std::int64_t> max_threads_per_unit;
  std::optional<std::int64_t> shared_bytes_per_block;  ///< With opt-in.
  std::optional<std::int64_t> shared_bytes_per_unit;
  std::optional<std::int64_t> registers_per_block;
  std::optional<std::int64_t> max_grid_x, max_grid_y, max_grid_z;
  std::optional<std::int64_t> memory_bytes;
  std::optional<std::int64_t> clock_khz;  ///< Of the units, at most.
  std::string driver_version;   ///< CUDA "13.0", HIP "50221153", amdgpu's where known.
  bool simulated = false;
};

/// What the driver reports of a loaded kernel; held against the stored facts before it may be launched (check_loaded).
struct LoadedAttributes {
  std::int64_t registers = kUnknown;
  std::int64_t static_shared_bytes = kUnknown;
  std::int64_t scratch_bytes = kUnknown;
  std::int64_t max_threads_per_block = kUnknown;
  std::int64_t args_bytes = kUnknown;    ///< Of the kernel's parameter, tensor maps included.
  std::int64_t blocks_per_unit = 1;  ///< Resident blocks per unit for the plan's block size and dynamic shared memory.
};

/// A kernel loaded into one device's context. Unloads when destroyed (after the driver's shutdown: a no-op).
class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  virtual const LoadedAttributes& attributes() const = 0;
  /// Enqueues one launch. `args` is the kernel's only parameter, `args_bytes` long, or what follows its tensor maps; it
  /// is copied before return.
  /// `stream` is the vendor's stream handle (CUstream, hipStream_t), null for the default; ignored on the host, where
  /// a launch has finished when this returns. No allocation, no lock, no string on success.
  /// Errors: kDriverError with the driver's name for the error. Thread-safe.
  virtual Result<void> launch(const LaunchShape& shape, const void* args, std::size_t args_bytes, void* stream) const = 0;

  /// Whether a launch of this kernel was told that the device had stopped at a fault before. Asks the driver nothing.
  virtual bool has_met_fault() const { return false; }

  /// Where prepare() put things.
  struct Prepared {
    std::uint32_t bytes = 0;        ///< From the start of the parameter.
    std::uint32_t args_offset = 0;  ///< Of the arguments in it.
  };
  /// Writes what launches of these arguments pass to the kernel: for launch_prepared(), as often as one likes.
  /// REQUIRES: `parameter` is aligned to kTensorMapAlignment. Errors: kInternal if it is too small; kDriverError.
  virtual Result<Prepared> prepare(const void* args, std::size_t args_bytes, std::span<std::byte> parameter) const;
  /// The launch() of a prepared parameter.
  virtual Result<void> launch_prepared(const LaunchShape& shape, std::span<const std::byte> parameter, void* stream) const;
};

/// Memory of one device, for tools and tests (serving stacks bring their own).
class DeviceBuffer {
 public:
  virtual ~DeviceBuffer() = default;
  virtual void* data() const = 0;  ///< Device address.
  virtual std::size_t bytes() const = 0;
  virtual Result<void> upload(std::span<const std::byte> from) = 0;
  virtual Result<void> download(std::span<std::byte> to) const = 0;
};

/// Measures device time between two points of the default stream, in milliseconds.
class DeviceTimer {
 public:
  virtual ~DeviceTimer() = default;
  virtual Result<void> start() = 0;
  virtual Result<double> stop() = 0;  ///< Waits for the work in between.
};

/// An order of copies and launches on one device, for tools and the golden check.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;
  virtual void* handle() const = 0;  ///< What LoadedKernel::launch takes.
  /// The whole of `from` to the beginning of `to`. `from` must stay as it is until wait(). REQUIRES, here and below: the
  /// buffer is large enough.
  virtual Result<void> upload(DeviceBuffer& to, std::span<const std::byte> from) = 0;
  /// Fills `to`, which must live until wait().
  virtual Result<void> download(std::span<std::byte> to, const DeviceBuffer& from) = 0;
  /// Until all of the above has happened. Errors: kDriverError, also for what a launch did.
  virtual Result<void> wait() = 0;
};

class Driver {
 public:
  virtual ~Driver() = default;
  /// "cuda", "hip" or "host".
  virtual std::string_view name() const = 0;
  virtual std::span<const DeviceProperties> devices() const = 0;

  /// Loads a code object that passed every check. `shape_hint` carries the block size and dynamic shared memory.
  /// Errors: kDriverError; kUnsupported if the driver refuses the image for its device.
  virtual Result<std::unique_ptr<LoadedKernel>> load(int ordinal, const CodeObject& code, const LaunchShape& shape_hint) = 0;
  /// The same for a kernel whose plan may have tensor maps. Errors also: kUnsupported where there are no such maps.
  virtual Result<std::unique_ptr<LoadedKernel>> load_with_tensor_maps(int ordinal, const CodeObject& code,
                                                                      const LaunchShape& shape_hint,
                                                                      std::span<const TensorMapPlan> tensor_maps);

  virtual Result<std::unique_ptr<DeviceBuffer>> allocate(int ordinal, std::size_t bytes) = 0;
  virtual Result<std::unique_ptr<DeviceTimer>> timer(int ordinal) = 0;
  /// A stream that waits for no other, and no other for it: not even the default one. Where the driver has none, the
  /// default one.
  virtual Result<std::unique_ptr<DeviceStream>> own_stream(int ordinal);
  virtual Result<void> synchronize(int ordinal) = 0;
  /// Waits for what was launched, to learn whether it failed; not while `stream` is captured, when nothing runs yet.
  virtual Result<void> finish(int ordinal, void* stream);
  /// Is `stream`, or a stream that the default one (null) waits for, being captured into a graph? False where the driver
  /// cannot say.
  virtual bool is_capturing(int ordinal, void* stream) const;
  /// Bytes from `pointer` to the end of its allocation; nullopt where the driver cannot say (the host).
  virtual std::optional<std::uint64_t> bytes_behind(int ordinal, const void* pointer) = 0;
  /// Wave instructions that a simulated device has executed so far; nullopt where there is time to measure.
  virtual std::optional<std::uint64_t> simulated_instructions() const { return std::nullopt; }
};

/// The stream that everything shares which names none. `driver` must outlive it.
std::unique_ptr<DeviceStream> default_stream(Driver& driver, int ordinal);

/// Errors of all three: kDriverError naming the library and the paths that were tried, or the failing call.
/// `library` overrides the search; empty: libcuda.so.1, libamdhip64.so.{7,6,5}.
Result<std::unique_ptr<Driver>> make_cuda_driver(const std::string& library);
Result<std::unique_ptr<Driver>> make_hip_driver(const std::string& library);
/// The HIP driver on libsinter-simhip.so, as the device `device` ("MI300X"); `library` empty: searched beside this
/// program. One device per process. Errors also: kInvalidRequest for a device that is not simulated, or is another one.
Result<std::unique_ptr<Driver>> make_simulated_driver(const std::string& library, std::string_view device);
/// `threads` 0: as many as this process may run on (affinity and cgroup).
Result<std::unique_ptr<Driver>> make_host_driver(int threads);

}  // namespace sinter
