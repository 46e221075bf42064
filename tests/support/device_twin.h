// SPDX-License-Identifier: Apache-2.0
#pragma once

// Code that is compiled twice: by the host's compiler into this program, and as text by the LLVM worker's compiler for
// a simulated device. Both have to compute the same bits; a device's instructions are so checked against another
// compiler and another processor.

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/simulated_amd.h"

/// Defines `kName`, the text, and the namespace `name` with the code, which has
/// `static void run(unsigned t, const unsigned* in, unsigned* out)`.
#define DEVICE_TWIN(name, ...)                              \
  namespace name {                                          \
  __VA_ARGS__                                               \
  }                                                         \
  constexpr const char* name##_text = #__VA_ARGS__

/// What a constant needs to be one on the device too.
#define DEVICE_CONSTANT

namespace sinter::testing {

inline constexpr std::uint32_t kTwinLanes = 64;

inline std::vector<std::uint32_t> random_words(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words(count);
  for (std::uint32_t& word : words) {
    // Small, large, and with few bits, so that edges are met.
    const auto value = static_cast<std::uint32_t>(random());
    word = value % 7 == 0    ? value >> 25
           : value % 11 == 0 ? 0U - (value >> 27)
           : value % 13 == 0 ? 1U << (value & 31)
                             : value;
  }
  return words;
}

/// Runs a kernel named "kernel" of one wave (or `threads`) on buffers: what it made of `out`.
inline std::vector<std::uint32_t> run_on_device(const SimulatedAmd& amd, const std::string& source,
                                                const std::vector<std::uint32_t>& in, std::size_t out_words,
                                                std::uint32_t threads = kTwinLanes) {
  const CodeObject code = SimulatedAmd::compile(amd.device().properties.arch, source);
  const LaunchShape shape{.grid = {1, 1, 1}, .block = {threads, 1, 1}};
  const auto kernel = amd.driver().load(0, code, shape);
  REQUIRE(message(kernel) == "");
  std::vector<std::uint32_t> out(out_words, 0x5a5a5a5a);
  const auto device_in = amd.upload(in), device_out = amd.upload(out);
  const struct {
    const void* in;
    void* out;
  } arguments{device_in->data(), device_out->data()};
  REQUIRE(message((*kernel)->launch(shape, &arguments, sizeof arguments, nullptr)) == "");
  const auto waited = amd.driver().synchronize(0);
  if (!waited) {
    reset_device();
  }
  REQUIRE(message(waited) == "");
  REQUIRE(device_out->download(std::as_writable_bytes(std::span(out))));
  return out;
}

inline std::string twin_kernel(const std::string& text) {
  return "#define DEVICE_CONSTANT __attribute__((device, constant))\n#pragma clang force_cuda_host_device begin\n" +
         text +
         "\n#pragma clang force_cuda_host_device end\nextern \"C\" __attribute__((global, "
         "amdgpu_flat_work_group_size(1, 64))) void kernel(const unsigned* in, "
         "unsigned* out) { run(__builtin_amdgcn_workitem_id_x(), in, out); }";
}

/// The numbers of the words, per lane, in which device and host differ: "3 (lane 5: host 1 device 2), ...".
template <class Run>
std::string differences(const SimulatedAmd& amd, const char* text, const Run& run, std::size_t in_words,
                        std::size_t out_words) {
  std::string found;
  for (std::uint32_t seed = 1; seed <= 2; ++seed) {
    const std::vector<std::uint32_t> in = random_words(in_words * kTwinLanes, seed);
    std::vector<std::uint32_t> expected(out_words * kTwinLanes, 0x5a5a5a5a);
    for (std::uint32_t lane = 0; lane < kTwinLanes; ++lane) {
      run(lane, in.data(), expected.data());
    }
    const std::vector<std::uint32_t> out = run_on_device(amd, twin_kernel(text), in, expected.size());
    for (std::size_t word = 0; word < out_words; ++word) {
      for (std::size_t lane = 0; lane < kTwinLanes; ++lane) {
        const std::size_t at = word * kTwinLanes + lane;
        if (out[at] != expected[at]) {
          char line[100];
          std::snprintf(line, sizeof line, "%zu (lane %zu: host %08x device %08x), ", word, lane, expected[at],
                        out[at]);
          found += line;
          break;
        }
      }
    }
  }
  return found;
}

}  // namespace sinter::testing
