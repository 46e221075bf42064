// SPDX-License-Identifier: Apache-2.0

// Names of kernel specs. A name that is read is the one that its spec has: no two texts name one kernel.

#include "codegen/family.h"
#include "codegen/kernel_spec.h"
#include "codegen/resolve.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view name = fuzz::text_of(data, size);
  const auto spec = parse_spec_name(name);
  if (!spec) {
    fuzz::check_refusal(spec.error(), {ErrorCode::kInvalidRequest});
    return 0;
  }
  SINTER_CHECK(spec->name() == name, "a spec has another name than the one it was read from");

  KernelRequest request;
  while (all_families()[request.family] != spec->family) {
    ++request.family;
  }
  for (std::size_t i = 0; i < spec->family->params().size(); ++i) {
    request.values[i] = spec->values[i];
  }
  if (const auto resolved = resolve(request, {.arch = spec->arch, .vskip_safe = true})) {
    const auto again = parse_spec_name(resolved->name());
    SINTER_CHECK(again && *again == *resolved, "a resolved spec is not read back from its name");
  }
  return 0;
}
