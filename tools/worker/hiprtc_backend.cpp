// SPDX-License-Identifier: Apache-2.0
// hiprtc of HIP 5 and later, which compiles without a device.

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/dyn_lib.h"
#include "codegen/arch.h"
#include "tools/worker/backend.h"
#include "tools/worker/hsaco_facts.h"
#include "tools/worker/rtc_program.h"

namespace sinter {
namespace {

constexpr const char* kProbeEntry = "sinter_probe";
constexpr const char* kProbeSource = R"(
extern "C" __global__ void sinter_probe(const float* x, float* y, int n) {
  int i = threadIdx.x;
  if (i < n) y[i] = x[i] * 2.0f + y[i];
}
)";

Result<RtcFunctions> bind_functions(const DynLib& library) {
  RtcFunctions program;
  SINTER_TRY_VOID(library.bind({{"hiprtcGetErrorString", &program.error_string},
                                {"hiprtcCreateProgram", &program.create},
                                {"hiprtcDestroyProgram", &program.destroy},
                                {"hiprtcCompileProgram", &program.compile},
                                {"hiprtcGetProgramLogSize", &program.log_size},
                                {"hiprtcGetProgramLog", &program.log},
                                {"hiprtcGetCodeSize", &program.code_size},
                                {"hiprtcGetCode", &program.code}}));
  return program;
}

/// The compiler library that hiprtc itself uses: the one it has loaded, else one beside it, else any.
Result<DynLib> open_comgr(const DynLib& hiprtc) {
  const std::string directory = hiprtc.path().substr(0, hiprtc.path().rfind('/') + 1);
  const std::vector<std::string> names = {"libamd_comgr.so.3", "libamd_comgr.so.2"};
  for (const std::string& name : names) {
    if (auto loaded = DynLib::open(name, DynLib::Mode::kLoadedOnly)) {
      return loaded;
    }
  }
  std::vector<std::string> candidates;
  for (const std::string& name : names) {
    candidates.push_back(directory + name);
  }
  candidates.insert(candidates.end(), names.begin(), names.end());
  return DynLib::open_first(candidates);
}

/// Sinter's archs that comgr can compile for. hiprtc 5.2 must never be given any other: it corrupts its heap and kills
/// the process instead of refusing.
Result<std::vector<std::string>> supported_archs(const DynLib& hiprtc) {
  SINTER_TRY(const DynLib comgr, open_comgr(hiprtc));
  int (*isa_count)(std::size_t*) = nullptr;
  int (*isa_name)(std::size_t, const char**) = nullptr;
  SINTER_TRY_VOID(comgr.bind({{"amd_comgr_get_isa_count", &isa_count}, {"amd_comgr_get_isa_name", &isa_name}}));

  std::vector<std::string> names;
  std::size_t count = 0;
  isa_count(&count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* isa = nullptr;  // "amdgcn-amd-amdhsa--gfx90a"
    if (isa_name(i, &isa) != 0 || isa == nullptr) {
      continue;
    }
    const std::string_view text(isa);
    const Arch* arch = find_arch(text.substr(text.rfind('-') + 1));
    if (arch != nullptr && arch->vendor == Vendor::kAmd) {
      names.emplace_back(arch->name);
    }
  }
  if (names.empty()) {
    return make_error(ErrorCode::kCompilerUnavailable,
                      fmt::format("{} knows none of Sinter's AMD archs", comgr.path()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

class HiprtcBackend final : public Backend {
 public:
  explicit HiprtcBackend(RtcFunctions program) : program_(program) {}

  /// Learns version, archs and build identity.
  Result<void> probe(const DynLib& library) {
    int (*version)(int*, int*) = nullptr;
    SINTER_TRY_VOID(library.bind({{"hiprtcVersion", &version}}));
    int major = 0, minor = 0;
    version(&major, &minor);
    info_.backend = "hiprtc";
    info_.version = fmt::format("{}.{}", major, minor);
    info_.library = library.path();
    SINTER_TRY(info_.archs, supported_archs(library));

    protocol::CompileRequest request;
    request.source = kProbeSource;
    request.entry = kProbeEntry;
    RtcOutput output =
        compile_rtc(program_, request, {"--offload-arch=" + info_.archs.front(), "-O3"}, RtcProduct::kCode);
    if (!output.error.empty()) {
      return make_error(ErrorCode::kCompilerUnavailable,
                        fmt::format("{} (hiprtc {}) fails to compile a test kernel: {} {}", library.path(),
                                    info_.version, output.error, output.log));
    }
    info_.identity = fmt::format("hiprtc {} {}", info_.version, probe_digest({output.code}));
    return {};
  }

  const protocol::BackendInfo& info() const override { return info_; }

  protocol::CompileReply compile(const protocol::CompileRequest& request) override {
    if (Result<void> safe = check_options(request); !safe) {
      return failed_reply(safe.error().message, {});
    }
    RtcOutput output = compile_rtc(program_, request, request.options, RtcProduct::kCode);
    if (!output.error.empty()) {
      return failed_reply(std::move(output.error), std::move(output.log));
    }
    const auto facts = read_hsaco_facts(output.code, request.entry);
    if (!facts) {
      return failed_reply(facts.error().message, std::move(output.log));
    }
    if (facts->target != request.arch) {
      return failed_reply(fmt::format("asked for {}, the options made code for {}", request.arch, facts->target),
                          std::move(output.log));
    }
    protocol::CompileReply reply;
    reply.ok = true;
    reply.log = std::move(output.log);
    reply.format = code_format_name(CodeFormat::kHsaco);
    reply.code = std::move(output.code);
    reply.facts = to_json(*facts);
    return reply;
  }

 private:
  /// The arch that reaches hiprtc is the one in the options; see supported_archs.
  static Result<void> check_options(const protocol::CompileRequest& request) {
    for (const std::string_view prefix : {"--offload-arch=", "--gpu-architecture="}) {
      for (const std::string& option : request.options) {
        if (option.starts_with(prefix) && option.substr(prefix.size()) != request.arch) {
          return make_error(ErrorCode::kInvalidRequest,
                            fmt::format("the request is for {} and its option is {}", request.arch, option));
        }
      }
    }
    return {};
  }

  RtcFunctions program_;
  protocol::BackendInfo info_;
};

}  // namespace

Result<std::unique_ptr<Backend>> open_hiprtc(const std::string& name) {
  SINTER_TRY(const DynLib library, DynLib::open(name));
  SINTER_TRY(const RtcFunctions program, bind_functions(library));
  auto backend = std::make_unique<HiprtcBackend>(program);
  SINTER_TRY_VOID(backend->probe(library));
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace sinter
