// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/cache_key_inputs.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/code_object.h"
#include "codegen/render.h"

namespace sinter {

namespace {

// Raised when the meaning of a field, or what render() writes around the parameters, changes.
constexpr std::string_view kSchema = "1";

}  // namespace

bool same_but_compiler(const CacheKey& a, const CacheKey& b) {
  return std::ranges::equal(a.fields, b.fields, [](const KeyField& x, const KeyField& y) {
    const bool of_compiler = x.name == "backend" || x.name == "compiler" || x.name == "options";
    return x.name == y.name && (of_compiler || x.value == y.value);
  });
}

Result<CacheKey> cache_key_of(const KernelSpec& spec, const BodyPlan& plan, const Toolchain& toolchain) {
  SINTER_TRY(const std::string_view digest, template_digest(plan));
  return make_cache_key({
      {"schema", std::string(kSchema)},
      {"family", std::string(spec.family->name())},
      {"spec", spec.name()},
      {"arch", std::string(spec.arch->name)},
      {"args_version", fmt::format("{}", spec.family->args_version())},
      {"template", std::string(plan.template_path)},
      {"template_digest", std::string(digest)},
      {"params", plan.params},
      {"facts", std::string(kFactsVersion)},
      {"backend", toolchain.backend},
      {"compiler", toolchain.identity},
      // One option a line: no option contains a newline.
      {"options", fmt::format("{}", fmt::join(toolchain.options, "\n"))},
  });
}

}  // namespace sinter
