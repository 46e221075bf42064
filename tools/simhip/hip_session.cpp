// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/hip_session.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "runtime/explain/error_numbers.h"

namespace sinter::sim {

namespace {

struct LastError {
  HipStatus pending = kHipSuccess;  // until someone asks
  HipStatus explained = kHipSuccess;
  std::string reason;
};

LastError& last() {
  static thread_local LastError error;
  return error;
}

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

Result<std::uint32_t> read_checks(std::string_view list) {
  static constexpr std::pair<std::string_view, std::uint32_t> kNames[] = {
      {"waits", kCheckWaits},
      {"unwritten", kCheckUnwritten},
      {"states", kCheckWaitStates},
      {"lds", kCheckUnwrittenLds},
      {"races", kCheckRaces},
      {"all", kCheckWaits | kCheckUnwritten | kCheckWaitStates | kCheckUnwrittenLds | kCheckRaces}};
  std::uint32_t checks = kNoChecks;
  while (!list.empty()) {
    const std::string_view word = list.substr(0, list.find(','));
    const auto found = std::ranges::find(kNames, word, &std::pair<std::string_view, std::uint32_t>::first);
    if (found == std::end(kNames)) {
      return make_error(ErrorCode::kInvalidRequest, "SINTER_SIMHIP_CHECKS has \"" + std::string(word) +
                                                        "\": known are waits, unwritten, states, lds, races and all");
    }
    checks |= found->second;
    list.remove_prefix(std::min(list.size(), word.size() + 1));
  }
  return checks;
}

/// "1000" or "1000,7"; nothing is never.
Result<PreemptionOptions> read_preemption(std::string_view text) {
  PreemptionOptions options;
  const std::size_t comma = std::min(text.find(','), text.size());
  const auto is_read = [](std::string_view digits, std::uint32_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const bool is_valid = text.empty() || (is_read(text.substr(0, comma), options.one_in) &&
                                         (comma == text.size() || is_read(text.substr(comma + 1), options.seed)));
  if (!is_valid) {
    return make_error(ErrorCode::kInvalidRequest, "SINTER_SIMHIP_PREEMPT=" + std::string(text) +
                                                      " is not \"instructions\" or \"instructions,seed\"");
  }
  return options;
}

Result<std::unique_ptr<SimulatedDevice>> create_device(std::string_view name) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return make_error(ErrorCode::kUnsupported, "the simulator needs a processor with AVX2 and FMA");
  }
  SINTER_TRY(auto made, SimulatedDevice::create(name.empty() ? std::string_view("MI300X") : name));
  SINTER_TRY(const std::uint32_t checks, read_checks(variable("SINTER_SIMHIP_CHECKS")));
  SINTER_TRY(PreemptionOptions preemption, read_preemption(variable("SINTER_SIMHIP_PREEMPT")));
  const bool is_fixed = std::string_view(simulated_driver()).starts_with("simhip-fixed");
  preemption.handler = is_fixed ? TrapHandler::kFixed : TrapHandler::kOld;
  made->set_checks(checks);
  made->set_preemption(preemption);
  return made;
}

std::string driver_words() {
  const char* const words = std::getenv("SINTER_SIMHIP_DRIVER");
  return words == nullptr || *words == '\0' ? "simhip 1" : words;
}

struct StatusText {
  HipStatus status;
  const char* name;
  const char* text;
};

constexpr StatusText kTexts[] = {
    {kHipSuccess, "hipSuccess", "no error"},
    {kHipInvalidValue, "hipErrorInvalidValue", "an argument is not valid"},
    {kHipOutOfMemory, "hipErrorOutOfMemory", "out of memory"},
    {kHipInvalidConfiguration, "hipErrorInvalidConfiguration", "the launch has a shape that the kernel cannot have"},
    {kHipInvalidDevice, "hipErrorInvalidDevice", "there is no such device"},
    {kHipInvalidImage, "hipErrorInvalidImage", "not a code object"},
    {kHipNoBinaryForGpu, "hipErrorNoBinaryForGpu", "the code is for another device"},
    {kHipNotFound, "hipErrorNotFound", "there is no such kernel"},
    {kHipNotReady, "hipErrorNotReady", "the event was not recorded"},
    {kHipIllegalAddress, "hipErrorIllegalAddress", "a kernel accessed memory that is not its own"},
    {kHipOutOfResources, "hipErrorLaunchOutOfResources", "the launch needs more than the device has"},
    {kHipLaunchFailure, "hipErrorLaunchFailure", "a kernel did what the simulator cannot do"},
    {kHipNotSupported, "hipErrorNotSupported", "this is not simulated"},
};

const StatusText* find_text(int status) {
  for (const StatusText& text : kTexts) {
    if (text.status == status) {
      return &text;
    }
  }
  return nullptr;
}

}  // namespace

const char* status_name(int status) {
  const StatusText* const found = find_text(status);
  if (found != nullptr) {
    return found->name;
  }
  // Of those that are never returned here the names are known too.
  const Result<ErrorNumber> number = find_error_number(std::to_string(status));
  return number && !number->hip.empty() ? number->hip.data() : "hipErrorUnknown";
}

const char* status_text(int status) {
  if (status != kHipSuccess && last().explained == status && !last().reason.empty()) {
    return last().reason.c_str();
  }
  const StatusText* const found = find_text(status);
  return found != nullptr ? found->text : "an error that the simulator never returns";
}

HipStatus failing(HipStatus status, std::string reason) {
  last() = {status, status, std::move(reason)};
  return status;
}

HipStatus last_error() { return last().pending; }
HipStatus take_last_error() { return std::exchange(last().pending, kHipSuccess); }

namespace {

/// Made once: by the first that wants a device, or by select_device().
const Result<std::unique_ptr<SimulatedDevice>>& the_device(std::string_view name) {
  static const Result<std::unique_ptr<SimulatedDevice>> created = create_device(name);
  return created;
}

}  // namespace

Result<void> select_device(std::string_view name) {
  const auto& created = the_device(name);
  if (!created) {
    return created.error();
  }
  const std::string& there = (*created)->caps().name;
  return there == name
             ? Result<void>()
             : make_error(ErrorCode::kInvalidRequest,
                          fmt::format("this process simulates {}, and there is one device per process", there));
}

SimulatedDevice* device() {
  const auto& created = the_device(variable("SINTER_SIMHIP_DEVICE"));
  if (!created) {
    // Not "no device", which callers would take for a machine without a GPU.
    failing(kHipInvalidValue, created.error().message);
    return nullptr;
  }
  return created->get();
}

const char* simulated_driver() {
  static const std::string words = driver_words();
  return words.c_str();
}

HipStatus device_status(const SimulatedDevice& device) {
  const std::optional<Fault> fault = device.fault();
  if (!fault) {
    return kHipSuccess;
  }
  return failing(fault->kind == FaultKind::kIllegalAddress ? kHipIllegalAddress : kHipLaunchFailure, fault->message);
}

}  // namespace sinter::sim
