// SPDX-License-Identifier: Apache-2.0
#include "runtime/operands.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "codegen/families/tensors.h"

namespace sinter {

namespace {

/// A guard is so many rows of its output, within these bounds; a multiple of what any operand's alignment is.
constexpr std::size_t kGuardRows = 8;
constexpr std::size_t kLeastGuard = 4096, kLargestGuard = std::size_t{1} << 20;

std::size_t guard_for(const TensorInfo& info) {
  const auto rows = static_cast<std::size_t>(info.shape.empty() ? 1 : std::max<std::int64_t>(1, info.shape[0]));
  const std::size_t bytes = std::clamp(kGuardRows * tensor_bytes(info) / rows, kLeastGuard, kLargestGuard);
  return (bytes + kLeastGuard - 1) / kLeastGuard * kLeastGuard;
}

const ArgumentInfo* find_pointer(const Family& family, std::string_view name) {
  const auto arguments = family.arguments();
  const auto it = std::ranges::find_if(
      arguments, [&](const ArgumentInfo& argument) { return argument.name == name && argument.kind != ArgumentKind::kScalar; });
  return it == arguments.end() ? nullptr : &*it;
}

}  // namespace

Result<Operands> Operands::prepare(Driver& driver, int ordinal, const KernelSpec& spec, std::span<const TensorView> inputs, Place place) {
  Operands operands(driver, ordinal, spec);
  if (place == Place::kOwnStream) {
    SINTER_TRY(operands.stream_, driver.own_stream(ordinal));
  } else {
    operands.stream_ = default_stream(driver, ordinal);
  }
  operands.inputs_.assign(inputs.begin(), inputs.end());
  std::vector<TensorInfo> infos;
  for (const TensorView& input : inputs) {
    infos.push_back(input.info);
  }
  spec.family->set_scalars(spec, infos, operands.args_.data());
  std::vector<TensorInfo> outputs = spec.family->outputs(spec, infos);
  for (const TensorView& input : operands.inputs_) {
    if (find_tensor(outputs, input.info.name) == nullptr) {
      SINTER_TRY_VOID(operands.add_input(input));
    }
  }
  for (TensorInfo& info : outputs) {
    SINTER_TRY_VOID(operands.add_output(std::move(info)));
  }
  SINTER_TRY_VOID(operands.reset_outputs());
  return operands;
}

Result<DeviceBuffer*> Operands::allocate(std::size_t bytes) {
  SINTER_TRY(auto buffer, driver_->allocate(ordinal_, std::max<std::size_t>(bytes, 16)));
  return buffers_.emplace_back(std::move(buffer)).get();
}

// Tensors that are no argument of the kernel are left out.
Result<void> Operands::add_input(const TensorView& input) {
  if (find_pointer(*spec_.family, input.info.name) == nullptr) {
    return {};
  }
  SINTER_TRY(DeviceBuffer* const buffer, allocate(input.bytes));
  SINTER_TRY_VOID(stream_->upload(*buffer, {input.data, input.bytes}));
  return point_to(input.info, static_cast<const std::byte*>(buffer->data()));
}

Result<void> Operands::add_output(TensorInfo info) {
  Output& output = *outputs_.emplace_back(std::make_unique<Output>());
  const std::size_t bytes = tensor_bytes(info);
  output.guard_bytes = guard_for(info);
  output.bytes.resize(bytes + 2 * output.guard_bytes);
  if (find_tensor(spec_.family->inputs(spec_, /*rows=*/0), info.name) != nullptr) {
    output.before = find_tensor(std::span<const TensorView>(inputs_), info.name);
  }
  SINTER_TRY(output.buffer, allocate(output.bytes.size()));
  SINTER_TRY_VOID(point_to(info, static_cast<const std::byte*>(output.buffer->data()) + output.guard_bytes));
  output.view = {std::move(info), output.bytes.data() + output.guard_bytes, bytes};
  views_.push_back(output.view);
  return {};
}

// Of an array of pointers, those of groups whose matrices are not there lead to the first: they are not followed.
Result<void> Operands::point_to(const TensorInfo& tensor, const std::byte* data) {
  const ArgumentInfo& argument = *find_pointer(*spec_.family, tensor.name);
  const void* pointer = data;
  if (spec_.family->is_pointer_array(spec_, tensor.name)) {
    const auto index = static_cast<int>(&argument - spec_.family->arguments().data());
    const auto matrices = static_cast<std::size_t>(std::max<std::int64_t>(1, tensor.shape[0]));
    std::vector<const std::byte*> table(spec_.family->footprint_bytes(spec_, args_.data(), index) / sizeof(void*), data);
    for (std::size_t i = 0; i < std::min(table.size(), matrices); ++i) {
      table[i] = data + i * (tensor_bytes(tensor) / matrices);
    }
    SINTER_TRY(DeviceBuffer* const buffer, allocate(table.size() * sizeof(void*)));
    SINTER_TRY_VOID(stream_->upload(*buffer, std::as_bytes(std::span(table))));
    SINTER_TRY_VOID(stream_->wait());  // for the table
    pointer = buffer->data();
  }
  std::memcpy(args_.data() + argument.offset, &pointer, sizeof pointer);
  return {};
}

Result<void> Operands::reset_outputs() { return fill_outputs(kPoison); }
Result<void> Operands::clear_outputs() { return fill_outputs(std::byte{0}); }

Result<void> Operands::fill_outputs(std::byte value) {
  for (const auto& output : outputs_) {
    std::ranges::fill(output->bytes, kPoison);
    if (output->before != nullptr) {
      std::copy_n(output->before->data, std::min(output->view.bytes, output->before->bytes), output->view.data);
    } else {
      std::fill_n(output->view.data, output->view.bytes, value);
    }
    SINTER_TRY_VOID(stream_->upload(*output->buffer, output->bytes));
  }
  return stream_->wait();
}

Result<std::span<const TensorView>> Operands::fetch_outputs() {
  for (const auto& output : outputs_) {
    SINTER_TRY_VOID(stream_->download(output->bytes, *output->buffer));
  }
  SINTER_TRY_VOID(stream_->wait());
  return std::span<const TensorView>(views_);
}

Result<ReferenceReport> Operands::judge(ReferenceEffort effort, std::uint64_t seed) {
  SINTER_TRY(const auto outputs, fetch_outputs());
  ReferenceReport report = spec_.family->check_reference(spec_, inputs_, outputs, effort, seed);
  if (std::string broken = broken_guard(); !broken.empty()) {
    report.ok = false;
    report.first_wrong = std::move(broken);
  }
  return report;
}

// The byte that is nearest to the output.
std::string Operands::broken_guard() const {
  const auto is_broken = [](std::byte byte) { return byte != kPoison; };
  for (const auto& output : outputs_) {
    const auto begin = output->bytes.begin() + static_cast<std::ptrdiff_t>(output->guard_bytes);
    const auto end = output->bytes.end() - static_cast<std::ptrdiff_t>(output->guard_bytes);
    if (const auto behind = std::find_if(end, output->bytes.end(), is_broken); behind != output->bytes.end()) {
      return fmt::format("memory was written {} bytes behind the end of {}", behind - end, output->view.info.name);
    }
    const auto before = std::find_if(std::make_reverse_iterator(begin), output->bytes.rend(), is_broken);
    if (before != output->bytes.rend()) {
      return fmt::format("memory was written {} bytes before the beginning of {}", before - std::make_reverse_iterator(begin) + 1, output->view.info.name);
    }
  }
  return {};
}

Result<double> Operands::timed(const Kernel& kernel) const {
  SINTER_TRY(auto timer, driver_->timer(ordinal_));
  SINTER_TRY_VOID(timer->start());
  SINTER_TRY_VOID(launch(kernel));
  return timer->stop();
}

}  // namespace sinter
