// SPDX-License-Identifier: Apache-2.0

// Sinter inside a program: two experts, one launch. Build: see examples/embed/CMakeLists.txt.
#include <sinter/sinter.hpp>

#include <bit>
#include <cstdio>
#include <vector>

int main() try {
  constexpr int kRows = 5, kGroups = 2, kN = 64, kK = 32;
  const auto bf16 = [](float x) { return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16); };

  // On the host device, device memory is ordinary memory.
  std::vector<std::uint16_t> a(kRows * kK, bf16(1.0f)), b(kGroups * kN * kK, bf16(0.5f)), d(kRows * kN);
  for (int i = kN * kK; i < kGroups * kN * kK; ++i) b[i] = bf16(2.0f);  // the second expert's weights
  const std::vector<std::int32_t> row_offsets{0, 3, 5};                 // rows 0-2 and 3-4

  sinter::Runtime runtime;
  const std::int32_t device = runtime.open_device("host");  // or "cuda:0"
  const sinter::Request request = sinter::Request("grouped_gemm").set("n", kN).set("k", kK).set("groups", kGroups);

  const sinter::KernelRef kernel = runtime.get_kernel(device, request);  // compiled, or found in the cache; checked; loaded
  const sinter_grouped_gemm_args args{a.data(), b.data(), d.data(), nullptr, nullptr, row_offsets.data(), kRows, nullptr};
  kernel.launch(args);  // one launch for all experts

  const auto value = [&](int row) { return std::bit_cast<float>(std::uint32_t{d[row * kN]} << 16); };
  std::printf("%.*s\nrow 0: %g, row 4: %g\n", static_cast<int>(kernel.name().size()), kernel.name().data(), value(0), value(4));
  return value(0) == 16.0f && value(4) == 64.0f ? 0 : 1;
} catch (const sinter::Failure& failure) {
  std::fprintf(stderr, "%s\n%s", failure.what(), failure.log().c_str());
  return 1;
}
