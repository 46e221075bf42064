// SPDX-License-Identifier: Apache-2.0

// Requests as callers of the C ABI make them: by names and values, and by writing into the struct. A request that
// resolves gives a spec that is its own fixed point, a plan within the limits of its arch and launches without
// overflow.

#include <sinter/sinter.h>

#include <bit>
#include <cstring>
#include <vector>

#include "codegen/family.h"
#include "codegen/resolve.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

namespace {

/// Calls a function of the ABI, which puts its error where it is told to.
template <class Call>
sinter_status checked(Call call) {
  sinter_error* error = nullptr;
  const sinter_status status = call(&error);
  SINTER_CHECK(status == sinter_error_status(error), "status and error disagree");
  SINTER_CHECK(status == SINTER_OK || std::strlen(sinter_error_message(error)) > 0, "a refusal without a reason");
  SINTER_CHECK(status != SINTER_INTERNAL, "a request ran into a defect");
  sinter_error_free(error);
  return status;
}

/// A name of the family's parameters, mostly.
std::string param_name(fuzz::Input& input, const sinter_request& request) {
  const auto params = all_families()[request.family < all_families().size() ? request.family : 0]->params();
  const std::size_t index = input.below(params.size() + 1);
  return index < params.size() ? std::string(params[index].name) : input.text();
}

sinter_request make_request(fuzz::Input& input) {
  sinter_request request{};
  const std::size_t family = input.below(all_families().size() + 1);
  const std::string name = family < all_families().size() ? std::string(all_families()[family]->name()) : input.text();
  checked([&](sinter_error** error) { return sinter_request_init(&request, name.c_str(), error); });
  for (std::size_t step = input.below(16); step > 0; --step) {
    switch (input.below(4)) {
      case 0: {
        const std::string param = param_name(input, request), value = input.text();
        checked(
            [&](sinter_error** error) { return sinter_request_set(&request, param.c_str(), value.c_str(), error); });
        break;
      }
      case 1: {
        const std::string param = param_name(input, request);
        checked([&](sinter_error** error) {
          return sinter_request_set_int(&request, param.c_str(), input.number<std::int64_t>(), error);
        });
        break;
      }
      case 2: {
        const std::string param = param_name(input, request);
        checked([&](sinter_error** error) {
          return sinter_request_set_int(&request, param.c_str(), input.number<std::uint16_t>(), error);
        });
        break;
      }
      default: {
        const std::size_t field = input.below(SINTER_MAX_PARAMS + 1);
        (field < SINTER_MAX_PARAMS ? reinterpret_cast<std::uint64_t&>(request.values[field]) : request.family) =
            input.number<std::uint64_t>();
        break;
      }
    }
  }
  return request;
}

void check_launch(const KernelSpec& spec, const BodyPlan& plan, fuzz::Input& input) {
  std::vector<std::byte> args(spec.family->args_bytes());
  const auto given = input.rest().first(std::min(args.size(), input.rest().size()));
  std::copy(given.begin(), given.end(), args.end() - static_cast<std::ptrdiff_t>(given.size()));
  if (spec.family->bad_scalar(spec, args.data()) != nullptr) {
    return;
  }
  for (std::size_t i = 0; i < spec.family->arguments().size(); ++i) {
    const auto bytes = spec.family->footprint_bytes(spec, args.data(), static_cast<int>(i));
    SINTER_CHECK(bytes < std::uint64_t{1} << 60, "a footprint that no memory has");
  }
  const LaunchShape shape = spec.family->body(spec.arch->vendor)
                                ->launch_shape(spec, plan, args.data(), {.unit_count = 108, .blocks_per_unit = 2});
  SINTER_CHECK(shape.block[0] * shape.block[1] * shape.block[2] == plan.threads_per_block,
               "a block that was not planned");
  SINTER_CHECK(shape.dynamic_shared_bytes == plan.dynamic_shared_bytes, "shared memory that was not planned");
}

void check_spec(const KernelSpec& spec, const ResolveTarget& target, std::uint64_t family, fuzz::Input& input) {
  KernelRequest same;
  same.family = family;
  std::copy_n(spec.values.begin(), spec.family->params().size(), same.values.begin());
  const auto again = resolve(same, target);
  SINTER_CHECK(again && *again == spec, "a spec resolves to another one");
  const auto named = parse_spec_name(spec.name());
  SINTER_CHECK(named && *named == spec, "a spec is not read back from its name");

  const auto plan = make_plan(spec);
  if (!plan) {
    fuzz::check_refusal(plan.error(), {ErrorCode::kUnsupported});
    return;
  }
  const Arch& arch = *spec.arch;
  SINTER_CHECK(
      plan->threads_per_block >= 1 && plan->threads_per_block <= static_cast<std::uint32_t>(arch.max_threads_per_block),
      "a plan with more threads than the arch has");
  SINTER_CHECK(std::int64_t{plan->static_shared_bytes} + plan->dynamic_shared_bytes <= arch.max_shared_memory_bytes,
               "a plan with more shared memory than the arch has");
  check_launch(spec, *plan, input);
}

/// A runtime that has the host device, and neither a compiler nor a cache.
struct HostRuntime {
  HostRuntime() {
    const char* settings[] = {"SINTER_CACHE_DIR=", "SINTER_COMPILE=off", "SINTER_HOST_THREADS=1", "SINTER_LOG=off"};
    sinter_options options{};
    options.struct_size = sizeof options;
    options.settings = settings;
    options.settings_count = std::size(settings);
    SINTER_CHECK(sinter_runtime_create(&options, &runtime, nullptr) == SINTER_OK, "no runtime");
    if (sinter_open_device(runtime, "host", &device, nullptr) != SINTER_OK) {
      device = -1;  // a CPU below x86-64-v3
    }
  }
  ~HostRuntime() { sinter_runtime_destroy(runtime); }

  sinter_runtime* runtime = nullptr;
  std::int32_t device = -1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const HostRuntime host;
  fuzz::Input input(data, size);
  const Arch& arch = all_archs()[input.below(all_archs().size())];
  const ResolveTarget target{.arch = &arch, .vskip_safe = input.flag(), .unit_count = input.number<std::uint16_t>()};
  const sinter_request request = make_request(input);

  if (host.device >= 0) {
    const sinter_kernel* kernel = nullptr;
    const sinter_status status = checked(
        [&](sinter_error** error) { return sinter_get_kernel(host.runtime, host.device, &request, &kernel, error); });
    SINTER_CHECK(status != SINTER_OK, "a kernel that nobody compiled");
  }

  const auto inner = std::bit_cast<KernelRequest>(request);
  const auto spec = resolve(inner, target);
  if (!spec) {
    fuzz::check_refusal(spec.error(), {ErrorCode::kInvalidRequest, ErrorCode::kUnsupported});
    return 0;
  }
  check_spec(*spec, target, inner.family, input);
  return 0;
}
