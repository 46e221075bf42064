// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtime.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "base/check.h"
#include "base/cpu_count.h"
#include "base/read_file.h"
#include "codegen/resolve.h"
#include "runtime/caps/tuning_device.h"
#include "runtime/remote_options.h"
#include "runtime/version.h"

namespace sinter {

namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// A build waits for a worker process most of its time.
std::size_t background_threads(const Settings& settings) {
  constexpr std::int64_t kMost = 16;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(settings.workers != 0 ? settings.workers : available_cpus(), 1, kMost));
}

constexpr std::string_view kSimulated = "sim:";

struct DeviceName {
  std::string_view driver;
  int ordinal = 0;
};

Result<DeviceName> parse_device_name(std::string_view name) {
  if (name == "host") {
    return DeviceName{"host", 0};
  }
  if (name.starts_with(kSimulated) && name.size() > kSimulated.size()) {
    return DeviceName{name, 0};  // each has a driver of its own
  }
  for (const std::string_view driver : {"cuda", "hip"}) {
    if (!name.starts_with(driver) || name.size() < driver.size() + 2 || name[driver.size()] != ':') {
      continue;
    }
    const std::string_view digits = name.substr(driver.size() + 1);
    int ordinal = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
    if (error == std::errc{} && end == digits.data() + digits.size() && ordinal >= 0) {
      return DeviceName{driver, ordinal};
    }
  }
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unknown device '{}'; write host, cuda:N, hip:N or sim:NAME", name));
}

}  // namespace

Runtime::Runtime(RuntimeOptions options)
    : options_(std::move(options)), log_(options_.settings.log_level, options_.log),
      trace_(options_.settings.trace_file, [this](const std::string& problem) { log_.warn(problem); }),
      watch_(LaunchWatch::create(options_.settings, [this](const std::string& problem) { log_.warn(problem); })),
      background_(background_threads(options_.settings)) {
  CacheOptions cache;
  cache.directory = options_.settings.cache_dir;
  cache.allow_shared_directory = options_.settings.shared_cache_dir;
  cache.bundles = options_.settings.bundles;
  cache.signatures = options_.settings.signatures;
  cache.trusted_keys = options_.settings.trusted_keys;
  cache.signing_key = options_.settings.signing_key;
  cache.writer = fmt::format("sinter {}", kVersion);
  cache.max_bytes = options_.settings.cache_max_bytes;
  cache.max_entries = options_.settings.cache_max_entries;
  cache.remote = remote_options(options_.settings);
  cache_ = std::make_unique<KernelCache>(std::move(cache), [this](const std::string& problem) { log_.warn(problem); });
  service_ = std::make_unique<CompileService>(options_.settings, *cache_, log_);
  if (options_.settings.golden_check) {
    golden_ = std::make_unique<GoldenCheck>(*cache_, log_);
  }
}

// What runs in the background is waited for by background_, which goes first.
Runtime::~Runtime() { service_->stop(); }

Result<std::unique_ptr<Runtime>> Runtime::create(RuntimeOptions options) {
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(options)));
  SINTER_TRY_VOID(runtime->load_tables());
  return runtime;
}

Result<void> Runtime::load_tables() {
  SINTER_TRY(table_, load_capability_table(builtin_capability_json()));
  SINTER_TRY(quirks_, parse_quirks(builtin_quirks_json(), "built-in quirks"));
  const Settings& settings = options_.settings;
  if (!settings.capability_file.empty()) {
    SINTER_TRY(const std::string text, read_text_file(settings.capability_file));
    SINTER_TRY_VOID(merge_capability_table(table_, text, settings.capability_file));
  }
  if (!settings.quirks_file.empty()) {
    SINTER_TRY(const std::string text, read_text_file(settings.quirks_file));
    SINTER_TRY(std::vector<Quirk> more, parse_quirks(text, settings.quirks_file));
    quirks_.insert(quirks_.end(), more.begin(), more.end());
  }
  SINTER_TRY(tuned_, TunedRows::create(settings, log_));
  return {};
}

