// SPDX-License-Identifier: Apache-2.0
#pragma once

// Step 5 of a request, on a miss only: spec -> the text a compiler gets.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/worker_protocol.h"
#include "codegen/family.h"

namespace sinter {

/// One include, one struct of constants, one kernel named after the spec; and the headers it needs, by name.
struct GeneratedSource {
  std::string entry;
  std::string source;
  std::vector<protocol::NamedText> headers;
};

/// Errors: kInternal if the plan names a template that does not exist.
Result<GeneratedSource> render(const KernelSpec& spec, const BodyPlan& plan);

/// Digest of the plan's template and all that it includes; known without rendering. Errors: as above.
Result<std::string_view> template_digest(const BodyPlan& plan);

}  // namespace sinter
