// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/compiler_locations.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <system_error>
#include <tuple>
#include <utility>

namespace sinter {
namespace {

namespace fs = std::filesystem;
using GetVariable = const char* (*)(const char*);
using Paths = std::vector<fs::path>;

constexpr std::string_view kRtcWorker = "sinter-worker";
constexpr std::string_view kLlvmWorker = "sinter-worker-llvm";

// Newest first. HIP 5 has hiprtc in libamdhip64 alone, HIP 6 in both, HIP 7 in libhiprtc alone.
constexpr std::string_view kNvrtcNames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
constexpr std::string_view kHiprtcNames[] = {"libhiprtc.so.7", "libhiprtc.so.6", "libamdhip64.so.6",
                                             "libamdhip64.so.5"};

constexpr std::string_view kSystemDirectories[] = {"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib",
                                                   "/usr/local/lib"};

void append(Paths& to, const Paths& from) { to.insert(to.end(), from.begin(), from.end()); }

/// Subdirectories of `parent` whose name starts with `prefix`, the greatest version number first ("cuda-13.0" before
/// "cuda-12.9": names of one length class compare as text).
Paths versions_in(const fs::path& parent, std::string_view prefix) {
  Paths found;
  std::error_code ignored;
  for (fs::directory_iterator it(parent, ignored), end; !ignored && it != end; it.increment(ignored)) {
    if (it->path().filename().string().starts_with(prefix)) {
      found.push_back(it->path());
    }
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const std::string left = a.filename().string(), right = b.filename().string();
    return left.size() != right.size() ? left.size() > right.size() : left > right;
  });
  return found;
}

/// The directories in a variable like PATH. Empty and relative ones mean the current directory: they are left out.
Paths split_path(const char* value) {
  Paths directories;
  std::string_view rest = value != nullptr ? value : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (rest.substr(0, end).starts_with('/')) {
      directories.emplace_back(rest.substr(0, end));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return directories;
}

Paths under_variables(GetVariable get, std::initializer_list<const char*> names,
                      std::initializer_list<const char*> directories) {
  Paths found;
  for (const char* name : names) {
    const char* value = get(name);
    if (value == nullptr || value[0] != '/') {
      continue;
    }
    for (const char* directory : directories) {
      found.push_back(fs::path(value) / directory);
    }
  }
  return found;
}

Paths system_directories() { return {std::begin(kSystemDirectories), std::end(kSystemDirectories)}; }

/// Where NVIDIA's wheels put NVRTC under the Python prefixes that are likely here.
Paths wheel_directories(GetVariable get) {
  Paths prefixes = under_variables(get, {"VIRTUAL_ENV", "CONDA_PREFIX"}, {"lib"});
  append(prefixes, under_variables(get, {"HOME"}, {".local/lib"}));
  append(prefixes, {"/usr/local/lib", "/usr/lib", "/opt/conda/lib"});
  Paths found;
  for (const fs::path& prefix : prefixes) {
    for (const fs::path& python : versions_in(prefix, "python3")) {
      for (const char* packages : {"site-packages", "dist-packages"}) {
        for (const char* wheel : {"nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"}) {
          found.push_back(python / packages / wheel);
        }
      }
    }
  }
  return found;
}

Paths nvrtc_directories(GetVariable get) {
  Paths directories = split_path(get("LD_LIBRARY_PATH"));
  append(directories, under_variables(get, {"CUDA_HOME", "CUDA_PATH"}, {"lib64", "lib"}));
  directories.emplace_back("/usr/local/cuda/lib64");
  for (const fs::path& version : versions_in("/usr/local", "cuda-")) {
    directories.push_back(version / "lib64");
  }
  append(directories, system_directories());
  append(directories, wheel_directories(get));
  return directories;
}

Paths hiprtc_directories(GetVariable get) {
  Paths directories = split_path(get("LD_LIBRARY_PATH"));
  append(directories, under_variables(get, {"ROCM_PATH", "HIP_PATH"}, {"lib"}));
  directories.emplace_back("/opt/rocm/lib");
  for (const fs::path& version : versions_in("/opt", "rocm-")) {
    directories.push_back(version / "lib");
  }
  append(directories, system_directories());
  return directories;
}

/// Every existing candidate, then the bare names: the dynamic linker knows places that are not listed here.
std::vector<std::string> find_libraries(const Paths& directories, std::span<const std::string_view> names) {
  std::vector<std::string> found;
  for (const fs::path& directory : directories) {
    for (const std::string_view name : names) {
      const std::string path = (directory / name).string();
      if (::access(path.c_str(), R_OK) == 0 && std::find(found.begin(), found.end(), path) == found.end()) {
        found.push_back(path);
      }
    }
  }
  found.insert(found.end(), names.begin(), names.end());
  return found;
}

std::string absolute(const std::string& path) {
  std::error_code ignored;
  const fs::path result = fs::absolute(path, ignored);
  return ignored ? path : result.lexically_normal().string();
}

/// The file this code was loaded from, if the dynamic linker knows it by an absolute path. (For a program it often has
/// only argv[0]; then /proc/self/exe is the same file.)
fs::path own_file() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&find_compilers), &info) != 0 && info.dli_fname != nullptr &&
      info.dli_fname[0] == '/') {
    return info.dli_fname;
  }
  return {};
}

