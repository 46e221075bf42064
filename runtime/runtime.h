// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runtime: the front door. A request goes in, a kernel that is safe to launch comes out.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "base/log.h"
#include "base/result.h"
#include "base/settings.h"
#include "cache/kernel_cache.h"
#include "codegen/kernel_spec.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"
#include "runtime/compile/compile_service.h"
#include "runtime/device/driver.h"
#include "runtime/kernel.h"
#include "runtime/launch_ring.h"
#include "runtime/live_table.h"
#include "runtime/trace.h"

namespace sinter {

struct RuntimeOptions {
  Settings settings;
  LogSink log;  ///< Empty: stderr.
  /// Launch vskip kernels where no sourced row says that device and driver are safe.
  bool allow_unsafe_vskip = false;
};

/// A device that was opened. Immutable.
struct Device {
  std::string name;  ///< "cuda:0".
  const Arch* build_arch = nullptr;  ///< What its kernels are compiled for; its own arch unless asked otherwise.
  Driver* driver = nullptr;
  DeviceProperties properties;
  DeviceCaps caps;
  std::vector<std::string> differences;  ///< Where the driver and the capability row disagree.
  std::unique_ptr<LaunchRing> launches = std::make_unique<LaunchRing>();
};

/// How a kernel came to be; for tools.
struct KernelOrigin {
  CodeOrigin code = CodeOrigin::kCompiled;
  bool live = false;  ///< This process had it already.
  double resolve_ms = 0, code_ms = 0, load_ms = 0;
};

struct RuntimeCounters {
  CacheCounters cache;
  std::int64_t compiles = 0, failed_compiles = 0, refused = 0;
};

/// Thread-safe.
class Runtime {
 public:
  /// Errors: kInvalidRequest for settings or files that do not parse.
  static Result<std::unique_ptr<Runtime>> create(RuntimeOptions options);
  ~Runtime();

  /// Opens a device by name: "host", "cuda:0", "hip:0". The number is for get_kernel. `build_arch` asks for kernels of
  /// another arch that the device runs (PTX of compute_80 on any later GPU); it counts as a device of its own.
  /// Errors: kInvalidRequest for a name of another form; kDriverError, kUnsupported when it is not there.
  Result<int> open_device(std::string_view name, const Arch* build_arch = nullptr);
  const Device& device(int index) const;

  /// The kernel of a request on a device, ready to launch. A live kernel is found without lock or allocation; else
  /// this blocks while it is looked up, compiled, checked and loaded.
  /// Errors: kInvalidRequest, kUnsupported, kNotPrebuilt, kCompilerUnavailable, kCompileFailed, kTimeout, kDriverError.
  Result<const Kernel*> get_kernel(int device, const KernelRequest& request, KernelOrigin* origin = nullptr);

  /// Forgets failed compiles, so that the next request tries again.
  void retry_failures() { service_->retry_failures(); }

  // Parts, for tools that walk the path by themselves (prebuild, check, doctor).
  const std::vector<DeviceCaps>& capability_table() const { return table_; }
  const std::vector<Quirk>& quirks() const { return quirks_; }
  CompileService& compile_service() { return *service_; }
  KernelCache& cache() { return *cache_; }
  const Settings& settings() const { return options_.settings; }
  const Log& log() const { return log_; }
  RuntimeCounters counters() const;

 private:
  using KernelName = std::pair<int, std::string>;  ///< Device number and spec name.

  explicit Runtime(RuntimeOptions options);
  Result<void> load_tables();
  Result<const Kernel*> make_kernel(int device, const KernelRequest& request, KernelOrigin* origin);
  const Kernel* find_kernel(const KernelName& name);
  const Kernel* keep_kernel(const KernelName& name, std::unique_ptr<Kernel> kernel);
  Result<std::unique_ptr<Kernel>> build_kernel(const Device& device, const KernelSpec& spec, KernelOrigin* origin);
  Result<Driver*> driver(std::string_view vendor);
  void write_trace(int device, const KernelRequest& request, const Result<const Kernel*>& made, const KernelOrigin& origin,
                   double milliseconds);

  const RuntimeOptions options_;
  const Log log_;
  std::vector<DeviceCaps> table_;
  std::vector<Quirk> quirks_;
  std::unique_ptr<KernelCache> cache_;
  std::unique_ptr<CompileService> service_;
  Trace trace_;
  mutable std::atomic<std::int64_t> refused_{0};

  static constexpr int kMaxDevices = 64;
  std::mutex opening_;  // guards drivers_ and devices_; held while a vendor's driver starts, which may fork
  std::map<std::string, std::unique_ptr<Driver>, std::less<>> drivers_;
  std::vector<std::unique_ptr<const Device>> devices_;

  ForkSafeMutex mutex_;  // guards kernels_; not held while compiling or loading
  std::map<KernelName, std::unique_ptr<const Kernel>> kernels_;

  // What the launch path reads without the mutex.
  std::array<std::atomic<const Device*>, kMaxDevices> opened_{};
  LiveTable live_;
};

}  // namespace sinter
