// SPDX-License-Identifier: Apache-2.0

// Prebuild manifests. What is accepted is within the limits, means the same when it is written out kernel by kernel,
// and each kernel of it resolves or is refused with a reason.

#include <fmt/format.h>

#include <vector>

#include "codegen/family.h"
#include "codegen/resolve.h"
#include "tests/fuzz/fuzz.h"
#include "tools/sinter/manifest.h"

using namespace sinter;

namespace {

/// Sweeps can make thousands; these many are looked at.
constexpr std::size_t kSample = 64;

std::string value_json(const ParamInfo& param, std::int64_t value) {
  switch (param.kind) {
    case ParamKind::kInteger: return fmt::format("{}", value);
    case ParamKind::kWord: return fmt::format("\"{}\"", param.words[static_cast<std::size_t>(value)]);
    case ParamKind::kTile: return fmt::format("\"{}\"", tile_to_string(unpack_tile(value)));
  }
  return {};
}

std::string kernel_json(const KernelRequest& request) {
  const Family& family = *all_families()[request.family];
  std::string text = fmt::format("{{\"family\": \"{}\"", family.name());
  for (std::size_t i = 0; i < family.params().size(); ++i) {
    const ParamInfo& param = family.params()[i];
    if (request.values[i] != kUnset) {
      text += fmt::format(", \"{}\": {}", param.name, value_json(param, request.values[i]));
    }
  }
  if (const std::int64_t rows = rows_hint(request); rows > 0) {
    text += fmt::format(", \"rows\": {}", rows);
  }
  if (const std::int64_t largest = largest_hint(request); largest > 0) {
    text += fmt::format(", \"largest\": {}", largest);
  }
  return text + "}";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto kernels = parse_manifest(fuzz::text_of(data, size), "manifest.json");
  if (!kernels) {
    fuzz::check_refusal(kernels.error(), {ErrorCode::kInvalidRequest});
    return 0;
  }
  SINTER_CHECK(kernels->size() <= kMaxManifestKernels, "a manifest beyond the limit was accepted");

  const std::size_t count = std::min(kernels->size(), kSample);
  std::string text = "{\"kernels\": [";
  for (std::size_t i = 0; i < count; ++i) {
    text += (i == 0 ? "" : ", ") + kernel_json((*kernels)[i].request);
    for (const Arch& arch : all_archs()) {
      if (const auto spec = resolve((*kernels)[i].request, {.arch = &arch}); !spec) {
        fuzz::check_refusal(spec.error(), {ErrorCode::kInvalidRequest, ErrorCode::kUnsupported});
      }
    }
  }
  const auto again = parse_manifest(text + "]}", "again.json");
  SINTER_CHECK(again && again->size() == count, "a manifest that was written out was refused");
  for (std::size_t i = 0; i < count; ++i) {
    SINTER_CHECK((*again)[i].request == (*kernels)[i].request, "a manifest that was written out means something else");
  }
  return 0;
}
