// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every setting, in one table. The environment is read here and nowhere else, once, when a runtime or tool starts.
// A variable that is unset has the default written here; nothing is switched on because it is unset, and a word that
// is not known is an error.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace sinter {

enum class CompileMode : std::uint8_t {
  kOn,   ///< A miss compiles.
  kOff,  ///< A miss is an error (kNotPrebuilt).
};

/// What must carry the signature of a trusted key (docs/bundles.md).
enum class SignaturePolicy : std::uint8_t {
  kNone,    ///< Nothing.
  kSigned,  ///< What comes from outside: bundles, imports.
  kAll,     ///< Every row of the local cache as well.
};
std::string_view signature_policy_name(SignaturePolicy policy);  ///< "none", "signed", "all".

struct Settings {
  std::string cache_dir;               ///< SINTER_CACHE_DIR; empty: memory only.
  bool shared_cache_dir = false;       ///< SINTER_SHARED_CACHE_DIR: accept a directory of another owner or mode.
  std::vector<std::string> bundles;    ///< SINTER_BUNDLES: files and directories of read-only kernels, asked in order.
  SignaturePolicy signatures = SignaturePolicy::kNone;  ///< SINTER_SIGNATURES.
  std::string trusted_keys;            ///< SINTER_TRUSTED_KEYS: a public key file or a directory of *.pub.
  std::string signing_key;             ///< SINTER_SIGNING_KEY: signs what is stored here; empty: nothing is signed.
  std::int64_t cache_max_bytes = std::int64_t{8} << 30;  ///< SINTER_CACHE_MAX_BYTES; 0: no limit.
  std::int64_t cache_max_entries = 100'000;              ///< SINTER_CACHE_MAX_ENTRIES; 0: no limit.
  CompileMode compile = CompileMode::kOn;
  std::string amd_compiler = "llvm";   ///< SINTER_AMD_COMPILER: llvm or hiprtc.
  std::string nvidia_compiler;         ///< SINTER_NVIDIA_COMPILER: nvrtc or llvm; empty: nvrtc where it is found, else llvm.
  std::string worker_dir;              ///< SINTER_WORKER_DIR; empty: beside the library.
  std::string nvrtc_library;           ///< SINTER_NVRTC; empty: searched.
  std::string hiprtc_library;          ///< SINTER_HIPRTC.
  std::string cuda_library;            ///< SINTER_LIBCUDA.
  std::string hip_library;             ///< SINTER_LIBHIP.
  std::string capability_file;         ///< SINTER_CAPABILITIES: rows that replace or extend the built-in table.
  std::string quirks_file;             ///< SINTER_QUIRKS: quirks beside the built-in ones.
  std::optional<std::string> tuned_file;  ///< SINTER_TUNED: tuned rows instead of the cache's and bundles'; empty text: none at all.
  std::int64_t workers = 0;            ///< SINTER_WORKERS: most compile workers of this process; 0: as many as cores.
  std::string run_dir;                 ///< SINTER_RUN_DIR: where processes share one budget of workers; empty: they do not.
  std::int64_t compile_timeout_s = 120;
  std::int64_t failure_memory_s = 600; ///< SINTER_FAILURE_MEMORY_S: how long a failed compile is believed; 0: not at all.
  std::string worker_log;              ///< SINTER_WORKER_LOG: file that gets a line for each compile; empty: none.
  std::int64_t host_threads = 0;       ///< SINTER_HOST_THREADS: of the host device; 0: every core of this process.
  std::string remote;                  ///< SINTER_REMOTE: URL of the remote tier (redis, rediss, http, https); empty: none.
  bool remote_read_only = false;       ///< SINTER_REMOTE_READ_ONLY: nothing is written to the remote tier.
  std::int64_t remote_timeout_ms = 300;///< SINTER_REMOTE_TIMEOUT_MS: how long a miss waits for the remote tier.
  std::string trace_file;              ///< SINTER_TRACE: file that gets a line for each kernel first asked for; empty: none.
  std::string launch_log;              ///< SINTER_LAUNCH_LOG: file that gets a line for each launch; empty: none.
  bool nvtx = false;                   ///< SINTER_NVTX: ranges for NVIDIA's profilers around resolve, compile and launch.
  bool golden_check = false;           ///< SINTER_GOLDEN_CHECK: before its first use on a device, a kernel's results are compared with float64.
  bool checked = false;                ///< SINTER_CHECKED: every launch compares buffers with the declared footprint.
  LogLevel log_level = LogLevel::kWarn;
  std::optional<bool> vskip;           ///< AITER_ENABLE_VSKIP: what a request that leaves vskip open gets on AMD; unset: decided by device and driver.
};

/// One row of the table, for help texts and the docs.
struct SettingInfo {
  std::string_view variable;
  std::string_view default_text;
  std::string_view help;
};
std::span<const SettingInfo> setting_table();

/// `get` returns a variable's value or null, like getenv.
/// Errors: kInvalidRequest naming the variable, its value and what is allowed.
Result<Settings> read_settings(const char* (*get)(const char*));

/// read_settings from the process's environment.
Result<Settings> read_environment();

}  // namespace sinter
