// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/compiler_locations.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace sinter {
namespace {

namespace fs = std::filesystem;

/// A directory that is removed with it, and an environment that names nothing else.
class Machine {
 public:
  Machine() : root_(fs::temp_directory_path() / ("sinter-locations-" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    variables().clear();
  }
  ~Machine() { fs::remove_all(root_); }

  std::string add_file(const std::string& path) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << "x";
    fs::permissions(root_ / path, fs::perms::owner_all);
    return root_ / path;
  }
  std::string path(const std::string& relative) const { return root_ / relative; }
  void set(const std::string& name, const std::string& value) { variables()[name] = value; }

  static const char* get(const char* name) {
    const auto it = variables().find(name);
    return it != variables().end() ? it->second.c_str() : nullptr;
  }

 private:
  static std::map<std::string, std::string>& variables() {
    static std::map<std::string, std::string> values;
    return values;
  }
  fs::path root_;
};

BackendLocation locate(const std::string& backend, const Settings& settings = {}) {
  return *find_compilers(settings, Machine::get).find(backend);
}

TEST_CASE("NVRTC is looked for in the library path, then CUDA_HOME, then wheels, newer versions first") {
  Machine machine;
  const std::string wheel = machine.add_file("venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
  const std::string wheel13 = machine.add_file("venv/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13");
  const std::string home = machine.add_file("cuda/lib64/libnvrtc.so.12");
  const std::string home13 = machine.add_file("cuda/lib64/libnvrtc.so.13");
  const std::string path = machine.add_file("path/libnvrtc.so.12");
  machine.set("VIRTUAL_ENV", machine.path("venv"));
  machine.set("CUDA_HOME", machine.path("cuda"));
  machine.set("LD_LIBRARY_PATH", ":relative:" + machine.path("path"));

  const auto libraries = locate("nvrtc").libraries;

  REQUIRE(libraries.size() >= 7);
  CHECK(libraries[0] == path);
  CHECK(libraries[1] == home13);
  CHECK(libraries[2] == home);
  const auto at = [&](const std::string& name) { return std::find(libraries.begin(), libraries.end(), name); };
  CHECK(at(wheel13) != libraries.end());
  CHECK(at(wheel13) < at(wheel));
  CHECK(libraries.back() == "libnvrtc.so.12");
}

TEST_CASE("hiprtc is taken from its own library before HIP's") {
  Machine machine;
  const std::string hip = machine.add_file("rocm/lib/libamdhip64.so.6");
  const std::string rtc = machine.add_file("rocm/lib/libhiprtc.so.6");
  machine.set("ROCM_PATH", machine.path("rocm"));
  const auto libraries = locate("hiprtc").libraries;
  CHECK(libraries[0] == rtc);
  CHECK(libraries[1] == hip);
}

TEST_CASE("a setting is the only candidate, made absolute if it names a file") {
  Machine machine;
  Settings settings;
  settings.nvrtc_library = "some/libnvrtc.so.12";
  settings.hiprtc_library = "libhiprtc.so.7";
  CHECK(locate("nvrtc", settings).libraries == std::vector<std::string>{fs::current_path() / "some/libnvrtc.so.12"});
  CHECK(locate("hiprtc", settings).libraries == std::vector<std::string>{"libhiprtc.so.7"});
}

TEST_CASE("libraries become arguments of the worker") {
  const BackendLocation location{"nvrtc", "/w", {"/a/libnvrtc.so.13", "libnvrtc.so.12"}, ""};
  CHECK(location.arguments() == std::vector<std::string>{"--nvrtc", "/a/libnvrtc.so.13", "--nvrtc", "libnvrtc.so.12"});
}

TEST_CASE("the worker programs come from the directory of the setting and from nowhere else") {
  Machine machine;
  const std::string worker = machine.add_file("libexec/sinter-worker");
  Settings settings;
  settings.worker_dir = machine.path("libexec");
  CHECK(locate("nvrtc", settings).worker == worker);
  CHECK(locate("hiprtc", settings).worker == worker);

  const auto missing = find_compilers(settings, Machine::get).require("llvm");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(missing.error().message.find(machine.path("libexec")) != std::string::npos);
  CHECK(missing.error().message.find("SINTER_WORKER_DIR") != std::string::npos);
}

TEST_CASE("workers get the variables that find libraries and no others") {
  Machine machine;
  machine.set("LD_LIBRARY_PATH", "/x");
  machine.set("PATH", "/bin");
  const auto environment = find_compilers({}, Machine::get).environment;
  CHECK(std::count(environment.begin(), environment.end(), "LD_LIBRARY_PATH=/x") == 1);
  CHECK(std::none_of(environment.begin(), environment.end(), [](const auto& v) { return v.starts_with("PATH="); }));
}

}  // namespace
}  // namespace sinter