Result<Driver*> Runtime::driver(std::string_view name) {
  if (const auto it = drivers_.find(name); it != drivers_.end()) {
    return it->second.get();
  }
  const Settings& settings = options_.settings;
  auto opened = name == "cuda"  ? make_cuda_driver(settings.cuda_library)
                : name == "hip" ? make_hip_driver(settings.hip_library)
                : name.starts_with(kSimulated)
                    ? make_simulated_driver(settings.hip_library, name.substr(kSimulated.size()))
                                : make_host_driver(static_cast<int>(settings.host_threads));
  if (!opened) {
    return std::move(opened).error();
  }
  return drivers_.emplace(name, std::move(*opened)).first->second.get();
}

Result<int> Runtime::open_device(std::string_view name, const Arch* build_arch) {
  SINTER_TRY(const DeviceName wanted, parse_device_name(name));
  const std::lock_guard lock(opening_);
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const Device& open = *devices_[i];
    if (open.name == name && open.build_arch == (build_arch != nullptr ? build_arch : open.caps.arch)) {
      return static_cast<int>(i);
    }
  }
  if (devices_.size() == kMaxDevices) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} devices are open, which is the most", kMaxDevices));
  }
  SINTER_TRY(Driver * driver, this->driver(wanted.driver));
  const auto present = driver->devices();
  if (static_cast<std::size_t>(wanted.ordinal) >= present.size()) {
    return make_error(ErrorCode::kUnsupported, fmt::format("there is no device {}: the {} driver reports {}", name, wanted.driver, present.size()));
  }
  auto device = std::make_unique<Device>();
  device->name = name;
  device->driver = driver;
  device->properties = present[static_cast<std::size_t>(wanted.ordinal)];
  device->caps = caps_of_live_device(table_, device->properties, &device->differences);
  if (device->caps.arch == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{} is a {} ({}), an arch that Sinter does not know", name, device->properties.name, device->properties.arch_detail));
  }
  device->build_arch = build_arch != nullptr ? build_arch : device->caps.arch;
  if (!runs_on(*device->build_arch, *device->caps.arch)) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("code for {} does not run on {}, a {} ({})", device->build_arch->name, name, device->properties.name, device->caps.arch->name));
  }
  for (const std::string& difference : device->differences) {
    log_.warn(fmt::format("{}: {}", name, difference));
  }
  devices_.push_back(std::move(device));
  opened_[devices_.size() - 1].store(devices_.back().get(), std::memory_order_release);
  return static_cast<int>(devices_.size() - 1);
}

const Device& Runtime::device(int index) const {
  const Device* device = opened(index);
  SINTER_CHECK(device != nullptr, "a device number comes from open_device");
  return *device;
}

Result<const Kernel*> Runtime::get_kernel(int device, const KernelRequest& request, KernelOrigin* origin) {
  SINTER_TRY(const KernelHandle* handle, get_handle(device, request, {}, origin));
  return &handle->kernel();
}

Result<const KernelHandle*> Runtime::get_handle(int device, const KernelRequest& request, GetOptions options, KernelOrigin* origin) {
  const KernelHandle* handle = live_.find({static_cast<std::uint64_t>(device), request});
  if (handle != nullptr) {
    handle = answer_live(device, request, handle, options.policy);
  }
  if (handle != nullptr) {
    if (origin != nullptr) {
      origin->live = true;
    }
    return handle;
  }
  const auto start = std::chrono::steady_clock::now();
  KernelOrigin own;
  KernelOrigin& how = origin != nullptr ? *origin : own;
  auto made = make_live(device, request, options, &how);
  if (!made) {
    ++refused_;
  }
  if (trace_.is_on() && !(made && (*made)->is_standing_in())) {  // a stand-in: told when its own kernel is built
    write_trace(device, request, made, how, milliseconds_since(start));
  }
  return made;
}

void Runtime::write_trace(int device, const KernelRequest& request, const Result<const KernelHandle*>& made, const KernelOrigin& origin,
                          double milliseconds) {
  const Device* asked = opened(device);
  if (asked == nullptr) {
    return;
  }
  TraceRecord record{.request = request, .arch = asked->build_arch->name, .device = asked->caps.name,
                     .driver_version = asked->properties.driver_version, .milliseconds = milliseconds};
  if (made) {
    record.spec = (*made)->kernel().name();
    record.layer = origin.live ? "live" : code_origin_name(origin.code);
  } else {
    record.outcome = error_code_name(made.error().code);
  }
  trace_.write(device, record);
}

