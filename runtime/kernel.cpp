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
  LaunchShape shape;
  SINTER_TRY_VOID(check(args, args_bytes, shape));
  if (shape.grid[0] == 0) {
    return {};
  }
  if (parts_.checked || !buffer_bytes.empty()) {
    SINTER_TRY_VOID(check_buffers(args, buffer_bytes));
  }
  return enqueue(shape, stream, [&] { return parts_.loaded->launch(shape, args, args_bytes, stream); });
}

Result<void> Kernel::launch_unseen(const void* args, std::size_t args_bytes, void* stream) const {
  LaunchShape shape;
  SINTER_TRY_VOID(check(args, args_bytes, shape));
  return shape.grid[0] == 0 ? Result<void>() : parts_.loaded->launch(shape, args, args_bytes, stream);
}

Result<void> Kernel::launch_packed(const void* args, std::size_t args_bytes, PackedLaunch& packed, void* stream) const {
  if (parts_.checked) {
    return launch(args, args_bytes, stream);
  }
  if (packed.kernel != this || packed.args_bytes != args_bytes ||
      std::memcmp(packed.parameter.data() + packed.args_offset, args, args_bytes) != 0) {
    SINTER_TRY_VOID(pack(args, args_bytes, packed));
  }
  if (packed.shape.grid[0] == 0) {
    return {};
  }
  return enqueue(packed.shape, stream, [&] {
    return parts_.loaded->launch_prepared(packed.shape, std::span(packed.parameter).first(packed.parameter_bytes), stream);
  });
}

// What fails leaves nothing packed.
Result<void> Kernel::pack(const void* args, std::size_t args_bytes, PackedLaunch& packed) const {
  packed.kernel = nullptr;
  SINTER_TRY_VOID(check(args, args_bytes, packed.shape));
  SINTER_TRY(const LoadedKernel::Prepared prepared, parts_.loaded->prepare(args, args_bytes, packed.parameter));
  packed.parameter_bytes = prepared.bytes;
  packed.args_offset = prepared.args_offset;
  packed.args_bytes = static_cast<std::uint32_t>(args_bytes);
  packed.kernel = this;
  return {};
}

// Whether these arguments may be launched, and with which grid; one of 0 blocks means that there is nothing to do.
Result<void> Kernel::check(const void* args, std::size_t args_bytes, LaunchShape& shape) const {
  const KernelSpec& spec = parts_.spec;
  if (args_bytes != parts_.limits.args_bytes) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{}: {} bytes of arguments were given, the kernel takes {}; is the argument struct that "
                                  "of the header of this release?",
                                  name_, args_bytes, parts_.limits.args_bytes));
  }
  if (const char* problem = spec.family->bad_scalar(spec, args); problem != nullptr) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("{}: {}", name_, problem));
  }
  shape = body_->launch_shape(spec, parts_.plan, args, parts_.target);
  if (shape.grid[0] == 0) {
    return {};
  }
  if (const int bad = first_bad_pointer(spec, args); bad >= 0) {
    return explain_pointer(spec, args, bad);
  }
  if (!launch_fits(parts_.limits, shape, args_bytes)) {
    return explain_launch(parts_.limits, shape, args_bytes);
  }
  if (const LaunchQuirk* quirk = find_launch_quirk(parts_.quirks, args); quirk != nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("launch check: {}", quirk->message));
  }
  return {};
}

template <class Launch>
Result<void> Kernel::enqueue(const LaunchShape& shape, void* stream, Launch&& launch) const {
  auto launched = [&]() -> Result<void> {
    if (parts_.watch == nullptr) [[likely]] {
      return launch();
    }
    const NvtxRange range(parts_.watch->nvtx(), name_.c_str());
    auto watched = launch();
    parts_.watch->log(parts_.device, name_, shape, stream, watched.has_value());
    return watched;
  }();
  if (!launched) {
    return explain_failure(std::move(launched).error());
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

Error Kernel::explain_failure(Error error) const {
  // Decided by what the driver said: waiting for the device, to learn more, would hold up the host for as long as the
  // device is busy, and is forbidden while another thread captures a graph.
  const std::string recent = parts_.launches != nullptr ? parts_.launches->recent() : std::string();
  if (!recent.empty() && parts_.loaded->has_met_fault()) {
    error.message += fmt::format(
        "; an earlier launch did it, this one reports it: newest first {}; with SINTER_CHECKED=1 the launch at fault is named", recent);
  }
  return error;
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
