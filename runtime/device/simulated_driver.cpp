// SPDX-License-Identifier: Apache-2.0

// "sim:MI300X": the HIP driver on the library that executes AMD's code objects on the CPU.

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "base/dyn_lib.h"
#include "runtime/device/driver.h"

namespace sinter {

namespace {

constexpr std::string_view kFile = "libsinter-simhip.so";

/// Beside the file that this code is in, or in lib/ beside its folder; else by name, as the dynamic linker finds it.
std::string find_simulator() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  Dl_info info{};
  fs::path own = fs::read_symlink("/proc/self/exe", ignored);
  if (::dladdr(reinterpret_cast<const void*>(&make_simulated_driver), &info) != 0 && info.dli_fname != nullptr &&
      fs::path(info.dli_fname).is_absolute()) {
    own = info.dli_fname;
  }
  for (const fs::path& file : {own.parent_path() / kFile, own.parent_path().parent_path() / "lib" / kFile}) {
    if (fs::exists(file, ignored)) {
      return file.string();
    }
  }
  return std::string(kFile);
}

}  // namespace

Result<std::unique_ptr<Driver>> make_simulated_driver(const std::string& library, std::string_view device) {
  const std::string path = library.empty() ? find_simulator() : library;
  auto opened = DynLib::open(path);
  if (!opened) {
    return make_error(ErrorCode::kDriverError, fmt::format("no simulated devices: {}; set SINTER_LIBHIP=/path/to/{}",
                                                           opened.error().message, kFile));
  }
  int (*select)(const char* device, char* problem, std::uint64_t bytes) = nullptr;
  if (const auto bound = opened->bind({{"sinter_simhip_select", &select}}); !bound) {
    return make_error(ErrorCode::kDriverError, fmt::format("{} is no simulator: {}", path, bound.error().message));
  }
  std::array<char, 512> problem{};
  if (select(std::string(device).c_str(), problem.data(), problem.size()) != 0) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("no device sim:{}: {}", device, problem.data()));
  }
  return make_hip_driver(path);
}

}  // namespace sinter