// Null for a number that open_device did not give.
const Device* Runtime::opened(int index) const {
  return index >= 0 && index < kMaxDevices ? opened_[static_cast<std::size_t>(index)].load(std::memory_order_acquire) : nullptr;
}

Error Runtime::no_device(int index) const {
  const auto last = std::find_if(opened_.begin(), opened_.end(), [](const auto& device) { return device.load() == nullptr; });
  const auto count = last - opened_.begin();
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("there is no device number {}: {}; a number comes from opening a device by its name", index,
                                count == 0 ? "none was opened" : fmt::format("those opened are 0 to {}", count - 1)));
}

ChoiceQuestion Runtime::question(int index, const KernelRequest& request) {
  const Device& device = this->device(index);
  return {.request = request,
          .target = resolve_target(device.caps, *device.build_arch, options_.settings),
          .caps = device.caps,
          .driver_version = device.properties.driver_version,
          .quirks = quirks_,
          .exempt_vskip = options_.allow_unsafe_vskip,
          .tuned = &tuned_->table(),
          .device = tuning_device(device.caps, *device.build_arch, &device.properties)};
}

Result<KernelChoice> Runtime::explain(int device_index, const KernelRequest& request) {
  if (opened(device_index) == nullptr) {
    return no_device(device_index);
  }
  ChoiceQuestion all = question(device_index, request);
  all.all = true;
  return choose_kernel(all);
}

// The path of a request that is not live.
Result<const KernelHandle*> Runtime::make_live(int device_index, const KernelRequest& request, const GetOptions& options,
                                               KernelOrigin* origin) {
  if (opened(device_index) == nullptr) {
    return no_device(device_index);
  }
  const Device& device = this->device(device_index);
  const auto start = std::chrono::steady_clock::now();

  // 1. Fill in the defaults; reject what cannot exist.
  SINTER_TRY(const KernelChoice choice, choose_kernel(question(device_index, request)));
  const KernelSpec& spec = choice.spec;
  const KernelName name(device_index, spec.name());
  if (origin != nullptr) {
    origin->resolve_ms = milliseconds_since(start);
    origin->choice = one_line(choice);
  }
  if (log_.wants(LogLevel::kDebug)) {
    log_.debug(fmt::format("{} on {}: chosen by {}", name.second, device.name, one_line(choice)));
  }

  // Another request may have resolved to the same spec.
  const Kernel* kernel = find_kernel(name);
  if (kernel == nullptr) {
    if (device.driver->is_capturing(device.properties.ordinal, options.stream)) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("{} is not live on {} and stream {} is being captured into a graph, where nothing may be "
                                    "compiled, loaded or allocated; get the kernel before the capture begins",
                                    name.second, device.name, options.stream));
    }
    if (options.policy == GetPolicy::kFallback) {
      if (const Kernel* stand_in = find_stand_in(device_index, spec); stand_in != nullptr) {
        return give_stand_in(device_index, request, stand_in, options.stream, origin);
      }
    }
    SINTER_TRY(std::unique_ptr<Kernel> built, build_kernel(device, spec, options.policy, origin));
    kernel = keep_kernel(name, std::move(built));
  } else if (origin != nullptr) {
    origin->live = true;
  }
  if (const KernelHandle* const live = live_.insert({static_cast<std::uint64_t>(device_index), request}, kernel->handle()); live != nullptr) {
    finish_stand_in(live, kernel);
  } else if (!has_warned_of_full_table_.exchange(true)) {
    log_.warn(fmt::format("{} requests are live, which is the most: others are resolved at every call. If they differ in "
                          "their hints (rows, largest), round these, to powers of two for example",
                          LiveTable::kMostEntries));
  }
  return kernel->handle();
}

const Kernel* Runtime::find_kernel(const KernelName& name) {
  const std::lock_guard lock(mutex_);
  const auto it = kernels_.find(name);
  return it != kernels_.end() ? it->second.get() : nullptr;
}

// From here on the kernel is immutable and shared. Of two threads that built the same one the first wins; the other's
// is unloaded after the lock, since unloading may wait for the device.
const Kernel* Runtime::keep_kernel(const KernelName& name, std::unique_ptr<Kernel> kernel) {
  const std::lock_guard lock(mutex_);
  auto& slot = kernels_[name];
  if (slot == nullptr) {
    slot = std::move(kernel);
  }
  return slot.get();
}