Paths worker_directories(const Settings& settings) {
  if (!settings.worker_dir.empty()) {
    return {absolute(settings.worker_dir)};
  }
  std::error_code ignored;
  Paths directories;
  for (const fs::path& file : {own_file(), fs::read_symlink("/proc/self/exe", ignored)}) {
    if (file.empty()) {
      continue;
    }
    // The library of a Debian package lies one directory deeper than a program: usr/lib/x86_64-linux-gnu.
    for (const char* directory : {".", "../libexec/sinter", "../../libexec/sinter", "../bin"}) {
      fs::path candidate = (file.parent_path() / directory).lexically_normal();
      if (std::find(directories.begin(), directories.end(), candidate) == directories.end()) {
        directories.push_back(std::move(candidate));
      }
    }
  }
  return directories;
}

/// The worker program's path and a text for the case that it is empty.
std::pair<std::string, std::string> find_worker(std::string_view name, const Paths& directories) {
  std::string searched;
  const auto is_directory = [](const std::string& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
  };
  for (const fs::path& directory : directories) {
    std::string path = (directory / name).lexically_normal().string();
    if (::access(path.c_str(), X_OK) == 0 && !is_directory(path)) {
      return {std::move(path), {}};
    }
    searched += searched.empty() ? "" : ", ";
    searched += directory.string();
  }
  return {{}, fmt::format("the program {} is not in {}; install it there, or set SINTER_WORKER_DIR", name, searched)};
}

struct RtcSearch {
  const char* backend;
  const std::string& setting;
  const char* variable;
  std::span<const std::string_view> names;
  Paths (*directories)(GetVariable);
  const char* places;
  const char* way_out;
};

BackendLocation find_rtc(const RtcSearch& search, const Paths& workers, GetVariable get) {
  BackendLocation location;
  location.backend = search.backend;
  std::tie(location.worker, location.searched) = find_worker(kRtcWorker, workers);
  if (!search.setting.empty()) {
    // A bare name is for the dynamic linker, anything with a directory is a file.
    const bool is_file = search.setting.find('/') != std::string::npos;
    location.libraries = {is_file ? absolute(search.setting) : search.setting};
    location.searched += fmt::format("{}{} names {}", location.searched.empty() ? "" : "; ", search.variable,
                                     location.libraries.front());
    return location;
  }
  location.libraries = find_libraries(search.directories(get), search.names);
  location.searched += fmt::format("{}looked for {} in {}; {}", location.searched.empty() ? "" : "; ",
                                   fmt::join(search.names, ", "), search.places, search.way_out);
  return location;
}

std::vector<std::string> worker_environment(GetVariable get) {
  // Sinter has its own cache; a vendor's would grow beside it and hide what a compile costs.
  std::vector<std::string> environment = {"CUDA_CACHE_DISABLE=1", "AMD_COMGR_CACHE=0"};
  for (const char* name : {"LD_LIBRARY_PATH", "TMPDIR"}) {
    if (const char* value = get(name); value != nullptr) {
      environment.push_back(fmt::format("{}={}", name, value));
    }
  }
  return environment;
}

}  // namespace

std::vector<std::string> BackendLocation::arguments() const {
  std::vector<std::string> words;
  for (const std::string& library : libraries) {
    words.push_back("--" + backend);
    words.push_back(library);
  }
  return words;
}

const BackendLocation* CompilerLocations::find(std::string_view backend) const {
  const auto it = std::find_if(backends.begin(), backends.end(),
                               [&](const BackendLocation& location) { return location.backend == backend; });
  return it != backends.end() ? &*it : nullptr;
}

Result<BackendLocation> CompilerLocations::require(std::string_view backend) const {
  const BackendLocation* location = find(backend);
  if (location == nullptr) {
    std::string known;
    for (const BackendLocation& each : backends) {
      known += known.empty() ? each.backend : ", " + each.backend;
    }
    return make_error(ErrorCode::kInvalidRequest, fmt::format("unknown compiler '{}'; known: {}", backend, known));
  }
  if (location->worker.empty()) {
    return make_error(ErrorCode::kCompilerUnavailable, fmt::format("{} cannot compile: {}", backend,
                                                                   location->searched));
  }
  return *location;
}

Result<std::string> find_program(const Settings& settings, std::string_view name) {
  auto [path, searched] = find_worker(name, worker_directories(settings));
  if (path.empty()) {
    return make_error(ErrorCode::kInvalidRequest, std::move(searched));
  }
  return std::move(path);
}

CompilerLocations find_compilers(const Settings& settings, GetVariable get) {
  const Paths workers = worker_directories(settings);
  CompilerLocations locations;
  locations.backends.push_back(
      find_rtc({"nvrtc", settings.nvrtc_library, "SINTER_NVRTC", kNvrtcNames, nvrtc_directories,
                "LD_LIBRARY_PATH, CUDA_HOME, CUDA_PATH, /usr/local/cuda*, system directories and Python's wheels",
                "install CUDA 12 or 13 or the wheel nvidia-cuda-nvrtc, or set SINTER_NVRTC to the library"},
               workers, get));
  locations.backends.push_back(
      find_rtc({"hiprtc", settings.hiprtc_library, "SINTER_HIPRTC", kHiprtcNames, hiprtc_directories,
                "LD_LIBRARY_PATH, ROCM_PATH, HIP_PATH, /opt/rocm* and system directories",
                "install ROCm or libamdhip64-5, or set SINTER_HIPRTC to the library"},
               workers, get));
  BackendLocation llvm;
  llvm.backend = "llvm";
  std::tie(llvm.worker, llvm.searched) = find_worker(kLlvmWorker, workers);
  locations.backends.push_back(std::move(llvm));
  locations.environment = worker_environment(get);
  return locations;
}

}  // namespace sinter
