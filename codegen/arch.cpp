// SPDX-License-Identifier: Apache-2.0
#include "codegen/arch.h"

#include <cpuid.h>

#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter {

namespace {

constexpr std::int64_t kKiB = 1024;

// Scratch of one pool thread on the host: half of a common L2 (1 MiB per core on Zen 4, 1.25 to 2 MiB on recent Xeons)
// would be the largest useful packing area; the limit is generous and only guards against nonsense.
constexpr std::int64_t kHostScratch = 4096 * kKiB;

// Sources of the NVIDIA rows: the CUDA C++ Programming Guide's table of technical specifications per compute
// capability (shared memory per block is the opt-in maximum, 1 KiB per block is reserved by the system).
// Sources of the AMD rows: LLVM 22's AMDGPU backend, which refuses more LDS ("local memory (65540) exceeds limit
// (65536)") and more than 1024 threads; s_setvskip by assembling it for each; fp8 by its builtins' target features.
constexpr std::array kArchs = {
    // name, symbol, vendor, format, cc, wave, threads, shared memory, fp8, bf16 matrix, s_setvskip
    Arch{"x86-64-v3", "x86_64_v3", Vendor::kHost, CodeFormat::kSharedObject, 0, 1, 1, kHostScratch, Fp8Hardware::kNone, false, false},
    Arch{"x86-64-v4", "x86_64_v4", Vendor::kHost, CodeFormat::kSharedObject, 0, 1, 1, kHostScratch, Fp8Hardware::kNone, false, false},
    Arch{"x86-64-v4+avx512bf16", "x86_64_v4_avx512bf16", Vendor::kHost, CodeFormat::kSharedObject, 0, 1, 1, kHostScratch, Fp8Hardware::kNone, true, false},
    Arch{"compute_80", "compute_80", Vendor::kNvidia, CodeFormat::kPtx, 80, 32, 1024, 163 * kKiB, Fp8Hardware::kNone, true, false},
    Arch{"sm_80", "sm_80", Vendor::kNvidia, CodeFormat::kCubin, 80, 32, 1024, 163 * kKiB, Fp8Hardware::kNone, true, false},
    Arch{"sm_86", "sm_86", Vendor::kNvidia, CodeFormat::kCubin, 86, 32, 1024, 99 * kKiB, Fp8Hardware::kNone, true, false},
    Arch{"sm_89", "sm_89", Vendor::kNvidia, CodeFormat::kCubin, 89, 32, 1024, 99 * kKiB, Fp8Hardware::kOcp, true, false},
    Arch{"sm_90", "sm_90", Vendor::kNvidia, CodeFormat::kCubin, 90, 32, 1024, 227 * kKiB, Fp8Hardware::kOcp, true, false},
    Arch{"sm_90a", "sm_90a", Vendor::kNvidia, CodeFormat::kCubin, 90, 32, 1024, 227 * kKiB, Fp8Hardware::kOcp, true, false},
    Arch{"sm_100a", "sm_100a", Vendor::kNvidia, CodeFormat::kCubin, 100, 32, 1024, 227 * kKiB, Fp8Hardware::kOcp, true, false},
    Arch{"sm_120a", "sm_120a", Vendor::kNvidia, CodeFormat::kCubin, 120, 32, 1024, 99 * kKiB, Fp8Hardware::kOcp, true, false},
    Arch{"gfx90a", "gfx90a", Vendor::kAmd, CodeFormat::kHsaco, 0, 64, 1024, 64 * kKiB, Fp8Hardware::kNone, true, true},
    Arch{"gfx942", "gfx942", Vendor::kAmd, CodeFormat::kHsaco, 0, 64, 1024, 64 * kKiB, Fp8Hardware::kFnuz, true, true},
    Arch{"gfx950", "gfx950", Vendor::kAmd, CodeFormat::kHsaco, 0, 64, 1024, 160 * kKiB, Fp8Hardware::kOcp, true, true},
    Arch{"gfx1100", "gfx1100", Vendor::kAmd, CodeFormat::kHsaco, 0, 32, 1024, 64 * kKiB, Fp8Hardware::kNone, true, false},
    Arch{"gfx1201", "gfx1201", Vendor::kAmd, CodeFormat::kHsaco, 0, 32, 1024, 64 * kKiB, Fp8Hardware::kOcp, true, false},
};

bool is_arch_specific(const Arch& arch) { return arch.name.back() == 'a' && arch.vendor == Vendor::kNvidia; }

// Levels of x86-64 in the table's order: each includes those before it.
std::ptrdiff_t host_level(const Arch& arch) { return &arch - kArchs.data(); }

// __builtin_cpu_supports has no name for LZCNT and MOVBE in every compiler, so they are read from cpuid.
bool cpu_has_v3() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool movbe_and_f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_MOVBE) != 0 && (ecx & bit_F16C) != 0;
  const bool lzcnt = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_LZCNT) != 0;
  return movbe_and_f16c && lzcnt && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

