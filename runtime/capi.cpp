// SPDX-License-Identifier: Apache-2.0

// The C ABI of include/sinter/sinter.h over the C++ inside. Nothing is decided here.

#include <sinter/sinter.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "codegen/resolve.h"
#include "runtime/metrics.h"
#include "runtime/runtime.h"
#include "runtime/version.h"

struct sinter_error {
  sinter::Error error;
};

struct sinter_runtime {
  std::unique_ptr<sinter::Runtime> runtime;
};

namespace sinter {

namespace {

static_assert(sizeof(sinter_request) == sizeof(KernelRequest) && SINTER_MAX_PARAMS == kMaxParams);
static_assert(std::is_trivially_copyable_v<KernelRequest>);
static_assert(sizeof(sinter_options) == 48 && sizeof(sinter_get_options) == 16 && sizeof(sinter_stats) == 128, "these may only grow, by appending");

KernelRequest as_request(const sinter_request& request) { return std::bit_cast<KernelRequest>(request); }
const KernelHandle& as_handle(const sinter_kernel* kernel) { return *reinterpret_cast<const KernelHandle*>(kernel); }
const Kernel& as_kernel(const sinter_kernel* kernel) { return as_handle(kernel).kernel(); }

static_assert(sizeof(sinter_packed) >= sizeof(PackedLaunch) && alignof(sinter_packed) >= alignof(PackedLaunch));
static_assert(std::is_trivially_copyable_v<PackedLaunch>);
PackedLaunch& as_packed(sinter_packed* packed) { return *reinterpret_cast<PackedLaunch*>(packed); }

sinter_status fail(Error error, sinter_error** out) {
  const auto status = static_cast<sinter_status>(error.code);
  if (out != nullptr) {
    *out = new sinter_error{std::move(error)};
  }
  return status;
}

sinter_status finish(Result<void> result, sinter_error** out) {
  return result ? SINTER_OK : fail(std::move(result).error(), out);
}

// Runs `body` with *error cleared; an exception (memory has run out) becomes a status instead of crossing the boundary.
template <class Body>
sinter_status guarded(sinter_error** error, Body&& body) noexcept {
  if (error != nullptr) {
    *error = nullptr;
  }
  try {
    return body();
  } catch (const std::exception& exception) {
    try {
      return fail(make_error(ErrorCode::kInternal, fmt::format("an exception inside Sinter: {}", exception.what())), error);
    } catch (...) {
      return SINTER_INTERNAL;
    }
  } catch (...) {
    return SINTER_INTERNAL;
  }
}

template <class Value>
sinter_status set_in(sinter_request& request, const char* name, Value value, sinter_error** error) {
  KernelRequest copy = as_request(request);
  if (copy.family >= all_families().size()) {
    return fail(make_error(ErrorCode::kInvalidRequest, "the request was not made by sinter_request_init"), error);
  }
  if (auto set = set_param(copy, name, value); !set) {
    return fail(std::move(set).error(), error);
  }
  request = std::bit_cast<sinter_request>(copy);
  return SINTER_OK;
}

Error null_argument(const char* name) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("argument '{}' is NULL", name));
}

// Sizes of these structs in the first release; they may only grow.
constexpr std::size_t kFirstOptionsSize = 40;
constexpr std::size_t kFirstStatsSize = 72;
constexpr std::size_t kFirstGetOptionsSize = 16;

Result<GetOptions> to_get_options(const sinter_get_options* given) {
  GetOptions options;
  if (given == nullptr) {
    return options;
  }
  if (given->struct_size < kFirstGetOptionsSize || given->struct_size > sizeof(sinter_get_options)) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("sinter_get_options::struct_size is {}; this library knows {} to {}",
                                                              given->struct_size, kFirstGetOptionsSize, sizeof(sinter_get_options)));
  }
  switch (given->policy) {
    case SINTER_BLOCK: options.policy = GetPolicy::kBlock; break;
    case SINTER_FALLBACK: options.policy = GetPolicy::kFallback; break;
    case SINTER_STRICT: options.policy = GetPolicy::kStrict; break;
    default:
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("sinter_get_options::policy is {}; it is SINTER_BLOCK (0), SINTER_FALLBACK (1) or SINTER_STRICT (2)", given->policy));
  }
  options.stream = given->stream;
  return options;
}

// "NAME=value" texts that go before the environment. read_settings takes a plain function, so they travel by a
// thread-local pointer for the length of that call.
thread_local const sinter_options* reading_options = nullptr;

