// SPDX-License-Identifier: Apache-2.0
// NVRTC 12 and 13.

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/dyn_lib.h"
#include "codegen/arch.h"
#include "tools/worker/backend.h"
#include "tools/worker/cubin_facts.h"
#include "tools/worker/nvrtc_log.h"
#include "tools/worker/ptx_facts.h"
#include "tools/worker/rtc_program.h"

namespace sinter {
namespace {

/// Earlier versions lack sm_89 and sm_90a, and nobody has run Sinter's templates through them.
constexpr int kOldestMajor = 12;

/// Has ptxas print each kernel's spills. It changes a note in the cubin that quotes the command line, and no code.
constexpr const char* kStatisticsOption = "--ptxas-options=-v";

constexpr const char* kProbeEntry = "sinter_probe";
constexpr const char* kProbeSource = R"(
extern "C" __global__ void sinter_probe(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] * 2.0f + y[i];
}
)";

struct NvrtcLibrary {
  RtcFunctions program;
  int (*version)(int* major, int* minor) = nullptr;
  int (*arch_count)(int*) = nullptr;
  int (*archs)(int*) = nullptr;
};

Result<NvrtcLibrary> bind_functions(const DynLib& library) {
  NvrtcLibrary nvrtc;
  RtcFunctions& program = nvrtc.program;
  SINTER_TRY_VOID(library.bind({{"nvrtcVersion", &nvrtc.version},
                                {"nvrtcGetNumSupportedArchs", &nvrtc.arch_count},
                                {"nvrtcGetSupportedArchs", &nvrtc.archs},
                                {"nvrtcGetErrorString", &program.error_string},
                                {"nvrtcCreateProgram", &program.create},
                                {"nvrtcDestroyProgram", &program.destroy},
                                {"nvrtcCompileProgram", &program.compile},
                                {"nvrtcGetProgramLogSize", &program.log_size},
                                {"nvrtcGetProgramLog", &program.log},
                                {"nvrtcGetCUBINSize", &program.code_size},
                                {"nvrtcGetCUBIN", &program.code},
                                {"nvrtcGetPTXSize", &program.ptx_size},
                                {"nvrtcGetPTX", &program.ptx}}));
  return nvrtc;
}

/// The names of Sinter's archs among what NVRTC lists, which is numbers without suffix (90 stands for sm_90a too).
std::vector<std::string> supported_archs(const NvrtcLibrary& nvrtc) {
  int count = 0;
  if (nvrtc.arch_count(&count) != 0 || count <= 0) {
    return {};
  }
  std::vector<int> numbers(static_cast<std::size_t>(count));
  if (nvrtc.archs(numbers.data()) != 0) {
    return {};
  }
  std::vector<std::string> names;
  for (const Arch& arch : all_archs()) {
    if (arch.vendor == Vendor::kNvidia &&
        std::find(numbers.begin(), numbers.end(), arch.compute_capability) != numbers.end()) {
      names.emplace_back(arch.name);
    }
  }
  return names;
}

class NvrtcBackend final : public Backend {
 public:
  explicit NvrtcBackend(NvrtcLibrary nvrtc) : nvrtc_(nvrtc) {}

  /// Learns version, archs and build identity.
  Result<void> probe(const DynLib& library) {
    int major = 0, minor = 0;
    nvrtc_.version(&major, &minor);
    if (major < kOldestMajor) {
      return make_error(ErrorCode::kCompilerUnavailable, fmt::format("{} is NVRTC {}.{}; Sinter needs {} or later",
                                                                     library.path(), major, minor, kOldestMajor));
    }
    info_.backend = "nvrtc";
    info_.version = fmt::format("{}.{}", major, minor);
    info_.library = library.path();
    info_.archs = supported_archs(nvrtc_);
    if (info_.archs.empty()) {
      return make_error(ErrorCode::kCompilerUnavailable,
                        fmt::format("{} (NVRTC {}) has no arch that Sinter knows", library.path(), info_.version));
    }
    // Version alone does not tell updates apart. The PTX names the front end's build, the cubin that of ptxas.
    const int number = find_arch(info_.archs.front())->compute_capability;
    RtcOutput output = compile_probe(fmt::format("sm_{}", number), RtcProduct::kCodeAndPtx);
    if (output.error.empty() && output.ptx.empty()) {
      RtcOutput again = compile_probe(fmt::format("compute_{}", number), RtcProduct::kPtx);
      output.ptx = std::move(again.code);
      output.error = std::move(again.error);
      output.log = std::move(again.log);
    }
    if (!output.error.empty()) {
      return make_error(ErrorCode::kCompilerUnavailable,
                        fmt::format("{} (NVRTC {}) fails to compile a test kernel: {} {}", library.path(),
                                    info_.version, output.error, output.log));
    }
    const std::vector<std::vector<std::byte>> outputs = {std::move(output.ptx), std::move(output.code)};
    info_.identity = fmt::format("nvrtc {} {}", info_.version, probe_digest(outputs));
    return {};
  }

  const protocol::BackendInfo& info() const override { return info_; }

  protocol::CompileReply compile(const protocol::CompileRequest& request) override {
    const bool is_ptx = find_arch(request.arch)->format == CodeFormat::kPtx;
    std::vector<std::string> options = request.options;
    if (!is_ptx) {
      options.emplace_back(kStatisticsOption);
    }
    RtcOutput output =
        compile_rtc(nvrtc_.program, request, options, is_ptx ? RtcProduct::kPtx : RtcProduct::kCode);
    if (!output.error.empty()) {
      return failed_reply(std::move(output.error), std::move(output.log));
    }
    if (const std::string_view line = serialized_wgmma_line(output.log); !line.empty()) {
      return failed_reply(
          fmt::format("ptxas serialized the kernel's wgmma instructions, which costs most of its speed: {}", line),
          output.log);
    }
    auto facts = is_ptx ? read_ptx_facts(output.code, request.entry) : read_cubin_facts(output.code, request.entry);
    if (!facts) {
      return failed_reply(facts.error().message, std::move(output.log));
    }
    if (facts->target != request.arch) {
      return failed_reply(fmt::format("asked for {}, the options made code for {}", request.arch, facts->target),
                          std::move(output.log));
    }
    facts->spilled_registers = spilled_registers_in_log(output.log, request.entry);

    protocol::CompileReply reply;
    reply.ok = true;
    reply.log = without_statistics(output.log);
    reply.format = code_format_name(is_ptx ? CodeFormat::kPtx : CodeFormat::kCubin);
    reply.code = std::move(output.code);
    reply.facts = to_json(*facts);
    return reply;
  }

 private:
  RtcOutput compile_probe(const std::string& arch, RtcProduct product) {
    protocol::CompileRequest request;
    request.source = kProbeSource;
    request.entry = kProbeEntry;
    return compile_rtc(nvrtc_.program, request, {"--gpu-architecture=" + arch}, product);
  }

  NvrtcLibrary nvrtc_;
  protocol::BackendInfo info_;
};

}  // namespace

Result<std::unique_ptr<Backend>> open_nvrtc(const std::string& name) {
  SINTER_TRY(const DynLib library, DynLib::open(name));
  SINTER_TRY(const NvrtcLibrary nvrtc, bind_functions(library));
  auto backend = std::make_unique<NvrtcBackend>(nvrtc);
  SINTER_TRY_VOID(backend->probe(library));
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace sinter
