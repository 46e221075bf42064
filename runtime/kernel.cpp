// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

namespace sinter {

Kernel::Kernel(Parts parts)
    : parts_(std::move(parts)), body_(parts_.spec.family->body(parts_.spec.arch->vendor)), name_(parts_.spec.name()) {}

Result<void> Kernel::launch(const void* args, std::size_t args_bytes, void* stream,
                            std::span<const std::uint64_t> buffer_bytes) const {
  const KernelSpec& spec = parts_.spec;
  if (args_bytes != parts_.limits.args_bytes) {
    return explain_launch(parts_.limits, {}, args_bytes);
  }
  if (const char* problem = spec.family->bad_scalar(spec, args); problem != nullptr) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("{}: {}", name_, problem));
  }
  const LaunchShape shape = body_->launch_shape(spec, parts_.plan, args, parts_.target);
  if (shape.grid[0] == 0) {
    return {};
  }
  if (const int bad = first_bad_pointer(spec, args); bad >= 0) {
    return explain_pointer(spec, args, bad);
  }
  if (!launch_fits(parts_.limits, shape, args_bytes)) {
    return explain_launch(parts_.limits, shape, args_bytes);
  }
  if (parts_.checked || !buffer_bytes.empty()) {
    SINTER_TRY_VOID(check_buffers(args, buffer_bytes));
  }
  if (const LaunchQuirk* quirk = find_launch_quirk(parts_.quirks, args); quirk != nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("launch check: {}", quirk->message));
  }
  return enqueue(shape, args, args_bytes, stream);
}

Result<void> Kernel::enqueue(const LaunchShape& shape, const void* args, std::size_t args_bytes, void* stream) const {
  auto launched = parts_.loaded->launch(shape, args, args_bytes, stream);
  if (!launched) {
    // A device that cannot be waited for either has failed before: this launch only reports it.
    const std::string recent = parts_.launches != nullptr ? parts_.launches->recent() : std::string();
    if (!recent.empty() && !parts_.driver->synchronize(parts_.ordinal)) {
      launched.error().message += fmt::format(
          "; an earlier launch did it, this one reports it: newest first {}; with SINTER_CHECKED=1 the launch at fault is named", recent);
    }
    return launched;
  }
  if (parts_.launches != nullptr) {
    parts_.launches->record(name_, shape, stream);
  }
  if (parts_.checked) {
    if (auto finished = parts_.driver->finish(parts_.ordinal, stream); !finished) {
      finished.error().message += fmt::format("; this launch did it: {} (grid {}x{}x{})", name_, shape.grid[0], shape.grid[1], shape.grid[2]);
      return finished;
    }
  }
  return {};
}

Result<void> Kernel::check_buffers(const void* args, std::span<const std::uint64_t> buffer_bytes) const {
  const auto arguments = parts_.spec.family->arguments();
  if (!buffer_bytes.empty() && buffer_bytes.size() != arguments.size()) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{}: {} buffer sizes were given; it has {} arguments", name_, buffer_bytes.size(), arguments.size()));
  }
  std::array<std::uint64_t, kMaxParams> sizes;
  sizes.fill(kUnknownBytes);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!buffer_bytes.empty() && buffer_bytes[i] != kUnknownBytes) {
      sizes[i] = buffer_bytes[i];
    } else if (arguments[i].kind != ArgumentKind::kScalar) {
      const void* pointer = nullptr;
      std::memcpy(&pointer, static_cast<const char*>(args) + arguments[i].offset, sizeof pointer);
      sizes[i] = parts_.driver->bytes_behind(parts_.ordinal, pointer).value_or(kUnknownBytes);
    }
  }
  return check_footprints(parts_.spec, args, std::span(sizes).first(arguments.size()));
}

}  // namespace sinter
