// SPDX-License-Identifier: Apache-2.0
#pragma once

// ActionResult: what stands under /ac in the layout of Bazel's remote cache, a protocol buffer that names contents under
// /cas. Written and read here is the part that Sinter needs: one output file with its digest and size. Source of the
// field numbers: the Remote Execution API v2, remote_execution.proto.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinter::remote {

/// Names contents: their SHA-256 in lower-case hex, and how many bytes they are.
struct ContentName {
  std::string sha256;
  std::uint64_t size_bytes = 0;
};

/// A result whose one output file has this name and these contents.
std::string encode_action_result(std::string_view file, const ContentName& contents);

/// The contents of the first output file. Fields that are not known are passed over. Errors: kInternal.
Result<ContentName> decode_action_result(std::string_view bytes);

}  // namespace sinter::remote
