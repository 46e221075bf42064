// SPDX-License-Identifier: Apache-2.0

// Traces that serving processes wrote, and certificates. What is accepted is within the limits, and each kernel
// resolves or is refused with a reason; a certificate that is accepted is written out as one that is accepted.

#include "codegen/family.h"
#include "codegen/resolve.h"
#include "tests/fuzz/fuzz.h"
#include "tools/sinter/certificate.h"
#include "tools/sinter/manifest.h"
#include "tools/sinter/trace_reader.h"

using namespace sinter;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto certificate = parse_certificate(text, "c.json")) {
    const auto again = parse_certificate(certificate_text(*certificate), "c.json");
    SINTER_CHECK(again && *again == *certificate, "a certificate that was written out is another");
  } else {
    fuzz::check_refusal(certificate.error(), {ErrorCode::kInvalidRequest});
  }
  const auto trace = parse_trace(text, "trace");
  if (!trace) {
    fuzz::check_refusal(trace.error(), {ErrorCode::kInvalidRequest});
    return 0;
  }
  SINTER_CHECK(static_cast<std::int64_t>(trace->kernels.size()) <= trace->lines, "more kernels than lines");
  for (const TracedKernel& kernel : trace->kernels) {
    SINTER_CHECK(kernel.arch != nullptr, "a kernel without an arch");
    if (const auto spec = resolve(kernel.request, {.arch = kernel.arch}); !spec) {
      fuzz::check_refusal(spec.error(), {ErrorCode::kInvalidRequest, ErrorCode::kUnsupported});
    }
  }
  return 0;
}
