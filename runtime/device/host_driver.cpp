// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/host_driver.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "base/cpu_count.h"
#include "runtime/device/driver.h"
#include "runtime/device/host_elf.h"

namespace sinter {

namespace {

Error system_error(std::string_view call, int error) {
  return make_error(ErrorCode::kDriverError, fmt::format("host device: {} failed: {}", call,
                                                         std::generic_category().message(error)));
}

std::string path_of(int descriptor) { return fmt::format("/proc/self/fd/{}", descriptor); }

Result<void> write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return system_error("writing a code object to memory", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<HostModule>> HostModule::open(std::span<const std::byte> code, const std::string& entry) {
  SINTER_TRY_VOID(check_host_code(code));
  const int descriptor = memfd_create("sinter-kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) {
    return system_error("memfd_create", errno);
  }
  std::unique_ptr<HostModule> module(new HostModule(descriptor));
  SINTER_TRY_VOID(write_all(descriptor, code));
  if (fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return system_error("sealing a code object", errno);
  }
  SINTER_TRY_VOID(module->load(entry));
  return module;
}

Result<void> HostModule::load(const std::string& entry) {
  handle_ = dlopen(path_of(descriptor_).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    return make_error(ErrorCode::kDriverError, fmt::format("host device: dlopen failed: {}", dlerror()));
  }
  void* const symbol = dlsym(handle_, entry.c_str());
  if (symbol == nullptr) {
    return make_error(ErrorCode::kDriverError, fmt::format("host device: the code object has no symbol '{}'", entry));
  }
  entry_ = reinterpret_cast<HostEntry>(symbol);
  return {};
}

HostModule::~HostModule() {
  if (handle_ != nullptr) {
    dlclose(handle_);
    // Somebody else holds it open: giving the number back would let the next module be this one.
    if (void* const still_loaded = dlopen(path_of(descriptor_).c_str(), RTLD_NOW | RTLD_NOLOAD)) {
      dlclose(still_loaded);
      return;
    }
  }
  close(descriptor_);
}

namespace {

class HostKernel final : public LoadedKernel {
 public:
  HostKernel(std::shared_ptr<ThreadPool> pool, std::unique_ptr<HostModule> module, std::uint32_t scratch_bytes)
      : pool_(std::move(pool)), module_(std::move(module)), scratch_bytes_(scratch_bytes) {}

  const LoadedAttributes& attributes() const override { return attributes_; }

  // `args` are read in place: the launch is over before this returns.
  Result<void> launch(const LaunchShape& shape, const void* args, std::size_t, void*) const override {
    if (shape.grid[1] != 1 || shape.grid[2] != 1 || shape.block[0] != 1 || shape.block[1] != 1 || shape.block[2] != 1) {
      return make_error(ErrorCode::kDriverError,
                        fmt::format("host device: grid {}x{}x{} of {}x{}x{} threads; it runs a row of single threads",
                                    shape.grid[0], shape.grid[1], shape.grid[2], shape.block[0], shape.block[1],
                                    shape.block[2]));
    }
    if (shape.dynamic_shared_bytes > scratch_bytes_) {
      return make_error(ErrorCode::kDriverError,
                        fmt::format("host device: the launch wants {} bytes of scratch, the kernel was loaded with {}",
                                    shape.dynamic_shared_bytes, scratch_bytes_));
    }
    pool_->run(module_->entry(), args, shape.grid[0]);
    return {};
  }

 private:
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<HostModule> module_;
  std::uint32_t scratch_bytes_;
  LoadedAttributes attributes_{.max_threads_per_block = 1};
};

class HostBuffer final : public DeviceBuffer {
 public:
  static constexpr std::size_t kAlignment = 4096;

  HostBuffer(void* memory, std::size_t bytes) : memory_(memory), bytes_(bytes) {}

  void* data() const override { return memory_.get(); }
  std::size_t bytes() const override { return bytes_; }

  Result<void> upload(std::span<const std::byte> from) override {
    SINTER_TRY_VOID(check_size("upload", from.size()));
    if (!from.empty()) {
      std::memcpy(memory_.get(), from.data(), from.size());
    }
    return {};
  }

  Result<void> download(std::span<std::byte> to) const override {
    SINTER_TRY_VOID(check_size("download", to.size()));
    if (!to.empty()) {
      std::memcpy(to.data(), memory_.get(), to.size());
    }
    return {};
  }

 private:
  Result<void> check_size(std::string_view verb, std::size_t bytes) const {
    if (bytes <= bytes_) {
      return {};
    }
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{} of {} bytes: the buffer has {}", verb, bytes, bytes_));
  }

  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_;
};

class HostTimer final : public DeviceTimer {
 public:
  Result<void> start() override {
    started_ = Clock::now();
    return {};
  }
  Result<double> stop() override { return std::chrono::duration<double, std::milli>(Clock::now() - started_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point started_ = Clock::now();
};

// "AMD EPYC 9654 96-Core Processor", as the kernel prints it.
std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos && line.starts_with("model name")) {
      return line.substr(colon + 2);
    }
  }
  return "x86-64 CPU";
}

DeviceProperties host_properties(int threads) {
  const Arch& arch = *host_arch();
  DeviceProperties properties;
  properties.name = cpu_name();
  properties.arch = arch.name;
  properties.arch_detail = arch.name;
  properties.unit_count = threads;
  properties.wave_size = arch.wave_size;
  properties.max_threads_per_block = arch.max_threads_per_block;
  properties.max_threads_per_unit = 1;
  properties.shared_bytes_per_block = arch.max_shared_memory_bytes;
  properties.max_grid_x = std::numeric_limits<std::uint32_t>::max();
  properties.max_grid_y = 1;
  properties.max_grid_z = 1;
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_bytes > 0) {
    properties.memory_bytes = std::int64_t{pages} * page_bytes;
  }
  if (utsname system; uname(&system) == 0) {
    properties.driver_version = fmt::format("{} {}", system.sysname, system.release);
  }
  return properties;
}

class HostDriver final : public Driver {
 public:
  explicit HostDriver(std::shared_ptr<ThreadPool> pool)
      : pool_(std::move(pool)), devices_{host_properties(pool_->size())} {}

