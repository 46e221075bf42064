// SPDX-License-Identifier: Apache-2.0
#include "codegen/random_tensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "base/digest.h"
#include "codegen/families/tensors.h"

namespace sinter {

namespace {

// A normal variate of 24 bits is enough here, and this is several times faster than the standard library's.
class Normal {
 public:
  explicit Normal(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}

  float operator()() {
    float sum = -2;  // four uniform variates: mean 2, variance 1/3
    const std::uint64_t bits = next();
    for (int shift = 0; shift < 64; shift += 16) {
      sum += static_cast<float>((bits >> shift) & 0xffff) / 65536.0f;
    }
    return sum * 1.7320508f;
  }
  float uniform() { return static_cast<float>(next() >> 40) / static_cast<float>(1 << 24); }

 private:
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class T, class Make>
std::vector<std::byte> fill(std::size_t count, Make&& make) {
  std::vector<std::byte> bytes(count * sizeof(T));
  for (std::size_t i = 0; i < count; ++i) {
    const T value = make();
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

// Elements of a large tensor after which it repeats itself: a prime, so that no row of a matrix equals the one below.
constexpr std::size_t kPeriod = 16'777'259;

std::vector<std::byte> offsets_of(const RowLayout& layout) {
  std::vector<std::byte> bytes(4 * (layout.of_groups.size() + 1));
  auto sum = static_cast<std::int32_t>(layout.before);
  for (std::size_t g = 0; g <= layout.of_groups.size(); ++g) {
    std::memcpy(bytes.data() + 4 * g, &sum, 4);
    sum += g < layout.of_groups.size() ? static_cast<std::int32_t>(layout.of_groups[g]) : 0;
  }
  return bytes;
}

std::vector<std::byte> repeated_elements(const TensorInfo& info, std::uint64_t seed) {
  const std::size_t count = element_count(info);
  std::vector<std::byte> once = random_elements(info.dtype, std::min(count, kPeriod), seed);
  if (count <= kPeriod || once.empty()) {
    return once;
  }
  std::vector<std::byte> bytes(tensor_bytes(info));
  for (std::size_t at = 0; at < bytes.size(); at += once.size()) {
    std::memcpy(bytes.data() + at, once.data(), std::min(once.size(), bytes.size() - at));
  }
  return bytes;
}

}  // namespace

std::vector<std::byte> random_elements(const std::string& dtype, std::size_t count, std::uint64_t seed) {
  Normal random(seed);
  if (dtype == "BF16") {
    return fill<std::uint16_t>(count, [&] { return to_bf16(random()); });
  }
  if (dtype == "F16") {
    return fill<_Float16>(count, [&] { return static_cast<_Float16>(random()); });
  }
  if (dtype == "F32") {  // scales: positive
    return fill<float>(count, [&] { return 0.5f + random.uniform(); });
  }
  if (dtype == "F8_E4M3") {  // every finite encoding but the largest, so that sums stay in range
    return fill<std::uint8_t>(count, [&] {
      const auto bits = static_cast<std::uint32_t>(random.uniform() * 65536.0f);
      return static_cast<std::uint8_t>((bits & 0x80) | ((bits >> 8) % 0x48));
    });
  }
  return {};
}

std::int64_t RowLayout::rows() const { return std::accumulate(of_groups.begin(), of_groups.end(), before + after); }

std::vector<TensorInfo> RandomTensors::describe(const KernelSpec& spec, std::int64_t rows, std::int64_t matrices) {
  std::vector<TensorInfo> infos = spec.family->inputs(spec, rows);
  const std::vector<TensorInfo> outputs = spec.family->outputs(spec, infos);
  for (TensorInfo& info : infos) {
    const bool has_matrices = info.shape.size() == 3 && find_tensor(outputs, info.name) == nullptr;
    if (has_matrices && matrices > 0) {
      info.shape[0] = std::min(info.shape[0], matrices);
    }
  }
  return infos;
}

Result<RandomTensors> RandomTensors::inputs(const KernelSpec& spec, const RowLayout& layout, std::uint64_t seed, std::int64_t matrices) {
  RandomTensors tensors;
  for (TensorInfo& info : describe(spec, layout.rows(), matrices)) {
    std::vector<std::byte> bytes =
        info.name == "row_offsets" ? offsets_of(layout) : repeated_elements(info, seed ^ checksum64(as_bytes(info.name)));
    if (bytes.size() != tensor_bytes(info)) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("{}: '{}' of this mode is a tensor of {}, which cannot be made up", spec.family->name(), info.name, info.dtype));
    }
    tensors.bytes_.push_back(std::move(bytes));
    tensors.views_.push_back({std::move(info), tensors.bytes_.back().data(), tensors.bytes_.back().size()});
  }
  return tensors;
}

}  // namespace sinter