const char* setting_or_environment(const char* name) {
  const std::size_t length = std::strlen(name);
  for (std::size_t i = 0; i < reading_options->settings_count; ++i) {
    const char* text = reading_options->settings[i];
    if (std::strncmp(text, name, length) == 0 && text[length] == '=') {
      return text + length + 1;
    }
  }
  return std::getenv(name);
}

Result<void> check_setting_names(const sinter_options& options) {
  if (options.settings == nullptr && options.settings_count != 0) {
    return null_argument("settings");
  }
  for (std::size_t i = 0; i < options.settings_count; ++i) {
    if (options.settings[i] == nullptr) {
      return null_argument("settings[i]");
    }
    const std::string_view text = options.settings[i];
    const std::string_view name = text.substr(0, text.find('='));
    bool known = false;
    for (const SettingInfo& info : setting_table()) {
      known = known || (info.variable == name && name.size() < text.size());
    }
    if (!known) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("setting '{}' is not of the form SINTER_NAME=value with a known name", name));
    }
  }
  return {};
}

Result<RuntimeOptions> to_options(const sinter_options* given) {
  // A caller built against an older header has a shorter struct: what it lacks stays zero.
  sinter_options from{};
  if (given != nullptr) {
    if (given->struct_size < kFirstOptionsSize || given->struct_size > sizeof(sinter_options)) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("sinter_options::struct_size is {}; this library knows {} to {}", given->struct_size,
                                                                kFirstOptionsSize, sizeof(sinter_options)));
    }
    std::memcpy(&from, given, given->struct_size);
  }
  SINTER_TRY_VOID(check_setting_names(from));
  RuntimeOptions options;
  reading_options = &from;
  auto settings = read_settings(setting_or_environment);
  reading_options = nullptr;
  SINTER_TRY(options.settings, std::move(settings));
  options.allow_unsafe_vskip = from.allow_unsafe_vskip == 1;
  options.settings.golden_check = options.settings.golden_check || from.golden_check == 1;
  if (from.log != nullptr) {
    options.log = [log = from.log, user = from.log_user](LogLevel level, std::string_view message) {
      log(static_cast<int>(level), std::string(message).c_str(), user);
    };
  }
  return options;
}

}  // namespace

}  // namespace sinter

using namespace sinter;

extern "C" {

const char* sinter_version(void) { return SINTER_VERSION; }

sinter_status sinter_error_status(const sinter_error* error) {
  return error == nullptr ? SINTER_OK : static_cast<sinter_status>(error->error.code);
}
const char* sinter_error_message(const sinter_error* error) { return error == nullptr ? "" : error->error.message.c_str(); }
const char* sinter_error_log(const sinter_error* error) { return error == nullptr ? "" : error->error.log.c_str(); }
const char* sinter_error_source(const sinter_error* error) { return error == nullptr ? "" : error->error.source.c_str(); }
void sinter_error_free(sinter_error* error) { delete error; }

sinter_status sinter_runtime_create(const sinter_options* options, sinter_runtime** runtime, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr) {
      return fail(null_argument("runtime"), error);
    }
    *runtime = nullptr;
    auto parsed = to_options(options);
    if (!parsed) {
      return fail(std::move(parsed).error(), error);
    }
    auto created = Runtime::create(std::move(*parsed));
    if (!created) {
      return fail(std::move(created).error(), error);
    }
    *runtime = new sinter_runtime{std::move(*created)};
    return SINTER_OK;
  });
}

void sinter_runtime_destroy(sinter_runtime* runtime) { delete runtime; }

sinter_status sinter_open_device(sinter_runtime* runtime, const char* name, int32_t* device, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr || name == nullptr || device == nullptr) {
      return fail(null_argument(runtime == nullptr ? "runtime" : name == nullptr ? "name" : "device"), error);
    }
    auto opened = runtime->runtime->open_device(name);
    if (!opened) {
      return fail(std::move(opened).error(), error);
    }
    *device = *opened;
    return SINTER_OK;
  });
}

sinter_status sinter_request_init(sinter_request* request, const char* family, sinter_error** error) {
  return guarded(error, [&] {
    if (request == nullptr || family == nullptr) {
      return fail(null_argument(request == nullptr ? "request" : "family"), error);
    }
    auto index = find_family(family);
    if (!index) {
      return fail(std::move(index).error(), error);
    }
    KernelRequest empty;
    empty.family = *index;
    std::memcpy(request, &empty, sizeof empty);
    return SINTER_OK;
  });
}

