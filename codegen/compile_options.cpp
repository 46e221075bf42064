// SPDX-License-Identifier: Apache-2.0
#include "codegen/compile_options.h"

#include <initializer_list>
#include <utility>

namespace sinter {
namespace {

using Options = std::vector<std::string>;

void append(Options& options, std::initializer_list<const char*> more) {
  options.insert(options.end(), more.begin(), more.end());
}

/// The part of "sm_90a" or "compute_80" behind the underscore.
std::string capability(const Arch& arch) { return std::string(arch.name.substr(arch.name.find('_') + 1)); }

// No -mllvm options: lld resets all of them in the process after the first link. No -disable-free: the driver's default
// leaks each compile's memory.
Options clang_common() {
  Options options;
  append(options, {"-O3", "-std=c++17", "-fno-rtti", "-mframe-pointer=none", "-vectorize-loops", "-vectorize-slp",
                   "-ffp-contract=fast", "-fvisibility=hidden", "-discard-value-names"});
  return options;
}

Options clang_amd(const Arch& arch) {
  Options options{"-triple", "amdgcn-amd-amdhsa", "-aux-triple", "x86_64-pc-linux-gnu", "-target-cpu",
                  std::string(arch.name)};
  for (std::string& option : clang_common()) {
    options.push_back(std::move(option));
  }
  // Code object version 5 loads on ROCm 5.5 and later; clang's default, 6, wants ROCm 6.3.
  append(options, {"-mrelocation-model", "pic", "-pic-level", "2", "-fapply-global-visibility-to-externs",
                   "-mcode-object-version=5", "-fcuda-is-device", "-x", "hip"});
  return options;
}

/// PTX ISA version to ask for: the oldest that has what the templates use, since the driver must know it.
/// 8.0 (CUDA 12.0) has sm_90a; fp8 operands of mma (sm_89 and later) came with 8.4 (CUDA 12.4); the archs of
/// Blackwell with 8.6 and 8.7. Source: the PTX ISA's release notes.
const char* ptx_feature(const Arch& arch) {
  if (arch.compute_capability >= 120) {
    return "+ptx87";
  }
  if (arch.compute_capability >= 100) {
    return "+ptx86";
  }
  return arch.compute_capability >= 89 ? "+ptx84" : "+ptx80";
}

Options clang_nvidia(const Arch& arch) {
  Options options{"-triple", "nvptx64-nvidia-cuda", "-aux-triple", "x86_64-pc-linux-gnu", "-target-cpu",
                  "sm_" + capability(arch), "-target-feature", ptx_feature(arch)};
  for (std::string& option : clang_common()) {
    options.push_back(std::move(option));
  }
  append(options, {"-fcuda-is-device", "-x", "cuda"});
  return options;
}

Options clang_host(const Arch& arch) {
  const std::string_view name = arch.name;
  const std::size_t plus = name.find('+');
  Options options{"-triple", "x86_64-pc-linux-gnu", "-target-cpu", std::string(name.substr(0, plus))};
  if (plus != std::string_view::npos) {
    append(options, {"-target-feature"});
    options.emplace_back(name.substr(plus));
  }
  for (std::string& option : clang_common()) {
    options.push_back(std::move(option));
  }
  if (name.substr(0, plus) == "x86-64-v4") {
    // LLVM prefers 256-bit vectors there, for the clocks of the first AVX-512 CPUs; the bodies are written for 512.
    append(options, {"-mprefer-vector-width=512"});
  }
  // The code object may import nothing: no libc behind a loop that looks like memset.
  append(options, {"-mrelocation-model", "pic", "-pic-level", "2", "-ffreestanding", "-fno-builtin", "-x", "c++"});
  return options;
}

Options nvrtc(const Arch& arch) {
  return {"--gpu-architecture=" + std::string(arch.name), "--std=c++17"};
}

Options hiprtc(const Arch& arch) {
  return {"--offload-arch=" + std::string(arch.name), "-O3", "-std=c++17", "-ffp-contract=fast"};
}

}  // namespace

std::vector<std::string> default_options(std::string_view backend, const Arch& arch) {
  if (backend == "llvm") {
    switch (arch.vendor) {
      case Vendor::kAmd: return clang_amd(arch);
      case Vendor::kNvidia: return clang_nvidia(arch);
      case Vendor::kHost: return clang_host(arch);
    }
  }
  if (backend == "nvrtc" && arch.vendor == Vendor::kNvidia) {
    return nvrtc(arch);
  }
  if (backend == "hiprtc" && arch.vendor == Vendor::kAmd) {
    return hiprtc(arch);
  }
  return {};
}

}  // namespace sinter
