// SPDX-License-Identifier: Apache-2.0

// Files of tuned rows. What is accepted is written out to the same rows, has the same decisions, and can be asked for the
// choice of a request without harm, stale or not.

#include <cstddef>
#include <string>
#include <utility>

#include "codegen/resolve.h"
#include "codegen/tuned_table.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

namespace {

/// Stale or not is decided by making plans; these many rows are looked at.
constexpr std::size_t kSample = 4;

KernelRequest request() {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  set_param(request, "n", 2816).value();
  set_param(request, "k", 2048).value();
  set_param(request, "groups", 64).value();
  set_param(request, "rows", 24576).value();
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto rows = parse_tuning_file(fuzz::text_of(data, size), "fuzz");
  if (!rows) {
    SINTER_CHECK(rows.error().code == ErrorCode::kInvalidRequest, "a file is refused as malformed input");
    return 0;
  }
  const std::string written = tuning_file_text(*rows);
  const auto again = parse_tuning_file(written, "fuzz");
  SINTER_CHECK(again.has_value() && tuning_file_text(*again) == written, "what is written is read as the same rows");
  for (std::size_t i = 0; i < rows->size() && i < kSample; ++i) {
    static_cast<void>(is_stale((*rows)[i]));
  }
  const KernelRequest asked = request();
  const KernelSpec spec = resolve(asked, {.arch = find_arch("sm_90a")}).value();
  const TuningDevice device{.name = "H200", .arch = "sm_90a", .unit_count = 132};
  const TunedTable table(std::move(*rows));
  for (const TunedMatch& match : table.find(device, asked, spec)) {
    SINTER_CHECK(match.row != nullptr && match.distance <= TunedTable::kFarthest, "only near rows answer");
  }
  return 0;
}
