// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda_tensor_maps.h"

#include <cstring>
#include <new>

#include <fmt/format.h>

namespace sinter::cuda {

namespace {

/// CUtensorMapDataType.
constexpr int kTypeUint8 = 0, kTypeFloat32 = 7, kTypeBfloat16 = 9;
/// CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill. A sector promoted to
/// 256 bytes was as fast as 128 or none on an H200.
constexpr int kInterleaveNone = 0, kSwizzle128Bytes = 3, kPromote256Bytes = 3, kFillZeros = 0;

int type_of(TensorMapType type) {
  switch (type) {
    case TensorMapType::kBytes: return kTypeUint8;
    case TensorMapType::kBf16: return kTypeBfloat16;
    case TensorMapType::kF32: return kTypeFloat32;
  }
  return kTypeUint8;
}

/// Each launch sets the address of a map that has an argument; the others keep this one.
constexpr std::uintptr_t kAddress = TensorMapPlan::kAllMemoryBase;

}  // namespace

Result<TensorMaps> TensorMaps::encode(const Api& api, std::span<const TensorMapPlan> plans, std::string_view entry) {
  TensorMaps maps;
  if (plans.empty()) {
    return maps;
  }
  if (api.tensor_map_encode == nullptr || api.tensor_map_address == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{} copies by tensor maps, which this driver does not have: update it to CUDA 12.0 "
                                  "or later, or choose a smaller tile",
                                  entry));
  }
  if (plans.size() > kMaxTensorMaps) {
    return make_error(ErrorCode::kInternal, fmt::format("{} has {} tensor maps, at most {} are passed", entry,
                                                        plans.size(), kMaxTensorMaps));
  }
  constexpr std::array<std::uint32_t, TensorMapPlan::kMaxRank> kEveryElement = {1, 1, 1, 1, 1};
  for (const TensorMapPlan& plan : plans) {
    TensorMap map;
    const Status status = api.tensor_map_encode(
        &map, type_of(plan.type), plan.rank, reinterpret_cast<void*>(kAddress), plan.sizes.data(),
        plan.strides.data(), plan.box.data(), kEveryElement.data(), kInterleaveNone, kSwizzle128Bytes, kPromote256Bytes,
        kFillZeros);
    if (status != kSuccess) {
      Error error = call_error(api, "cuTensorMapEncodeTiled", status);
      error.message += fmt::format("; tensor map {} of {}", maps.count_, entry);
      return error;
    }
    maps.maps_[maps.count_] = map.words;
    maps.argument_offsets_[maps.count_++] = plan.argument_offset;
  }
  return maps;
}

Status TensorMaps::write(const Api& api, const void* args, std::size_t args_bytes, Parameter& parameter) const {
  if (args_bytes > kMaxArgsBytes) {
    return kInvalidValue;
  }
  std::byte* const to = parameter.bytes.data();
  for (std::size_t i = 0; i < count_; ++i) {
    auto* const map = new (to + i * kTensorMapBytes) TensorMap{maps_[i]};
    if (argument_offsets_[i] == TensorMapPlan::kAllMemory) {
      continue;
    }
    void* address = nullptr;
    std::memcpy(&address, static_cast<const std::byte*>(args) + argument_offsets_[i], sizeof address);
    if (address == nullptr) {
      continue;  // A tensor without elements, of which nothing is copied.
    }
    if (const Status status = api.tensor_map_address(map, address); status != kSuccess) {
      return status;
    }
  }
  const std::size_t maps_bytes = count_ * kTensorMapBytes;
  std::memcpy(to + maps_bytes, args, args_bytes);
  return kSuccess;
}

}  // namespace sinter::cuda
