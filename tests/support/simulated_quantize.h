// SPDX-License-Identifier: Apache-2.0
#pragma once

// quantize on a simulated device against the host's body, bit for bit.

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "templates/quantize/args.h"
#include "tests/support/simulated_amd.h"

namespace sinter::testing {

inline constexpr std::int64_t kQuantizeRows = 19, kQuantizeK = 400, kQuantizeBlocks = 4;

/// bf16 in blocks of everything that quantize has to get right: tiny, large, zero, negative zero, subnormal.
inline std::vector<std::uint16_t> quantize_input(std::int64_t rows, std::int64_t k) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> x(static_cast<std::size_t>(rows * k));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t block = i / 128;
    const float magnitude = std::exp2(static_cast<float>(block * 7 % 60) - 30.0F);
    const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(normal(random) * magnitude) >> 16);
    x[i] = block % 11 == 3 ? std::uint16_t{0x8000} : bits;
    x[i] = block % 13 == 5 ? static_cast<std::uint16_t>(x[i] & 0x80ff) : x[i];
  }
  return x;
}

/// `device_params` are those that the host's body does not have.
inline void check_quantize(SimulatedAmd& amd, const Params& params, const Params& device_params) {
  const std::vector<std::uint16_t> x = quantize_input(kQuantizeRows, kQuantizeK);
  std::vector<std::uint8_t> expected(static_cast<std::size_t>(kQuantizeRows * kQuantizeK)), q(expected.size());
  std::vector<float> expected_scale(static_cast<std::size_t>(kQuantizeRows * kQuantizeBlocks));
  std::vector<float> q_scale(expected_scale.size());
  const QuantizeArgs host{x.data(), expected.data(), expected_scale.data(), kQuantizeRows};
  REQUIRE(amd.host_kernel("quantize", params).launch(&host, sizeof host, nullptr));

  Params all = params;
  all.insert(all.end(), device_params.begin(), device_params.end());
  const Kernel& kernel = amd.kernel("quantize", all);
  CAPTURE(kernel.name());
  const auto device_x = amd.upload(x), device_q = amd.upload(q), device_scale = amd.upload(q_scale);
  const QuantizeArgs args{device_x->data(), device_q->data(), static_cast<float*>(device_scale->data()), kQuantizeRows};
  REQUIRE(message(kernel.launch(&args, sizeof args, nullptr)) == "");
  REQUIRE(message(amd.driver().synchronize(0)) == "");
  REQUIRE(device_q->download(std::as_writable_bytes(std::span(q))));
  REQUIRE(device_scale->download(std::as_writable_bytes(std::span(q_scale))));
  CHECK(q == expected);
  CHECK(q_scale == expected_scale);
}

}  // namespace sinter::testing
