// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runtime: the front door. A request goes in, a kernel that is safe to launch comes out.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "base/log.h"
#include "base/result.h"
#include "base/settings.h"
#include "cache/kernel_cache.h"
#include "codegen/kernel_spec.h"
#include "runtime/background_work.h"
#include "runtime/caps/choose.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"
#include "runtime/compile/compile_service.h"
#include "runtime/device/driver.h"
#include "runtime/golden_check.h"
#include "runtime/kernel.h"
#include "runtime/kernel_handle.h"
#include "runtime/launch_ring.h"
#include "runtime/launch_watch.h"
#include "runtime/live_table.h"
#include "runtime/stand_in.h"
#include "runtime/trace.h"
#include "runtime/tuned_rows.h"

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
  std::string choice;  ///< How what the request left open was chosen; empty if the request was live.
  std::string golden;  ///< What the golden check said, a sentence; empty if it is off, or if the kernel was live.
  double resolve_ms = 0, code_ms = 0, load_ms = 0;
};

struct RuntimeCounters {
  CacheCounters cache;
  std::int64_t compiles = 0, failed_compiles = 0, refused = 0;
  std::int64_t late_compiles = 0;  ///< Wanted after the warm-up, those that were refused for it included.
  std::int64_t late_loads = 0;     ///< Of kernels that a cache had, after the warm-up.
  std::int64_t stand_ins = 0;      ///< Requests that were given a stand-in.
  std::int64_t swaps = 0;          ///< Of stand-ins for the kernels that were asked for.
  std::int64_t background = 0;     ///< Builds that wait or run now.
  std::int64_t background_failures = 0;
  GoldenCheck::Counters golden = {};
};

/// What monitoring wants to know (runtime/metrics.h has it as text).
struct RuntimeMetrics {
  RuntimeCounters counters;
  Histogram::Snapshot lookup, queue, compile;  ///< As in CompileTimes.
  Histogram::Snapshot load;                    ///< Of code objects into the device's driver.
};

/// What a request that is not live may cost its caller.
enum class GetPolicy : std::uint8_t {
  kBlock,     ///< Waits for whatever it takes.
  kFallback,  ///< A resident kernel that computes the same now, the one asked for after swap_ready(); else as kBlock. So
              ///< also where nobody can build behind it (a child of fork). A build that failed is begun again by a later
              ///< request.
  kStrict,    ///< Never compiles: what no cache has is kNotPrebuilt.
};

struct GetOptions {
  GetPolicy policy = GetPolicy::kBlock;
  void* stream = nullptr;  ///< That the kernel is wanted for: while it is captured, only live kernels are to be had.
};

