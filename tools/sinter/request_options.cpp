// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/request_options.h"

#include <CLI/CLI.hpp>

#include "codegen/resolve.h"

namespace sinter::cli {

void add_request_options(CLI::App& command, RequestOptions& options) {
  for (const Family* family : all_families()) {
    for (const ParamInfo& param : family->params()) {
      const std::string name(param.name);
      if (options.params.try_emplace(name).second) {
        command.add_option("--" + name, options.params[name], std::string(param.help))->type_name("VALUE");
      }
    }
  }
  command.add_option("--rows", options.rows, "rows that a launch will have, for choosing a tile")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, kMaxRows));
  command.add_option("--largest", options.largest, "rows of its largest group, where they are uneven")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, kMaxRows));
}

Result<KernelRequest> make_request(const RequestOptions& options) {
  KernelRequest request;
  SINTER_TRY(request.family, find_family(options.family));
  for (const auto& [name, value] : options.params) {
    if (!value.empty()) {
      SINTER_TRY_VOID(set_param(request, name, std::string_view(value)));
    }
  }
  if (options.rows > 0) {
    SINTER_TRY_VOID(set_param(request, "rows", options.rows));
  }
  if (options.largest > 0) {
    SINTER_TRY_VOID(set_param(request, "largest", options.largest));
  }
  return request;
}

}  // namespace sinter::cli
