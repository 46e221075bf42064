// SPDX-License-Identifier: Apache-2.0

// sinter doctor: what works on this machine, and what would make the rest work.

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tools/sinter/command.h"
#include "tools/sinter/doctor_remote.h"

namespace sinter::cli {

namespace {

struct Diagnosis {
  std::string subject;
  bool good = false;
  std::string detail;
};

void examine_compilers(Runtime& runtime, std::vector<Diagnosis>& findings) {
  WorkerPool& workers = runtime.compile_service().workers();
  for (const std::string_view backend : {"llvm", "nvrtc", "hiprtc"}) {
    const auto info = workers.backend_info(backend);
    if (!info) {
      findings.push_back({fmt::format("compiler {}", backend), false, info.error().message});
      continue;
    }
    findings.push_back({fmt::format("compiler {}", backend), true,
                        fmt::format("{} ({}), for {}", info->version, info->library, fmt::join(info->archs, " "))});
  }
}

void examine_drivers(const Runtime& runtime, std::vector<Diagnosis>& findings) {
  const Settings& settings = runtime.settings();
  struct Opened {
    std::string_view name;
    Result<std::unique_ptr<Driver>> driver;
  };
  Opened drivers[] = {{"cuda", make_cuda_driver(settings.cuda_library)}, {"hip", make_hip_driver(settings.hip_library)},
                      {"host", make_host_driver(static_cast<int>(settings.host_threads))}};
  for (const Opened& opened : drivers) {
    const std::string subject = fmt::format("driver {}", opened.name);
    if (!opened.driver) {
      findings.push_back({subject, false, opened.driver.error().message});
      continue;
    }
    std::vector<std::string> names;
    for (const DeviceProperties& device : (*opened.driver)->devices()) {
      names.push_back(fmt::format("{}{} ({})", device.name, device.simulated ? ", simulated" : "", device.arch));
    }
    findings.push_back({subject, true, fmt::format("{}", fmt::join(names, "; "))});
  }
  findings.push_back({"AMD launches", false,
                      "untested on hardware: the HIP path and its kernels have run on fake and interpreted devices only"});
}

void examine_cache(const Settings& settings, std::vector<Diagnosis>& findings) {
  if (settings.cache_dir.empty()) {
    findings.push_back({"cache", false, "no directory: HOME is not set; set SINTER_CACHE_DIR, else kernels are kept in memory only"});
    return;
  }
  if (auto made = make_private_directories(settings.cache_dir); !made) {
    findings.push_back({"cache", false, made.error().message});
    return;
  }
  if (auto checked = check_private_directory(settings.cache_dir); !checked && !settings.shared_cache_dir) {
    findings.push_back({"cache", false, checked.error().message});
    return;
  }
  const std::string_view network = network_file_system_of(settings.cache_dir);
  findings.push_back({"cache", network.empty(),
                      network.empty() ? settings.cache_dir
                                      : fmt::format("{} is on {}: used without a write-ahead log, slower and with more waiting; set SINTER_CACHE_DIR to "
                                                    "a local directory",
                                                    settings.cache_dir, network)});
}

int doctor_command(const CommonOptions& options) {
  auto runtime = make_runtime(options);
  if (!runtime) {
    return fail(runtime.error(), options.json);
  }
  std::vector<Diagnosis> findings;
  examine_compilers(**runtime, findings);
  examine_drivers(**runtime, findings);
  examine_cache((*runtime)->settings(), findings);
  if (auto remote = examine_remote((*runtime)->settings())) {
    findings.push_back({"remote cache", remote->good, std::move(remote->detail)});
  }
  auto array = nlohmann::ordered_json::array();
  for (const Diagnosis& finding : findings) {
    array.push_back({{"subject", finding.subject}, {"good", finding.good}, {"detail", finding.detail}});
    if (!options.json) {
      fmt::print("{:<6} {:<16} {}\n", finding.good ? "good" : "-", finding.subject, finding.detail);
    }
  }
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"findings", array}}.dump(2));
  }
  // A machine is usable if it can build something and keep it; a missing vendor is no fault of the machine.
  const auto good = [&](std::string_view prefix) {
    return std::ranges::any_of(findings, [&](const Diagnosis& finding) { return finding.good && finding.subject.starts_with(prefix); });
  };
  return good("compiler") && good("cache") ? kGood : kProblem;
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = app.add_subcommand("doctor", "Say what works on this machine: compilers, drivers, the cache; and what would mend the rest");
  add_common_options(*command, *options);
  command->callback([options, &status] { status = doctor_command(*options); });
}

}  // namespace sinter::cli
