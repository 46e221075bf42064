// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/llvm_worker.h"

#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Support/TargetSelect.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "base/digest.h"
#include "codegen/arch.h"
#include "codegen/code_object.h"
#include "codegen/compile_options.h"
#include "tools/worker_llvm/clang_compiler.h"
#include "tools/worker_llvm/code_reader.h"
#include "tools/worker_llvm/elf_linker.h"

namespace sinter {
namespace {

constexpr std::string_view kBackend = "llvm";

/// Part of the build identity, and so of every key: raise it when the linker's arguments, or anything else here that
/// shapes code or facts, changes.
constexpr int kRevision = 1;

/// What the backend makes for a vendor; NVIDIA's machine code needs NVIDIA's assembler.
CodeFormat output_format(Vendor vendor) {
  switch (vendor) {
    case Vendor::kAmd: return CodeFormat::kHsaco;
    case Vendor::kNvidia: return CodeFormat::kPtx;
    case Vendor::kHost: break;
  }
  return CodeFormat::kSharedObject;
}

std::optional<CodeFormat> parse_format(std::string_view name) {
  constexpr std::array kFormats = {CodeFormat::kSharedObject, CodeFormat::kCubin, CodeFormat::kPtx,
                                   CodeFormat::kHsaco};
  const auto* const found =
      std::find_if(kFormats.begin(), kFormats.end(), [&](CodeFormat f) { return code_format_name(f) == name; });
  return found == kFormats.end() ? std::nullopt : std::optional(*found);
}

std::vector<std::byte> to_bytes(std::string_view text) {
  const std::span<const std::byte> bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

Result<std::vector<std::byte>> build(const protocol::CompileRequest& request, Vendor vendor, std::string& log) {
  const bool is_ptx = output_format(vendor) == CodeFormat::kPtx;
  SINTER_TRY(const std::string output,
             run_clang(request, is_ptx ? ClangOutput::kAssembly : ClangOutput::kObject, log));
  if (is_ptx) {
    return to_bytes(output);
  }
  return link_elf(vendor, output, log);
}

/// Fills `reply` but for its time.
Result<void> compile_into(const protocol::CompileRequest& request, protocol::CompileReply& reply) {
  const Arch* arch = find_arch(request.arch);
  if (request.backend != kBackend || arch == nullptr) {
    return make_error(ErrorCode::kCompileFailed,
                      fmt::format("this worker has no backend '{}' for arch '{}'", request.backend, request.arch));
  }
  SINTER_TRY(reply.code, build(request, arch->vendor, reply.log));
  const CodeFormat format = output_format(arch->vendor);
  SINTER_TRY(const CodeReading reading, read_code(format, reply.code, request.entry));
  reply.format = code_format_name(format);
  reply.facts = to_json(reading.facts);
  return {};
}

Result<void> inspect_into(const protocol::InspectRequest& request, protocol::InspectReply& reply) {
  const auto format = parse_format(request.format);
  if (!format) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("unknown code format '{:.40}'", request.format));
  }
  SINTER_TRY(CodeReading reading, read_code(*format, request.code, request.entry));
  reply.facts = to_json(reading.facts);
  reply.disassembly = std::move(reading.disassembly);
  return {};
}

struct Probe {
  std::string_view arch;
  const char* source;
};

constexpr Probe kProbes[] = {
    {"gfx942",
     "extern \"C\" __attribute__((global)) void probe(float* x) { x[__builtin_amdgcn_workitem_id_x()] *= 3; }"},
    {"x86-64-v3",
     "extern \"C\" __attribute__((visibility(\"default\"))) void probe(float* x) { for (int i = 0; i < 64; ++i) "
     "x[i] *= 3; }"},
};

/// SHA-256 over what the compilers make of two tiny kernels: tells builds apart that have one version string.
Result<std::string> probe_digest() {
  DigestBuilder digest;
  for (const Probe& probe : kProbes) {
    const Arch* arch = find_arch(probe.arch);
    protocol::CompileRequest request;
    request.backend = kBackend;
    request.arch = probe.arch;
    request.entry = "probe";
    request.source = probe.source;
    request.options = default_options(kBackend, *arch);
    std::string log;
    auto code = build(request, arch->vendor, log);
    if (!code) {
      Error error = std::move(code).error();
      error.message += fmt::format(" (probe for {}): {}", probe.arch, log);
      return error;
    }
    digest.field(probe.arch, *code);
  }
  return to_hex(digest.finish());
}

void initialize_llvm() {
  LLVMInitializeAMDGPUTargetInfo();
  LLVMInitializeAMDGPUTarget();
  LLVMInitializeAMDGPUTargetMC();
  LLVMInitializeAMDGPUAsmPrinter();
  LLVMInitializeAMDGPUAsmParser();  // for inline assembly, like the other parsers
  LLVMInitializeAMDGPUDisassembler();
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
  LLVMInitializeX86Disassembler();
}

}  // namespace

LlvmWorker::LlvmWorker() { initialize_llvm(); }

Result<void> LlvmWorker::run_guarded(llvm::function_ref<Result<void>()> action) {
  Result<void> result;
  const Result<void> survived = guard_.run([&] { result = action(); });
  if (!survived) {
    damaged_ = true;
    return survived;
  }
  return result;
}

protocol::Hello LlvmWorker::hello() {
  protocol::Hello hello;
  hello.worker = "sinter-worker-llvm";
  std::string digest;
  const Result<void> probed = run_guarded([&]() -> Result<void> {
    SINTER_TRY(digest, probe_digest());
    return {};
  });
  if (!probed) {
    hello.problems = fmt::format("llvm: {}", probed.error().message);
    return hello;
  }
  protocol::BackendInfo backend;
  backend.backend = kBackend;
  backend.version = "clang " LLVM_VERSION_STRING;
  backend.identity = fmt::format("{}; worker revision {}; probe {}", clang_full_version(), kRevision, digest);
  backend.library = clang_library_path();
  for (const Arch& arch : all_archs()) {
    backend.archs.emplace_back(arch.name);
  }
  hello.backends.push_back(std::move(backend));
  return hello;
}

protocol::CompileReply LlvmWorker::compile(const protocol::CompileRequest& request) {
  protocol::CompileReply reply;
  const Result<void> compiled = run_guarded([&] { return compile_into(request, reply); });
  reply.ok = compiled.has_value();
  if (!reply.ok) {
    reply.error = compiled.error().message;
    reply.code.clear();
  }
  return reply;
}

protocol::InspectReply LlvmWorker::inspect(const protocol::InspectRequest& request) {
  protocol::InspectReply reply;
  const Result<void> inspected = run_guarded([&] { return inspect_into(request, reply); });
  reply.ok = inspected.has_value();
  if (!reply.ok) {
    reply.error = inspected.error().message;
  }
  return reply;
}

}  // namespace sinter