  std::string_view name() const override { return "host"; }
  std::span<const DeviceProperties> devices() const override { return devices_; }

  Result<std::unique_ptr<LoadedKernel>> load(int ordinal, const CodeObject& code, const LaunchShape& hint) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    if (code.format != CodeFormat::kSharedObject) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("host device: the code object is '{}'; it runs '{}'", code_format_name(code.format),
                                    code_format_name(CodeFormat::kSharedObject)));
    }
    SINTER_TRY(std::unique_ptr<HostModule> module, HostModule::open(code.code, code.entry));
    SINTER_TRY_VOID(pool_->reserve_scratch(hint.dynamic_shared_bytes));
    return std::unique_ptr<LoadedKernel>(
        std::make_unique<HostKernel>(pool_, std::move(module), hint.dynamic_shared_bytes));
  }

  Result<std::unique_ptr<DeviceBuffer>> allocate(int ordinal, std::size_t bytes) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    if (bytes > std::numeric_limits<std::size_t>::max() - 2 * HostBuffer::kAlignment) {
      return make_error(ErrorCode::kDriverError, fmt::format("host device: no memory for {} bytes", bytes));
    }
    const std::size_t rounded = (bytes / HostBuffer::kAlignment + 1) * HostBuffer::kAlignment;
    void* const memory = std::aligned_alloc(HostBuffer::kAlignment, rounded);
    if (memory == nullptr) {
      return make_error(ErrorCode::kDriverError, fmt::format("host device: no memory for {} bytes", bytes));
    }
    return std::unique_ptr<DeviceBuffer>(std::make_unique<HostBuffer>(memory, bytes));
  }

  Result<std::unique_ptr<DeviceTimer>> timer(int ordinal) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    return std::unique_ptr<DeviceTimer>(std::make_unique<HostTimer>());
  }

  Result<void> synchronize(int ordinal) override { return check_ordinal(ordinal); }

  std::optional<std::uint64_t> bytes_behind(int, const void*) override { return std::nullopt; }

 private:
  static Result<void> check_ordinal(int ordinal) {
    if (ordinal != 0) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("host:{}: there is one host device, host:0", ordinal));
    }
    return {};
  }

  std::shared_ptr<ThreadPool> pool_;
  std::array<DeviceProperties, 1> devices_;
};

}  // namespace

Result<std::unique_ptr<Driver>> make_host_driver(int threads) {
  SINTER_TRY([[maybe_unused]] const Arch* arch, parse_arch("host"));
  SINTER_TRY(std::unique_ptr<ThreadPool> pool, ThreadPool::create(threads > 0 ? threads : available_cpus()));
  return std::unique_ptr<Driver>(std::make_unique<HostDriver>(std::move(pool)));
}

}  // namespace sinter
