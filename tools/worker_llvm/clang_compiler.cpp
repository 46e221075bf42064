// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/clang_compiler.h"

#include <clang/Basic/DiagnosticOptions.h>
#include <clang/Basic/Stack.h>
#include <clang/Basic/Version.h>
#include <clang/CodeGen/CodeGenAction.h>
#include <clang/Frontend/CompilerInstance.h>
#include <clang/Frontend/CompilerInvocation.h>
#include <clang/Frontend/TextDiagnosticPrinter.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <llvm/ADT/SmallString.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/VirtualFileSystem.h>
#include <llvm/Support/raw_ostream.h>

#include <memory>
#include <utility>
#include <vector>

namespace sinter {
namespace {

constexpr const char* kSourcePath = "/kernel";

using FileSystem = llvm::IntrusiveRefCntPtr<llvm::vfs::InMemoryFileSystem>;

/// The request's texts as files below "/". They are not copied: the request outlives the compile.
Result<FileSystem> make_file_system(const protocol::CompileRequest& request) {
  auto files = llvm::makeIntrusiveRefCnt<llvm::vfs::InMemoryFileSystem>();
  files->setCurrentWorkingDirectory("/");
  const auto add = [&](const std::string& path, const std::string& text) {
    return files->addFile(path, /*ModificationTime=*/0, llvm::MemoryBuffer::getMemBuffer(text, path));
  };
  for (const protocol::NamedText& header : request.headers) {
    if (!add("/" + header.name, header.text)) {
      return make_error(ErrorCode::kCompileFailed, fmt::format("the header name '{}' cannot be used", header.name));
    }
  }
  if (!add(kSourcePath, request.source)) {
    return make_error(ErrorCode::kCompileFailed, fmt::format("a header is named '{}', like the source", kSourcePath));
  }
  return files;
}

/// The request's options and the plumbing, which shapes no code: where the source is and what to write.
std::vector<const char*> make_arguments(const protocol::CompileRequest& request, ClangOutput output) {
  std::vector<const char*> arguments;
  for (const std::string& option : request.options) {
    arguments.push_back(option.c_str());
  }
  arguments.insert(arguments.end(), {"-I", "/", "-main-file-name", "kernel",
                                     output == ClangOutput::kObject ? "-emit-obj" : "-S", kSourcePath});
  return arguments;
}

/// Options that clang -cc1 would act on outside of what is called here: refused, since dropping them silently would
/// put code under a key that promises something else.
Result<void> check_invocation(const clang::CompilerInvocation& invocation) {
  const clang::FrontendOptions& frontend = invocation.getFrontendOpts();
  if (!frontend.LLVMArgs.empty()) {
    return make_error(ErrorCode::kCompileFailed,
                      fmt::format("-mllvm {}: such options would not outlive the first link in this process",
                                  frontend.LLVMArgs.front()));
  }
  if (!frontend.Plugins.empty() || !frontend.ASTMergeFiles.empty()) {
    return make_error(ErrorCode::kCompileFailed, "plugins and AST files cannot be used: they are outside of the key");
  }
  return {};
}

bool execute(clang::CompilerInstance& compiler, ClangOutput output) {
  if (output == ClangOutput::kObject) {
    clang::EmitObjAction action;
    return compiler.ExecuteAction(action);
  }
  clang::EmitAssemblyAction action;
  return compiler.ExecuteAction(action);
}

}  // namespace

Result<std::string> run_clang(const protocol::CompileRequest& request, ClangOutput output, std::string& log) {
  clang::noteBottomOfStack();  // lets deep recursion in the front end be an error
  SINTER_TRY(const FileSystem files, make_file_system(request));
  llvm::raw_string_ostream log_stream(log);
  clang::DiagnosticOptions diagnostic_options;
  diagnostic_options.ShowColors = 0;

  auto invocation = std::make_shared<clang::CompilerInvocation>();
  clang::CompilerInstance compiler(invocation);
  compiler.setVirtualFileSystem(files);
  compiler.setVerboseOutputStream(log_stream);
  compiler.createDiagnostics(new clang::TextDiagnosticPrinter(log_stream, diagnostic_options),
                             /*ShouldOwnClient=*/true);
  const std::vector<const char*> arguments = make_arguments(request, output);
  if (!clang::CompilerInvocation::CreateFromArgs(*invocation, arguments, compiler.getDiagnostics())) {
    return make_error(ErrorCode::kCompileFailed, "clang does not take the options");
  }
  SINTER_TRY_VOID(check_invocation(*invocation));
  // clang's driver leaks on purpose, 3 MB per compile; here many compiles share a process.
  invocation->getFrontendOpts().DisableFree = false;
  invocation->getCodeGenOpts().DisableFree = false;
  compiler.createFileManager();

  llvm::SmallString<0> code;
  compiler.setOutputStream(std::make_unique<llvm::raw_svector_ostream>(code));
  if (!execute(compiler, output)) {
    return make_error(ErrorCode::kCompileFailed, "clang reports errors");
  }
  return std::string(code);
}

std::string clang_full_version() { return clang::getClangFullVersion(); }

std::string clang_library_path() {
  Dl_info info{};
  const auto anchor = static_cast<std::string (*)()>(&clang::getClangFullVersion);
  return ::dladdr(reinterpret_cast<void*>(anchor), &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

}  // namespace sinter