/// What a compile after the end of the warm-up is.
enum class LateCompiles : std::uint8_t { kAllowed, kCounted, kWarned, kRefused };

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
  /// this blocks while it is looked up, compiled, checked and loaded; with Settings::golden_check, tried as well.
  /// Errors: kInvalidRequest, kUnsupported, kNotPrebuilt, kCompilerUnavailable, kCompileFailed, kTimeout, kDriverError.
  Result<const Kernel*> get_kernel(int device, const KernelRequest& request, KernelOrigin* origin = nullptr);

  /// The same for a caller that keeps the handle and lets it be swapped (KernelHandle).
  /// Errors also: kInvalidRequest if the kernel is not live and options.stream is being captured.
  Result<const KernelHandle*> get_handle(int device, const KernelRequest& request, GetOptions options = {},
                                         KernelOrigin* origin = nullptr);

  /// Starts to build what is not live, in the background and in this order. Failures are logged and counted; the request
  /// itself gets them again. Errors: kInvalidRequest for a device that was not opened; kInternal if no thread is to be had.
  Result<void> prefetch(int device, std::span<const KernelRequest> requests);
  /// Waits until nothing is built in the background any more. False if that took longer.
  bool wait_for_background(std::chrono::milliseconds longest) const { return background_.wait(longest); }
  /// Every handle whose own kernel is ready leads there from now on. The host calls this where its launches may change,
  /// between two steps. The number of handles.
  std::int64_t swap_ready();
  /// From now on a compile is a surprise. kAllowed begins another warm-up.
  void end_warmup(LateCompiles late) { late_compiles_mode_.store(late, std::memory_order_relaxed); }

  /// Forgets failed compiles, so that the next request tries again.
  void retry_failures();

  /// Which kernel get_kernel would make of a request, and how it was chosen, with every candidate's reasons. Builds nothing.
  /// Errors: those of resolving.
  Result<KernelChoice> explain(int device, const KernelRequest& request);

  // Parts, for tools that walk the path by themselves (prebuild, check, doctor).
  const std::vector<DeviceCaps>& capability_table() const { return table_; }
  const std::vector<Quirk>& quirks() const { return quirks_; }
  const TunedTable& tuned() { return tuned_->table(); }
  /// What choose_kernel is asked for this request on an open device; refers to both.
  ChoiceQuestion question(int device, const KernelRequest& request);
  CompileService& compile_service() { return *service_; }
  KernelCache& cache() { return *cache_; }
  const Settings& settings() const { return options_.settings; }
  const Log& log() const { return log_; }
  RuntimeCounters counters() const;
  RuntimeMetrics metrics() const;

 private:
  using KernelName = std::pair<int, std::string>;  ///< Device number and spec name.

  explicit Runtime(RuntimeOptions options);
  Result<void> load_tables();
  const Device* opened(int device) const;
  Error no_device(int device) const;
  Result<const KernelHandle*> make_live(int device, const KernelRequest& request, const GetOptions& options, KernelOrigin* origin);
  const Kernel* find_kernel(const KernelName& name);
  const Kernel* keep_kernel(const KernelName& name, std::unique_ptr<Kernel> kernel);
  Result<std::unique_ptr<Kernel>> build_kernel(const Device& device, const KernelSpec& spec, GetPolicy policy, KernelOrigin* origin);
  Result<CompiledCode> find_code(const KernelSpec& spec, const BodyPlan& plan, GetPolicy policy);
  const Kernel* find_stand_in(int device, const KernelSpec& spec);
  const KernelHandle* answer_live(int device, const KernelRequest& request, const KernelHandle* live, GetPolicy policy);
  Result<const KernelHandle*> give_stand_in(int device, const KernelRequest& request, const Kernel* resident, void* stream,
                                            KernelOrigin* origin);
  bool build_behind(int device, const KernelRequest& request, StandIn& stand_in);
  void keep_standing_in(StandIn& stand_in, const Error& why);
  void finish_stand_in(const KernelHandle* live, const Kernel* own);
  Result<Driver*> driver(std::string_view vendor);
  void write_trace(int device, const KernelRequest& request, const Result<const KernelHandle*>& made, const KernelOrigin& origin,
                   double milliseconds);
  const Nvtx* nvtx() const { return watch_ != nullptr ? watch_->nvtx() : nullptr; }

  const RuntimeOptions options_;
  const Log log_;
  std::vector<DeviceCaps> table_;
  std::vector<Quirk> quirks_;
  std::unique_ptr<TunedRows> tuned_;
  std::unique_ptr<KernelCache> cache_;
  std::unique_ptr<CompileService> service_;
  std::unique_ptr<GoldenCheck> golden_;  // Null unless it was asked for.
  Trace trace_;
  const std::unique_ptr<const LaunchWatch> watch_;  // May be null.
  mutable std::atomic<std::int64_t> refused_{0};
  Histogram loads_;

  static constexpr int kMaxDevices = 64;
  std::mutex opening_;  // guards drivers_ and devices_; held while a vendor's driver starts, which may fork
  std::map<std::string, std::unique_ptr<Driver>, std::less<>> drivers_;
  std::vector<std::unique_ptr<const Device>> devices_;

  mutable ForkSafeMutex mutex_;  // guards the next four; not held while compiling or loading
  std::map<KernelName, std::unique_ptr<const Kernel>> kernels_;
  std::vector<std::unique_ptr<StandIn>> stand_ins_;
  std::vector<StandIn*> ready_swaps_;
  std::int64_t swaps_ = 0;

  std::atomic<LateCompiles> late_compiles_mode_{LateCompiles::kAllowed};
  std::atomic<std::int64_t> late_compiles_{0}, late_loads_{0}, background_failures_{0};

  // What the launch path reads without the mutex.
  std::array<std::atomic<const Device*>, kMaxDevices> opened_{};
  LiveTable live_;
  std::atomic<bool> has_warned_of_full_table_{false};

  BackgroundWork background_;  // Last: its jobs use all of the above.
};

}  // namespace sinter
