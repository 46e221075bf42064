// SPDX-License-Identifier: Apache-2.0
#pragma once

// The C interface that NVRTC has and hiprtc copies: create a program of sources and headers, compile it with options,
// get text and bytes back. Declared here, since no vendor's header is needed to build Sinter.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/worker_protocol.h"

namespace sinter {

using RtcHandle = void*;  ///< nvrtcProgram, hiprtcProgram

/// The functions of one library. Every int is the library's result enum, 0 for success.
struct RtcFunctions {
  const char* (*error_string)(int result) = nullptr;
  int (*create)(RtcHandle*, const char* source, const char* name, int header_count, const char* const* header_texts,
                const char* const* header_names) = nullptr;
  int (*destroy)(RtcHandle*) = nullptr;
  int (*compile)(RtcHandle, int option_count, const char* const* options) = nullptr;
  int (*log_size)(RtcHandle, std::size_t*) = nullptr;
  int (*log)(RtcHandle, char*) = nullptr;
  int (*code_size)(RtcHandle, std::size_t*) = nullptr;
  int (*code)(RtcHandle, char*) = nullptr;
  int (*ptx_size)(RtcHandle, std::size_t*) = nullptr;  ///< NVRTC only, as the next.
  int (*ptx)(RtcHandle, char*) = nullptr;
};

struct RtcOutput {
  std::string error;  ///< Empty: it compiled.
  std::string log;
  std::vector<std::byte> code;
  std::vector<std::byte> ptx;  ///< Of kCodeAndPtx, unless the library keeps none beside code.
};

enum class RtcProduct { kCode, kPtx, kCodeAndPtx };

/// Compiles `request` with exactly `options`.
RtcOutput compile_rtc(const RtcFunctions& functions, const protocol::CompileRequest& request,
                      const std::vector<std::string>& options, RtcProduct product);

/// 32 hex digits over several texts or codes, for a compiler's build identity: equal outputs of a probe are the same
/// build. It tells builds apart and protects against nobody, so it is not a cryptographic one.
std::string probe_digest(const std::vector<std::vector<std::byte>>& outputs);

}  // namespace sinter
