// SPDX-License-Identifier: Apache-2.0
#include "base/settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

#include "base/certificate_places.h"
#include "base/key_directory.h"

namespace sinter {

namespace {

using Setter = Result<void> (*)(Settings&, std::string_view);

struct Row {
  SettingInfo info;
  Setter set;
};

Error not_allowed(std::string_view value, std::string_view allowed) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}'; allowed: {}", value, allowed));
}

Result<bool> parse_switch(std::string_view value) {
  if (value == "1" || value == "on") return true;
  if (value == "0" || value == "off") return false;
  return not_allowed(value, "0, 1, on, off");
}

Result<std::int64_t> parse_count(std::string_view value, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < min || number > max) {
    return not_allowed(value, fmt::format("a whole number from {} to {}", min, max));
  }
  return number;
}

template <std::string Settings::*member>
Result<void> set_text(Settings& settings, std::string_view value) {
  settings.*member = value;
  return {};
}

template <bool Settings::*member>
Result<void> set_switch(Settings& settings, std::string_view value) {
  SINTER_TRY(settings.*member, parse_switch(value));
  return {};
}

template <std::int64_t Settings::*member, std::int64_t min, std::int64_t max>
Result<void> set_count(Settings& settings, std::string_view value) {
  SINTER_TRY(settings.*member, parse_count(value, min, max));
  return {};
}

Result<void> set_compile(Settings& settings, std::string_view value) {
  SINTER_TRY(const bool on, parse_switch(value));
  settings.compile = on ? CompileMode::kOn : CompileMode::kOff;
  return {};
}

Result<void> set_amd_compiler(Settings& settings, std::string_view value) {
  if (value != "llvm" && value != "hiprtc") return not_allowed(value, "llvm, hiprtc");
  settings.amd_compiler = value;
  return {};
}

Result<void> set_nvidia_compiler(Settings& settings, std::string_view value) {
  if (value != "nvrtc" && value != "llvm") return not_allowed(value, "nvrtc, llvm");
  settings.nvidia_compiler = value;
  return {};
}

Result<void> set_tuned_file(Settings& settings, std::string_view value) {
  settings.tuned_file = value;
  return {};
}

Result<void> set_bundles(Settings& settings, std::string_view value) {
  settings.bundles.clear();
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(':'), value.size());
    if (end > 0) {
      settings.bundles.emplace_back(value.substr(0, end));
    }
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return {};
}

Result<void> set_signatures(Settings& settings, std::string_view value) {
  for (const SignaturePolicy policy : {SignaturePolicy::kNone, SignaturePolicy::kSigned, SignaturePolicy::kAll}) {
    if (value == signature_policy_name(policy)) {
      settings.signatures = policy;
      return {};
    }
  }
  return not_allowed(value, "none, signed, all");
}

Result<void> set_log_level(Settings& settings, std::string_view value) {
  static constexpr std::string_view kWords[] = {"debug", "info", "warn", "error", "off"};
  for (int i = 0; i < 5; ++i) {
    if (value == kWords[i]) {
      settings.log_level = static_cast<LogLevel>(i);
      return {};
    }
  }
  return not_allowed(value, "debug, info, warn, error, off");
}

// AITER reads everything but "0" as on, also words such as "false"; here a word that is neither is an error.
Result<void> set_vskip(Settings& settings, std::string_view value) {
  if (value != "0" && value != "1") return not_allowed(value, "0, 1");
  settings.vskip = value == "1";
  return {};
}