Result<std::unique_ptr<Kernel>> Runtime::build_kernel(const Device& device, const KernelSpec& spec, GetPolicy policy, KernelOrigin* origin) {
  // 2. Stop early if this device cannot run it, or must not.
  SINTER_TRY(BodyPlan plan, make_plan(spec));
  SINTER_TRY_VOID(check_spec(spec, plan, device.caps, options_.allow_unsafe_vskip));
  SINTER_TRY_VOID(check_quirks(spec, device.caps, device.properties.driver_version, quirks_));

  // 3-7. Its code object: from the cache, or compiled and stored.
  const auto start = std::chrono::steady_clock::now();
  SINTER_TRY(CompiledCode compiled, find_code(spec, plan, policy));
  const double code_ms = milliseconds_since(start);

  // 8. Refuse a binary that does not fit the device.
  SINTER_TRY_VOID(check_code_object(spec, plan, *compiled.code, device.caps));

  // 9. Load it.
  const auto load_start = std::chrono::steady_clock::now();
  const NvtxRange load_range(nvtx(), "sinter load");
  LaunchShape shape_hint;
  shape_hint.block[0] = plan.threads_per_block;
  shape_hint.dynamic_shared_bytes = plan.dynamic_shared_bytes;
  SINTER_TRY(auto loaded, device.driver->load_with_tensor_maps(device.properties.ordinal, *compiled.code, shape_hint,
                                                               plan.tensor_maps));
  const double load_ms = milliseconds_since(load_start);
  loads_.observe(load_ms / 1e3);
  SINTER_TRY_VOID(check_loaded(spec, plan, *compiled.code, loaded->attributes(), device.caps));

  Kernel::Parts parts;
  parts.limits = launch_limits(plan, compiled.code->facts, device.caps, &device.properties, spec.family->args_bytes());
  parts.target.unit_count = device.caps.unit_count.value.value_or(1);
  parts.target.blocks_per_unit = std::max<std::int64_t>(1, loaded->attributes().blocks_per_unit);
  parts.spec = spec;
  parts.plan = std::move(plan);
  parts.code = compiled.code;
  parts.loaded = std::move(loaded);
  parts.driver = device.driver;
  parts.ordinal = device.properties.ordinal;
  parts.checked = options_.settings.checked;
  parts.launches = device.launches.get();
  parts.watch = watch_.get();
  parts.device = device.name;
  parts.quirks = launch_quirks(spec, device.caps, device.properties.driver_version, quirks_);
  auto kernel = std::make_unique<Kernel>(std::move(parts));

  // On request: see what it computes, before anybody launches it.
  if (golden_ != nullptr) {
    SINTER_TRY(std::string golden, golden_->admit(device.name, device.properties, *device.driver, *kernel, compiled.key.digest));
    if (origin != nullptr) {
      origin->golden = std::move(golden);
    }
  }
  if (log_.wants(LogLevel::kInfo)) {
    log_.info(fmt::format("{} on {}: {} in {:.1f} ms, loaded in {:.1f} ms, {} bytes", kernel->name(), device.name,
                          code_origin_name(compiled.origin), code_ms, load_ms, compiled.code->code.size()));
  }
  if (origin != nullptr) {
    origin->code = compiled.origin;
    origin->code_ms = code_ms;
    origin->load_ms = load_ms;
  }
  return kernel;
}

RuntimeCounters Runtime::counters() const {
  RuntimeCounters counters{cache_->counters(), service_->compiles(), service_->failed_compiles(), refused_};
  counters.late_compiles = late_compiles_;
  counters.late_loads = late_loads_;
  counters.background = static_cast<std::int64_t>(background_.pending());
  counters.background_failures = background_failures_;
  counters.golden = golden_ != nullptr ? golden_->counters() : GoldenCheck::Counters();
  const std::lock_guard lock(mutex_);
  counters.stand_ins = static_cast<std::int64_t>(stand_ins_.size());
  counters.swaps = swaps_;
  return counters;
}

RuntimeMetrics Runtime::metrics() const {
  const CompileTimes& times = service_->times();
  return {counters(), times.lookup.snapshot(), times.queue.snapshot(), times.compile.snapshot(), loads_.snapshot()};
}

}  // namespace sinter