std::string known_names() {
  std::vector<std::string_view> names{"host"};
  for (const Arch& arch : kArchs) {
    names.push_back(arch.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::span<const Arch> all_archs() { return kArchs; }

const Arch* find_arch(std::string_view name) {
  for (const Arch& arch : kArchs) {
    if (arch.name == name) {
      return &arch;
    }
  }
  return nullptr;
}

Result<const Arch*> parse_arch(std::string_view name) {
  if (name == "host") {
    if (const Arch* host = host_arch()) {
      return host;
    }
    return make_error(ErrorCode::kUnsupported, "this CPU is below x86-64-v3 (AVX2, FMA, BMI2, F16C, LZCNT, MOVBE), the least that the host bodies need");
  }
  if (const Arch* arch = find_arch(name)) {
    return arch;
  }
  const auto colon = name.find(':');
  if (colon != std::string_view::npos && find_arch(name.substr(0, colon)) != nullptr) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("arch '{}': code objects are built to run with any xnack and sramecc setting; write '{}'",
                                  name, name.substr(0, colon)));
  }
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unknown arch '{}'; known: {}", name, known_names()));
}

const Arch* host_arch() {
  __builtin_cpu_init();
  if (!cpu_has_v3()) {
    return nullptr;
  }
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (v4 && __builtin_cpu_supports("avx512bf16")) {
    return &kArchs[2];
  }
  return v4 ? &kArchs[1] : &kArchs[0];
}

bool runs_on(const Arch& code, const Arch& device) {
  if (&code == &device) {
    return true;
  }
  if (code.vendor != device.vendor) {
    return false;
  }
  switch (code.vendor) {
    case Vendor::kHost:
      return host_level(code) <= host_level(device);
    case Vendor::kNvidia:
      if (code.format == CodeFormat::kPtx) {
        return code.compute_capability <= device.compute_capability;
      }
      return !is_arch_specific(code) && code.compute_capability / 10 == device.compute_capability / 10 &&
             code.compute_capability <= device.compute_capability;
    case Vendor::kAmd:
      return false;
  }
  return false;
}

CodeFormat code_format_of(const Arch& arch, std::string_view backend) {
  return arch.vendor == Vendor::kNvidia && backend == "llvm" ? CodeFormat::kPtx : arch.format;
}

std::string_view vendor_name(Vendor vendor) {
  switch (vendor) {
    case Vendor::kHost: return "host";
    case Vendor::kNvidia: return "nvidia";
    case Vendor::kAmd: return "amd";
  }
  return "unknown";
}

std::string_view code_format_name(CodeFormat format) {
  switch (format) {
    case CodeFormat::kSharedObject: return "so";
    case CodeFormat::kCubin: return "cubin";
    case CodeFormat::kPtx: return "ptx";
    case CodeFormat::kHsaco: return "hsaco";
  }
  return "unknown";
}

}  // namespace sinter