sinter_status sinter_request_set(sinter_request* request, const char* name, const char* value, sinter_error** error) {
  return guarded(error, [&] {
    if (request == nullptr || name == nullptr || value == nullptr) {
      return fail(null_argument(request == nullptr ? "request" : name == nullptr ? "name" : "value"), error);
    }
    return set_in(*request, name, std::string_view(value), error);
  });
}

sinter_status sinter_request_set_int(sinter_request* request, const char* name, int64_t value, sinter_error** error) {
  return guarded(error, [&] {
    if (request == nullptr || name == nullptr) {
      return fail(null_argument(request == nullptr ? "request" : "name"), error);
    }
    return set_in(*request, name, value, error);
  });
}

sinter_status sinter_get_kernel(sinter_runtime* runtime, int32_t device, const sinter_request* request,
                                const sinter_kernel** kernel, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr || request == nullptr || kernel == nullptr) {
      return fail(null_argument(runtime == nullptr ? "runtime" : request == nullptr ? "request" : "kernel"), error);
    }
    auto found = runtime->runtime->get_handle(device, as_request(*request));
    if (!found) {
      return fail(std::move(found).error(), error);
    }
    *kernel = reinterpret_cast<const sinter_kernel*>(*found);
    return SINTER_OK;
  });
}

sinter_status sinter_get_kernel_with(sinter_runtime* runtime, int32_t device, const sinter_request* request, const sinter_get_options* options,
                                     const sinter_kernel** kernel, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr || request == nullptr || kernel == nullptr) {
      return fail(null_argument(runtime == nullptr ? "runtime" : request == nullptr ? "request" : "kernel"), error);
    }
    const auto parsed = to_get_options(options);
    if (!parsed) {
      return fail(parsed.error(), error);
    }
    auto found = runtime->runtime->get_handle(device, as_request(*request), *parsed);
    if (!found) {
      return fail(std::move(found).error(), error);
    }
    *kernel = reinterpret_cast<const sinter_kernel*>(*found);
    return SINTER_OK;
  });
}

sinter_status sinter_explain_choice(sinter_runtime* runtime, int32_t device, const sinter_request* request, char* text, size_t bytes,
                                    size_t* needed, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr || request == nullptr || (text == nullptr && bytes != 0)) {
      return fail(null_argument(runtime == nullptr ? "runtime" : request == nullptr ? "request" : "text"), error);
    }
    auto choice = runtime->runtime->explain(device, as_request(*request));
    if (!choice) {
      return fail(std::move(choice).error(), error);
    }
    const std::string whole = fmt::format("{}: {}", choice->spec.name(), one_line(*choice));
    if (bytes > 0) {
      text[whole.copy(text, bytes - 1)] = '\0';
    }
    if (needed != nullptr) {
      *needed = whole.size() + 1;
    }
    return SINTER_OK;
  });
}

int32_t sinter_kernel_stands_in(const sinter_kernel* kernel) { return kernel != nullptr && as_handle(kernel).is_standing_in() ? 1 : 0; }

sinter_status sinter_swap_ready(sinter_runtime* runtime, uint64_t* swapped, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr) {
      return fail(null_argument("runtime"), error);
    }
    const std::int64_t count = runtime->runtime->swap_ready();
    if (swapped != nullptr) {
      *swapped = static_cast<std::uint64_t>(count);
    }
    return SINTER_OK;
  });
}

sinter_status sinter_prefetch(sinter_runtime* runtime, int32_t device, const sinter_request* requests, size_t count, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr || (requests == nullptr && count != 0)) {
      return fail(null_argument(runtime == nullptr ? "runtime" : "requests"), error);
    }
    std::vector<KernelRequest> list(count);
    std::transform(requests, requests + count, list.begin(), as_request);
    return finish(runtime->runtime->prefetch(device, list), error);
  });
}

sinter_status sinter_wait_background(sinter_runtime* runtime, uint32_t timeout_ms, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr) {
      return fail(null_argument("runtime"), error);
    }
    if (!runtime->runtime->wait_for_background(std::chrono::milliseconds(timeout_ms))) {
      return fail(make_error(ErrorCode::kTimeout, fmt::format("{} builds still wait or run in the background after {} ms",
                                                              runtime->runtime->counters().background, timeout_ms)),
                  error);
    }
    return SINTER_OK;
  });
}

