// SPDX-License-Identifier: Apache-2.0

// sinter devices: the capability table, and the devices of this machine beside it.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "runtime/caps/report.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

struct DevicesOptions {
  CommonOptions common;
  std::string device;
};

struct LiveDevices {
  std::vector<LiveDevice> devices;
  std::vector<std::string> missing;  // why a driver has none
};

// Drivers are asked through a Runtime only by name; here each is opened to see what it has.
LiveDevices find_live(const Runtime& runtime) {
  const Settings& settings = runtime.settings();
  LiveDevices live;
  Result<std::unique_ptr<Driver>> drivers[] = {make_cuda_driver(settings.cuda_library), make_hip_driver(settings.hip_library),
                                               make_host_driver(static_cast<int>(settings.host_threads))};
  for (auto& driver : drivers) {
    if (!driver) {
      live.missing.push_back(driver.error().message);
      continue;
    }
    for (const DeviceProperties& properties : (*driver)->devices()) {
      LiveDevice device{std::string((*driver)->name()), properties, {}, {}};
      device.caps = caps_of_live_device(runtime.capability_table(), properties, &device.differences);
      live.devices.push_back(std::move(device));
    }
  }
  return live;
}

int devices_command(const DevicesOptions& options) {
  const bool json = options.common.json;
  auto runtime = make_runtime(options.common);
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  const std::vector<DeviceCaps>& table = (*runtime)->capability_table();
  if (!options.device.empty()) {
    const auto caps = find_device_caps(table, options.device);
    if (!caps) {
      return fail(caps.error(), json);
    }
    fmt::print("{}\n", json ? devices_to_json({**caps}, {}) : device_to_text(**caps));
    return kGood;
  }
  const LiveDevices live = find_live(**runtime);
  if (json) {
    fmt::print("{}\n", devices_to_json(table, live.devices));
    return kGood;
  }
  fmt::print("{}\nOn this machine\n{}\n", devices_to_text(table), live_devices_to_text(live.devices));
  for (const std::string& reason : live.missing) {
    fmt::print("{}\n", reason);
  }
  return kGood;
}

}  // namespace

void add_devices(CLI::App& app, int& status) {
  auto options = std::make_shared<DevicesOptions>();
  CLI::App* command = app.add_subcommand("devices", "Show the capability table, with the source of each number, and the devices here");
  command->add_option("device", options->device, "one device: every cell with its source")->type_name("NAME");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = devices_command(*options); });
}

}  // namespace sinter::cli
