// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/trace_reader.h"

#include <set>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_guard.h"
#include "codegen/family.h"
#include "codegen/resolve.h"
#include "tools/sinter/manifest.h"

namespace sinter {

namespace {

using nlohmann::json;

constexpr int kVersion = 1;

Error unreadable(std::string why) { return make_error(ErrorCode::kInvalidRequest, std::move(why)); }

Result<json> parse_line(std::string_view line) {
  JsonGuard<json> guard;
  try {
    json object = json::parse(line, guard.callback());
    if (!guard.problem().empty()) {
      return unreadable(guard.problem());
    }
    return object.is_object() ? Result<json>(std::move(object)) : unreadable("not an object");
  } catch (const json::exception& error) {
    return unreadable(error.what());
  }
}

std::string text_of(const json& object, const char* field) {
  const auto it = object.find(field);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Result<void> set_value(KernelRequest& request, std::string_view name, const json& value) {
  if (value.is_string()) {
    return set_param(request, name, std::string_view(value.get_ref<const std::string&>()));
  }
  return value.is_number_integer()
             ? set_param(request, name, value.get<std::int64_t>())
             : unreadable(fmt::format("{} is {}", name, value.dump(-1, ' ', false, json::error_handler_t::replace)));
}

Result<TracedKernel> kernel_of(const json& object) {
  TracedKernel kernel;
  SINTER_TRY(kernel.request.family, find_family(text_of(object, "family")));
  const auto params = object.find("params");
  if (params == object.end() || !params->is_object()) {
    return unreadable("it has no object 'params'");
  }
  for (const auto& [name, value] : params->items()) {
    SINTER_TRY_VOID(set_value(kernel.request, name, value));
  }
  for (const char* hint : {"rows", "largest"}) {
    if (const auto value = object.find(hint); value != object.end()) {
      SINTER_TRY_VOID(set_value(kernel.request, hint, *value));
    }
  }
  kernel.arch = find_arch(text_of(object, "arch"));
  if (kernel.arch == nullptr) {
    return unreadable(fmt::format("unknown arch '{}'", text_of(object, "arch")));
  }
  kernel.device = text_of(object, "device");
  kernel.driver_version = text_of(object, "driver");
  if (const std::string spec = text_of(object, "spec"); !spec.empty()) {
    SINTER_TRY(kernel.spec, parse_spec_name(spec));
  }
  return kernel;
}

/// Everything about two equal lines but who wrote them, and when.
auto identity_of(const TracedKernel& kernel) {
  return std::tuple(kernel.request.family, kernel.request.values, kernel.arch, kernel.device, kernel.driver_version,
                    kernel.spec ? kernel.spec->name() : std::string());
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<void> add(std::string_view line) {
    ++contents_.lines;
    const auto object = parse_line(line);
    if (!object) {
      pass_over(object.error());
      return {};
    }
    const auto version = object->find("sinter_trace");
    if (version == object->end() || *version != kVersion) {
      pass_over(unreadable(fmt::format("it is no line of a trace of version {}", kVersion)));
      return {};
    }
    const std::string outcome = text_of(*object, "outcome");
    if (outcome == error_code_name(ErrorCode::kInvalidRequest) || outcome == error_code_name(ErrorCode::kUnsupported)) {
      ++contents_.refused;
      return {};
    }
    auto kernel = kernel_of(*object);
    if (!kernel) {
      pass_over(kernel.error());
      return {};
    }
    return keep(std::move(*kernel));
  }
  Result<TraceContents> finish() {
    if (contents_.unreadable > 0 && contents_.unreadable == contents_.lines) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("{} is no trace: {}", file_, contents_.first_problem));
    }
    return std::move(contents_);
  }

 private:
  Result<void> keep(TracedKernel kernel) {
    if (!seen_.insert(identity_of(kernel)).second) {
      return {};
    }
    if (contents_.kernels.size() >= kMaxManifestKernels) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("{}: more than {} kernels", file_, kMaxManifestKernels));
    }
    kernel.where = fmt::format("{}:{}", file_, contents_.lines);
    contents_.kernels.push_back(std::move(kernel));
    return {};
  }
  void pass_over(const Error& error) {
    if (contents_.unreadable++ == 0) {
      contents_.first_problem = fmt::format("line {}: {}", contents_.lines, error.message);
    }
  }

  const std::string_view file_;
  TraceContents contents_;
  std::set<decltype(identity_of(std::declval<TracedKernel>()))> seen_;
};

}  // namespace

Result<TraceContents> parse_trace(std::string_view text, std::string_view file) {
  Reader reader(file);
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty()) {
      SINTER_TRY_VOID(reader.add(line));
    }
  }
  return reader.finish();
}

}  // namespace sinter