sinter_status sinter_end_warmup(sinter_runtime* runtime, uint32_t late, sinter_error** error) {
  return guarded(error, [&] {
    if (runtime == nullptr) {
      return fail(null_argument("runtime"), error);
    }
    switch (late) {
      case SINTER_LATE_ALLOWED: runtime->runtime->end_warmup(LateCompiles::kAllowed); return SINTER_OK;
      case SINTER_LATE_COUNT: runtime->runtime->end_warmup(LateCompiles::kCounted); return SINTER_OK;
      case SINTER_LATE_WARN: runtime->runtime->end_warmup(LateCompiles::kWarned); return SINTER_OK;
      case SINTER_LATE_ERROR: runtime->runtime->end_warmup(LateCompiles::kRefused); return SINTER_OK;
    }
    return fail(make_error(ErrorCode::kInvalidRequest, fmt::format("sinter_late_compiles is {}; it is 0 to 3", late)), error);
  });
}

const char* sinter_kernel_name(const sinter_kernel* kernel) { return as_kernel(kernel).name().c_str(); }

size_t sinter_kernel_args_bytes(const sinter_kernel* kernel) { return as_kernel(kernel).spec().family->args_bytes(); }

sinter_status sinter_launch(const sinter_kernel* kernel, const void* args, size_t args_bytes, void* stream, sinter_error** error) {
  return sinter_launch_checked(kernel, args, args_bytes, stream, nullptr, 0, error);
}

sinter_status sinter_kernel_launch(const sinter_kernel* kernel, const void* args, size_t args_bytes, sinter_packed* packed, void* stream,
                                   sinter_error** error) {
  return guarded(error, [&] {
    if (kernel == nullptr || args == nullptr || packed == nullptr) {
      return fail(null_argument(kernel == nullptr ? "kernel" : args == nullptr ? "args" : "packed"), error);
    }
    return finish(as_kernel(kernel).launch_packed(args, args_bytes, as_packed(packed), stream), error);
  });
}

sinter_status sinter_launch_checked(const sinter_kernel* kernel, const void* args, size_t args_bytes, void* stream,
                                    const uint64_t* buffer_bytes, size_t buffer_count, sinter_error** error) {
  return guarded(error, [&] {
    if (kernel == nullptr || args == nullptr || (buffer_bytes == nullptr && buffer_count != 0)) {
      return fail(null_argument(kernel == nullptr ? "kernel" : args == nullptr ? "args" : "buffer_bytes"), error);
    }
    if (buffer_bytes != nullptr && buffer_count == 0) {
      return fail(make_error(ErrorCode::kInvalidRequest, "buffer_bytes was given with a count of 0"), error);
    }
    return finish(as_kernel(kernel).launch(args, args_bytes, stream, {buffer_bytes, buffer_count}), error);
  });
}

sinter_status sinter_get_stats(const sinter_runtime* runtime, sinter_stats* stats) {
  if (runtime == nullptr || stats == nullptr || stats->struct_size < kFirstStatsSize) {
    return SINTER_INVALID_REQUEST;
  }
  const RuntimeCounters counters = runtime->runtime->counters();
  sinter_stats full{};
  full.struct_size = stats->struct_size;
  full.memory_hits = counters.cache.memory_hits;
  full.local_hits = counters.cache.local_hits;
  full.misses = counters.cache.misses;
  full.bad_entries = counters.cache.bad_entries;
  full.storage_faults = counters.cache.storage_faults;
  full.compiles = counters.compiles;
  full.failed_compiles = counters.failed_compiles;
  full.refused = counters.refused;
  full.bundle_hits = counters.cache.bundle_hits;
  full.late_compiles = counters.late_compiles;
  full.late_loads = counters.late_loads;
  full.stand_ins = counters.stand_ins;
  full.swaps = counters.swaps;
  full.background = counters.background;
  full.background_failures = counters.background_failures;
  std::memcpy(stats, &full, std::min<std::size_t>(stats->struct_size, sizeof full));
  return SINTER_OK;
}

sinter_status sinter_metrics_text(const sinter_runtime* runtime, char* buffer, size_t capacity, size_t* length) {
  if (runtime == nullptr || length == nullptr || (buffer == nullptr && capacity != 0)) {
    return SINTER_INVALID_REQUEST;
  }
  return guarded(nullptr, [&] {
    const std::string text = prometheus_text(runtime->runtime->metrics());
    *length = text.size();
    if (capacity > 0) {
      const std::size_t copied = std::min(capacity - 1, text.size());
      std::memcpy(buffer, text.data(), copied);
      buffer[copied] = '\0';
    }
    return SINTER_OK;
  });
}

}  // extern "C"
