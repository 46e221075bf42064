// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a runtime and its compile workers say to each other over a socketpair.
//
// A frame is a little-endian u32 length followed by that many bytes of CBOR, one map with a "type". The worker speaks
// first ("hello"), then answers each request in order. Every frame is bounded and parsed defensively on both sides:
// a peer that sends anything else is killed and replaced.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace sinter::protocol {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kMaxFrameBytes = 256u << 20;
/// The worker's end of the socketpair is this descriptor.
inline constexpr int kWorkerFd = 3;

/// A compiler inside a worker, as announced in its hello.
struct BackendInfo {
  std::string backend;             ///< "llvm", "nvrtc", "hiprtc".
  std::string version;             ///< For people: "13.0", "clang 22.1.8".
  std::string identity;            ///< Build identity; part of the cache key: version and the digest of a probe compile.
  std::string library;             ///< Path of the library that was opened; for doctor, never in a key.
  std::vector<std::string> archs;  ///< Arch names it can compile for (codegen/arch.h).
  /// Every file that was loaded into the worker when it gave its identity: while none of them changes, neither does that.
  std::vector<std::string> files;
};

struct Hello {
  std::uint32_t version = kVersion;
  std::string worker;  ///< "sinter-worker" or "sinter-worker-llvm".
  std::vector<BackendInfo> backends;
  std::string problems;  ///< Why a backend is missing, for doctor: one line each.
};

struct NamedText {
  std::string name;
  std::string text;
};

/// One compile. Complete: a worker reads no file and no environment for it.
struct CompileRequest {
  std::string backend;
  std::string arch;
  std::string entry;                 ///< The kernel's symbol.
  std::string source;
  std::vector<NamedText> headers;    ///< By the names that `source` includes them with.
  std::vector<std::string> options;  ///< Every option that shapes the code; the worker adds none of its own that does.
};

struct CompileReply {
  bool ok = false;
  std::string error;  ///< One sentence, if not ok.
  std::string log;    ///< The compiler's own words, warnings included.
  std::string format;  ///< code_format_name().
  std::vector<std::byte> code;
  std::string facts;  ///< JSON of CodeFacts (codegen/code_object.h), read from the code.
  double milliseconds = 0;  ///< Finite.
};

/// Asks a worker to read a code object again: facts and disassembly.
struct InspectRequest {
  std::string format;
  std::string entry;
  std::vector<std::byte> code;
};

struct InspectReply {
  bool ok = false;
  std::string error;
  std::string facts;
  std::string disassembly;
};

std::vector<std::byte> encode(const Hello& message);
std::vector<std::byte> encode(const CompileRequest& message);
std::vector<std::byte> encode(const CompileReply& message);
std::vector<std::byte> encode(const InspectRequest& message);
std::vector<std::byte> encode(const InspectReply& message);

/// The "type" of a frame's content: "hello", "compile", "compiled", "inspect", "inspected". Errors: kInternal.
Result<std::string> message_type(const std::vector<std::byte>& frame);
Result<Hello> decode_hello(const std::vector<std::byte>& frame);
Result<CompileRequest> decode_compile_request(const std::vector<std::byte>& frame);
Result<CompileReply> decode_compile_reply(const std::vector<std::byte>& frame);
Result<InspectRequest> decode_inspect_request(const std::vector<std::byte>& frame);
Result<InspectReply> decode_inspect_reply(const std::vector<std::byte>& frame);

/// Writes one frame (length and content). Blocks up to `timeout_ms` (negative: for ever).
/// Errors: kTimeout; kInternal when the peer is gone.
Result<void> write_frame(int fd, const std::vector<std::byte>& content, int timeout_ms);
/// Reads one frame's content. Errors as above, and kInternal for a length beyond `max_bytes`.
Result<std::vector<std::byte>> read_frame(int fd, int timeout_ms, std::size_t max_bytes = kMaxFrameBytes);

}  // namespace sinter::protocol
