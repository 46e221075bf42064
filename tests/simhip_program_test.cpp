// SPDX-License-Identifier: Apache-2.0

// An unmodified C program, built against HIP's own headers and library, on a simulated device.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/support/simulated_amd.h"

namespace sinter {

using Catch::Matchers::Contains;
using testing::SimulatedAmd;

constexpr const char* kScale =
    "__attribute__((device, used)) int variable = 1234; extern \"C\" __attribute__((global, "
    "amdgpu_flat_work_group_size(64, 64))) "
    "void kernel(float* out, const float* in, float factor, int n) { "
    "const int block = __builtin_amdgcn_workgroup_id_y() * 4 + __builtin_amdgcn_workgroup_id_x(); "
    "const int i = block * 64 + __builtin_amdgcn_workitem_id_x(); if (i < n) { out[i] = in[i] * factor; } }";

TEST_CASE("a C program of the HIP module API runs unchanged with the simulator in its library path") {
  SimulatedAmd amd;
  const CodeObject code = SimulatedAmd::compile(amd.device().properties.arch, kScale);
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/kernel.co";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(code.code.data()), static_cast<std::streamsize>(code.code.size()));

  const std::string command = "LD_LIBRARY_PATH=" SINTER_SIMHIP_LINKS " " SINTER_HIP_PROGRAM " " + path + " 2>/dev/null";
  std::FILE* const program = ::popen(command.c_str(), "r");
  REQUIRE(program != nullptr);
  std::array<char, 4096> text{};
  const std::size_t bytes = std::fread(text.data(), 1, text.size() - 1, program);
  const int status = ::pclose(program);
  const std::string output(text.data(), bytes);
  CAPTURE(output);
  CHECK(status == 0);
  CHECK_THAT(output, Contains(amd.device().properties.arch) && Contains("0 wrong"));
}

}  // namespace sinter