constexpr Row kRows[] = {
    {{"SINTER_CACHE_DIR", "$XDG_CACHE_HOME/sinter or ~/.cache/sinter", "directory of the local cache; empty text: memory only"},
     set_text<&Settings::cache_dir>},
    {{"SINTER_SHARED_CACHE_DIR", "off", "accept a cache directory of another owner or writable by others"},
     set_switch<&Settings::shared_cache_dir>},
    {{"SINTER_BUNDLES", "none", "read-only bundles of prebuilt kernels: files and directories, separated by colons"}, set_bundles},
    {{"SINTER_SIGNATURES", "none", "what a trusted key must have signed: none, signed (bundles and imports) or all (local rows, too)"},
     set_signatures},
    {{"SINTER_TRUSTED_KEYS", "$XDG_CONFIG_HOME/sinter/trusted or ~/.config/sinter/trusted", "a public key, or a directory of *.pub"},
     set_text<&Settings::trusted_keys>},
    {{"SINTER_SIGNING_KEY", "none", "private key file that signs each kernel stored here"}, set_text<&Settings::signing_key>},
    {{"SINTER_CACHE_MAX_BYTES", "8589934592", "size of the local cache above which old entries are removed; 0: no limit"},
     set_count<&Settings::cache_max_bytes, 0, INT64_MAX>},
    {{"SINTER_CACHE_MAX_ENTRIES", "100000", "entries of the local cache above which old ones are removed; 0: no limit"},
     set_count<&Settings::cache_max_entries, 0, INT64_MAX>},
    {{"SINTER_COMPILE", "on", "off: a kernel that no cache has is an error instead of a compile"}, set_compile},
    {{"SINTER_AMD_COMPILER", "llvm", "llvm or hiprtc"}, set_amd_compiler},
    {{"SINTER_NVIDIA_COMPILER", "nvrtc where found, else llvm", "nvrtc or llvm (PTX)"}, set_nvidia_compiler},
    {{"SINTER_WORKER_DIR", "beside the library", "directory of sinter-worker and sinter-worker-llvm"}, set_text<&Settings::worker_dir>},
    {{"SINTER_NVRTC", "searched", "path of libnvrtc.so.*"}, set_text<&Settings::nvrtc_library>},
    {{"SINTER_HIPRTC", "searched", "path of libhiprtc.so.* or libamdhip64.so.5"}, set_text<&Settings::hiprtc_library>},
    {{"SINTER_LIBCUDA", "libcuda.so.1", "path of the CUDA driver"}, set_text<&Settings::cuda_library>},
    {{"SINTER_LIBHIP", "libamdhip64.so.{7,6,5}", "path of the HIP runtime"}, set_text<&Settings::hip_library>},
    {{"SINTER_CAPABILITIES", "none", "JSON file of capability rows that replace or extend the built-in ones"},
     set_text<&Settings::capability_file>},
    {{"SINTER_QUIRKS", "none", "JSON file of quirks beside the built-in ones"}, set_text<&Settings::quirks_file>},
    {{"SINTER_TUNED", "the cache's rows, then those beside bundles",
      "file of tuned rows (`sinter tune export`) to choose by instead, the same for all processes of a job; empty text: none"},
     set_tuned_file},
    {{"SINTER_WORKERS", "0", "most compile workers of this process; 0: one per core"}, set_count<&Settings::workers, 0, 1024>},
    {{"SINTER_RUN_DIR", "$XDG_RUNTIME_DIR/sinter or /dev/shm/sinter-UID",
      "directory in which the processes of a node share one budget of compile workers; empty text: each has its own"},
     set_text<&Settings::run_dir>},
    {{"SINTER_COMPILE_TIMEOUT_S", "120", "seconds one compile may take"}, set_count<&Settings::compile_timeout_s, 1, 86400>},
    {{"SINTER_FAILURE_MEMORY_S", "600", "seconds for which a failed compile is remembered and not tried again; 0: always tried again"},
     set_count<&Settings::failure_memory_s, 0, 31'536'000>},
    {{"SINTER_WORKER_LOG", "none", "file that gets one line of JSON for each compile: time, key, spec, backend, milliseconds, outcome"},
     set_text<&Settings::worker_log>},
    {{"SINTER_HOST_THREADS", "0", "threads of the host device; 0: one per core"}, set_count<&Settings::host_threads, 0, 4096>},
    {{"SINTER_REMOTE", "none", "URL of a cache shared by nodes: redis://, rediss://, http:// or https://"}, set_text<&Settings::remote>},
    {{"SINTER_REMOTE_READ_ONLY", "off", "nothing is written to the remote cache"}, set_switch<&Settings::remote_read_only>},
    {{"SINTER_REMOTE_TIMEOUT_MS", "300", "milliseconds that a miss waits for the remote cache"},
     set_count<&Settings::remote_timeout_ms, 1, 60'000>},
    {{"SINTER_TRACE", "none", "file that gets one line of JSON for each kernel first asked for; `sinter prebuild` reads it"},
     set_text<&Settings::trace_file>},
    {{"SINTER_LAUNCH_LOG", "none", "file that gets one line of JSON for each launch"}, set_text<&Settings::launch_log>},
    {{"SINTER_NVTX", "off", "NVTX ranges that name the spec, for NVIDIA's profilers"}, set_switch<&Settings::nvtx>},
    {{"SINTER_GOLDEN_CHECK", "off", "before its first use on a device, a kernel is launched on small random data and its results are compared with float64"},
     set_switch<&Settings::golden_check>},
    {{"SINTER_CHECKED", "off", "every launch compares its buffers with the kernel's declared footprint"}, set_switch<&Settings::checked>},
    {{"SINTER_LOG", "warn", "debug, info, warn, error or off; to stderr unless the host takes the messages"}, set_log_level},
    {{"AITER_ENABLE_VSKIP", "unset: vskip where it is known to be safe", "0: no vskip; 1: vskip, which is refused where it is not known to be safe; for AMD requests that leave it open"},
     set_vskip},
};

/// "sinter" in the user's directory for one purpose (XDG base directories); empty without a home.
std::string user_directory(const char* (*get)(const char*), const char* xdg_variable, std::string_view below_home) {
  if (const char* xdg = get(xdg_variable); xdg != nullptr && *xdg == '/') {
    return fmt::format("{}/sinter", xdg);
  }
  if (const char* home = get("HOME"); home != nullptr && *home == '/') {
    return fmt::format("{}/{}/sinter", home, below_home);
  }
  return {};
}

// Of this user and this run of the machine. A container has its own.
std::string default_run_dir(const char* (*get)(const char*)) {
  if (const char* xdg = get("XDG_RUNTIME_DIR"); xdg != nullptr && *xdg == '/') {
    return fmt::format("{}/sinter", xdg);
  }
  return fmt::format("{}/sinter-{}", ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", ::geteuid());
}

constexpr auto kInfos = [] {
  std::array<SettingInfo, std::size(kRows)> infos{};
  for (std::size_t i = 0; i < infos.size(); ++i) {
    infos[i] = kRows[i].info;
  }
  return infos;
}();

}  // namespace

std::string_view signature_policy_name(SignaturePolicy policy) {
  switch (policy) {
    case SignaturePolicy::kNone: return "none";
    case SignaturePolicy::kSigned: return "signed";
    case SignaturePolicy::kAll: return "all";
  }
  return "?";
}

std::span<const SettingInfo> setting_table() { return kInfos; }

Result<Settings> read_settings(const char* (*get)(const char*)) {
  Settings settings;
  settings.cache_dir = user_directory(get, "XDG_CACHE_HOME", ".cache");
  if (const std::string config = user_directory(get, "XDG_CONFIG_HOME", ".config"); !config.empty()) {
    settings.trusted_keys = config + "/trusted";
  }
  settings.run_dir = default_run_dir(get);
  for (const Row& row : kRows) {
    const char* value = get(row.info.variable.data());
    if (value == nullptr) {
      continue;
    }
    if (auto set = row.set(settings, value); !set) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("the setting {} is {}", row.info.variable, set.error().message));
    }
  }
  return settings;
}

namespace {

const char* environment(const char* name) { return std::getenv(name); }

}  // namespace

Result<Settings> read_environment() { return read_settings(environment); }

CertificatePlaces certificate_places() {
  const auto get = [](const char* name) {
    const char* value = environment(name);
    return std::string(value != nullptr && *value == '/' ? value : "");
  };
  return {get("SSL_CERT_FILE"), get("SSL_CERT_DIR")};
}

std::string default_key_directory() {
  const std::string config = user_directory(environment, "XDG_CONFIG_HOME", ".config");
  return config.empty() ? config : config + "/keys";
}

}  // namespace sinter
