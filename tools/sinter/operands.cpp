// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/operands.h"

#include <algorithm>
#include <cstring>

#include "tools/sinter/random_values.h"

namespace sinter::cli {

namespace {

/// NaN in bf16, fp16, fp32 and e4m3.
constexpr std::byte kPoison{0xff};

}  // namespace

Result<Operands> Operands::prepare(const Device& device, const KernelSpec& spec, std::span<const TensorView> inputs,
                                   std::span<const TensorInfo> input_infos) {
  Operands operands(device, *spec.family);
  for (const TensorView& input : inputs) {
    SINTER_TRY_VOID(operands.bind(input.info.name, {input.data, input.bytes}));
  }
  for (TensorInfo& info : spec.family->outputs(spec, input_infos)) {
    auto& bytes = operands.output_bytes_.emplace_back(tensor_bytes(info), kPoison);
    operands.outputs_.push_back({std::move(info), bytes.data(), bytes.size()});
    SINTER_TRY_VOID(operands.bind(operands.outputs_.back().info.name, bytes));
  }
  spec.family->set_scalars(spec, input_infos, operands.args_.data());
  return operands;
}

// Tensors that are no argument of the kernel are left out.
Result<void> Operands::bind(std::string_view name, std::span<const std::byte> bytes) {
  for (const ArgumentInfo& argument : family_->arguments()) {
    if (argument.name != name || argument.kind == ArgumentKind::kScalar) {
      continue;
    }
    SINTER_TRY(auto buffer, device_->driver->allocate(device_->properties.ordinal, std::max<std::size_t>(bytes.size(), 16)));
    SINTER_TRY_VOID(buffer->upload(bytes));
    const void* pointer = buffer->data();
    std::memcpy(args_.data() + argument.offset, &pointer, sizeof pointer);
    buffers_.push_back({name, std::move(buffer)});
  }
  return {};
}

Result<void> Operands::poison_outputs() { return fill_outputs(kPoison); }
Result<void> Operands::clear_outputs() { return fill_outputs(std::byte{0}); }

Result<void> Operands::fill_outputs(std::byte value) {
  for (TensorView& output : outputs_) {
    std::fill_n(output.data, output.bytes, value);
    const auto it = std::ranges::find(buffers_, output.info.name, &Bound::name);
    SINTER_TRY_VOID(it->buffer->upload({output.data, output.bytes}));
  }
  return {};
}

Result<std::span<const TensorView>> Operands::fetch_outputs() {
  for (TensorView& output : outputs_) {
    const auto it = std::ranges::find(buffers_, output.info.name, &Bound::name);
    SINTER_TRY_VOID(it->buffer->download({output.data, output.bytes}));
  }
  return std::span<const TensorView>(outputs_);
}

Result<double> Operands::timed(const Kernel& kernel) const {
  SINTER_TRY(auto timer, device_->driver->timer(device_->properties.ordinal));
  SINTER_TRY_VOID(timer->start());
  SINTER_TRY_VOID(launch(kernel));
  return timer->stop();
}

}  // namespace sinter::cli
