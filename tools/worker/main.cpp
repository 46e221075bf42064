// SPDX-License-Identifier: Apache-2.0
// sinter-worker: compiles with NVRTC and hiprtc, opened at run time, and reads what code objects say.
//
//   sinter-worker [--nvrtc LIBRARY]... [--hiprtc LIBRARY]... [--hello] [--idle-seconds N]
//
// Each LIBRARY is a path, or a file name for the dynamic linker; of several for one compiler the first that works is
// used. A compiler for which none is given is not opened.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/arch.h"
#include "codegen/code_object.h"
#include "tools/worker/backend.h"
#include "tools/worker/cubin_facts.h"
#include "tools/worker/hsaco_facts.h"
#include "tools/worker/ptx_facts.h"
#include "tools/worker/worker_loop.h"

namespace sinter {
namespace {

struct CompilerChoice {
  std::string_view backend;
  OpenBackend open;
  std::vector<std::string> libraries;
};

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += text.empty() ? word : ", " + word;
  }
  return text;
}

/// Reads the facts of a code object of any format that needs no LLVM.
Result<CodeFacts> read_facts(const protocol::InspectRequest& request) {
  if (request.format == code_format_name(CodeFormat::kCubin)) {
    return read_cubin_facts(request.code, request.entry);
  }
  if (request.format == code_format_name(CodeFormat::kPtx)) {
    return read_ptx_facts(request.code, request.entry);
  }
  if (request.format == code_format_name(CodeFormat::kHsaco)) {
    return read_hsaco_facts(request.code, request.entry);
  }
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("this worker reads cubin, ptx and hsaco, not '{}'; sinter-worker-llvm reads so",
                                request.format));
}

class RtcWorker final : public Worker {
 public:
  explicit RtcWorker(std::vector<CompilerChoice> choices) : choices_(std::move(choices)) {}

  protocol::Hello hello() override {
    protocol::Hello hello;
    hello.worker = "sinter-worker";
    for (const CompilerChoice& choice : choices_) {
      if (choice.libraries.empty()) {
        continue;
      }
      auto backend = open_first(choice.open, choice.libraries);
      if (backend) {
        hello.backends.push_back((*backend)->info());
        backends_.push_back(std::move(*backend));
      } else {
        hello.problems += fmt::format("{}: {}\n", choice.backend, backend.error().message);
      }
    }
    return hello;
  }

  protocol::CompileReply compile(const protocol::CompileRequest& request) override {
    for (const auto& backend : backends_) {
      const protocol::BackendInfo& info = backend->info();
      if (info.backend != request.backend) {
        continue;
      }
      if (std::find(info.archs.begin(), info.archs.end(), request.arch) == info.archs.end()) {
        return failed_reply(fmt::format("{} {} cannot compile for {}; it can for {}", info.backend, info.version,
                                        request.arch, join(info.archs)),
                            {});
      }
      return backend->compile(request);
    }
    return failed_reply(fmt::format("this worker has no compiler '{}'", request.backend), {});
  }

  protocol::InspectReply inspect(const protocol::InspectRequest& request) override {
    protocol::InspectReply reply;
    const auto facts = read_facts(request);
    if (!facts) {
      reply.error = facts.error().message;
      return reply;
    }
    reply.ok = true;
    reply.facts = to_json(*facts);
    if (request.format == code_format_name(CodeFormat::kPtx)) {
      reply.disassembly.assign(reinterpret_cast<const char*>(request.code.data()), request.code.size());
    }
    return reply;
  }

  /// NVRTC and hiprtc have no way to survive a crash: the process ends with it.
  bool is_damaged() const override { return false; }

 private:
  std::vector<CompilerChoice> choices_;
  std::vector<std::unique_ptr<Backend>> backends_;
};

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  std::vector<sinter::CompilerChoice> choices = {{"nvrtc", sinter::open_nvrtc, {}},
                                                 {"hiprtc", sinter::open_hiprtc, {}}};
  std::vector<char*> rest = {argv[0]};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto choice = std::find_if(choices.begin(), choices.end(), [&](const sinter::CompilerChoice& candidate) {
      return word.starts_with("--") && word.substr(2) == candidate.backend;
    });
    if (choice == choices.end()) {
      rest.push_back(argv[i]);
    } else if (i + 1 < argc) {
      choice->libraries.emplace_back(argv[++i]);
    } else {
      std::fprintf(stderr, "%s: %s needs the path or name of a library\n", argv[0], argv[i]);
      return 2;
    }
  }
  sinter::RtcWorker worker(std::move(choices));
  return sinter::worker_main(static_cast<int>(rest.size()), rest.data(), worker);
}
