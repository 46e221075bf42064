// SPDX-License-Identifier: Apache-2.0
#include "codegen/render.h"

#include <fmt/format.h>

#include "codegen/template_store.h"

namespace sinter {

namespace {

Result<const TemplateFile*> template_of(const BodyPlan& plan) {
  if (const TemplateFile* file = find_template(plan.template_path)) {
    return file;
  }
  return make_error(ErrorCode::kInternal, fmt::format("there is no template '{}'", plan.template_path));
}

}  // namespace

Result<GeneratedSource> render(const KernelSpec& spec, const BodyPlan& plan) {
  SINTER_TRY(const TemplateFile* file, template_of(plan));
  GeneratedSource generated;
  generated.entry = spec.name();
  generated.source = fmt::format("#include \"{}\"\n\nstruct Params {{\n{}}};\n\nSINTER_KERNEL({}, Params)\n", file->path, plan.params,
                                 generated.entry);
  generated.headers.push_back({std::string(file->path), std::string(file->text)});
  for (const std::string_view include : file->includes) {
    generated.headers.push_back({std::string(include), std::string(find_template(include)->text)});
  }
  return generated;
}

Result<std::string_view> template_digest(const BodyPlan& plan) {
  SINTER_TRY(const TemplateFile* file, template_of(plan));
  return file->digest;
}

}  // namespace sinter
