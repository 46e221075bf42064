// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a runtime and its helper for the remote tier, sinter-remote, say to each other (docs/remote.md).
//
// Frames are those of base/worker_protocol.h: a length and one CBOR map. On the helper's descriptor 3 the runtime sends
// "configure", the helper answers "ready", and from then on the runtime sends single bytes that each carry the
// descriptor of a channel: a socket on which requests and answers take turns. Many channels work side by side, and one
// that takes too long is closed without a word: there is nothing to get out of step. When descriptor 3 is closed, the
// helper leaves.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace sinter::remote {

inline constexpr std::uint32_t kVersion = 1;
/// The largest entry that is sent or believed: code, facts, log and source. Kernels are some 10 KiB to 1 MiB.
inline constexpr std::size_t kMaxBlobBytes = 16u << 20;
/// The largest frame: an entry and what is said with it.
inline constexpr std::size_t kMaxFrameBytes = kMaxBlobBytes + (64u << 10);
/// Channels that a helper must serve at the same time; the runtime opens no more.
inline constexpr int kMaxChannels = 16;

struct Configure {
  std::uint32_t version = kVersion;
  std::string url;           ///< With user and password, if it has them: never to be printed, logged or passed on.
  std::string ca_file;       ///< Certificates to trust (PEM); empty: the system's.
  std::string ca_directory;
};

struct Ready {
  std::uint32_t version = kVersion;
  std::string engine;   ///< For people: "redis", "http".
  std::string problem;  ///< Why nothing can be asked, for example a URL that is none; empty: all is well.
};

enum class Op : std::uint8_t {
  kPing,     ///< Reach the server and be let in.
  kGet,      ///< The entry of `key`; if there is none and `token` is set, its lease.
  kPut,      ///< Store `blob` as the entry of `key`.
  kRenew,    ///< Keep the lease of `key` that `token` has.
  kRelease,  ///< End it.
};

struct Request {
  Op op = Op::kPing;
  std::uint32_t limit_ms = 0;  ///< The answer is not waited for longer.
  std::string key;             ///< 64 lower-case hex digits; empty for a ping.
  std::string token;           ///< Of a lease: random text of its owner's; empty: none is wanted.
  std::uint32_t lease_ms = 0;  ///< How long a lease lasts that is not renewed.
  std::vector<std::byte> blob;
};

enum class Status : std::uint8_t {
  kDone,     ///< Of a get: `blob` is the entry.
  kMissing,  ///< There is no such entry; or the lease is not ours.
  kFailed,   ///< `error` says why.
};

enum class LeaseState : std::uint8_t {
  kNone,     ///< Not asked for, or the engine has none, or it does not let us: go on without.
  kGranted,
  kHeld,     ///< By somebody else.
};

struct Answer {
  Status status = Status::kFailed;
  LeaseState lease = LeaseState::kNone;
  std::string error;  ///< One clause without secrets.
  std::vector<std::byte> blob;
};

std::vector<std::byte> encode(const Configure& message);
std::vector<std::byte> encode(const Ready& message);
std::vector<std::byte> encode(const Request& message);
std::vector<std::byte> encode(const Answer& message);

/// Errors: kInternal for anything that encode() would not have written.
Result<Configure> decode_configure(const std::vector<std::byte>& frame);
Result<Ready> decode_ready(const std::vector<std::byte>& frame);
Result<Request> decode_request(const std::vector<std::byte>& frame);
Result<Answer> decode_answer(const std::vector<std::byte>& frame);

/// Hands `channel` to the process at the other end of `control`, which gets a descriptor of its own. Never blocks.
/// Errors: kInternal.
Result<void> send_channel(int control, int channel);
/// The next channel; waits for it. Errors: kInternal, also when the other side closed `control`.
Result<int> receive_channel(int control);

}  // namespace sinter::remote
