// SPDX-License-Identifier: Apache-2.0
// A compile worker that misbehaves as the source of each request says. Its own arguments: `--fake START`, where START
// is "good" or a way to fail before the first request.
//
// Under the name sinter-worker-llvm it is the compiler "llvm" of the host's archs, whose sources are Sinter's own.
// There the file "behaviour" beside it says what to do: lines "PART HOW", where the first whose PART is in the name of
// the kernel counts, and PART "hello" is for the start. The file "library" beside it, if there is one, is the compiler,
// and its first line says which.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/worker_protocol.h"
#include "codegen/code_object.h"
#include "tools/worker/orphan_watch.h"

namespace {

using namespace sinter;

constexpr int kFd = protocol::kWorkerFd;

struct Personality {
  bool is_llvm = false;
  std::string behaviour_file;
  std::string library;
};

Personality personality_of(std::string_view program) {
  const std::size_t slash = program.rfind('/') + 1;
  return {program.substr(slash) == "sinter-worker-llvm", std::string(program.substr(0, slash)) + "behaviour",
          std::string(program.substr(0, slash)) + "library"};
}

/// Read for each request, so that a test can change it under a running worker. Empty: behave.
std::string behaviour_for(const Personality& personality, std::string_view name) {
  std::ifstream file(personality.behaviour_file);
  std::string part, how;
  while (file >> part && std::getline(file >> std::ws, how)) {
    if (name.find(part) != std::string_view::npos) {
      return how;
    }
  }
  return {};
}

void send_raw(std::string_view bytes) { ::send(kFd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

void say_hello(std::string_view start, const Personality& personality) {
  protocol::Hello hello;
  hello.version = start == "other-version" ? protocol::kVersion + 1 : protocol::kVersion;
  hello.worker = "fake_worker";
  if (personality.is_llvm) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    protocol::BackendInfo info{"llvm", "1.0", "fake llvm 1.0", "", {"x86-64-v3"}, {self}};
    if (std::ifstream library(personality.library); std::getline(library, info.identity)) {
      info.files.push_back(personality.library);
    }
    hello.backends.push_back(std::move(info));
  } else if (start == "no-backend") {
    hello.problems = "fake: libfake.so.1: cannot open shared object file\n";
  } else {
    hello.backends.push_back({"fake", "1.0", "fake 1.0 abc", "libfake.so.1", {"gfx942"}, {}});
  }
  (void)protocol::write_frame(kFd, protocol::encode(hello), 1000);
}

/// A good answer whose code is the process id, so that a test can tell workers apart.
protocol::CompileReply good_reply(const protocol::CompileRequest& request) {
  CodeFacts facts;
  const bool is_host = request.arch.starts_with("x86-64");
  facts.target = is_host ? "x86-64" : request.arch;
  facts.entry = request.entry;
  protocol::CompileReply reply;
  reply.ok = true;
  reply.format = is_host ? "so" : "hsaco";
  const std::string pid = std::to_string(::getpid());
  reply.code.assign(reinterpret_cast<const std::byte*>(pid.data()),
                    reinterpret_cast<const std::byte*>(pid.data() + pid.size()));
  reply.facts = to_json(facts);
  return reply;
}

void eat_memory() {
  std::vector<char*> blocks;
  for (int i = 0; i < 10 * 1024; ++i) {
    char* block = static_cast<char*>(std::malloc(1u << 20));
    if (block == nullptr) {
      std::abort();
    }
    std::memset(block, 1, 1u << 20);
    blocks.push_back(block);
  }
}

/// Everything that does not end in a reply.
void misbehave(std::string_view how) {
  if (how == "crash") {
    std::fprintf(stderr, "about to crash\n");
    std::raise(SIGSEGV);
  } else if (how == "be killed") {
    std::raise(SIGKILL);  // as the system does when memory is short
  } else if (how == "hang") {
    std::this_thread::sleep_for(std::chrono::hours(1));
  } else if (how == "garbage") {
    send_raw("GET / HTTP/1.1 and then some more bytes");
  } else if (how == "garbage in a frame") {
    send_raw(std::string("\x05\0\0\0hello", 9));
  } else if (how == "half a frame") {
    send_raw(std::string("\x40\0\0\0half", 8));
    std::_Exit(0);
  } else if (how == "half a frame and a hang") {
    send_raw(std::string("\x40\0\0\0half", 8));
    std::this_thread::sleep_for(std::chrono::hours(1));
  } else if (how == "vanish") {
    std::_Exit(0);
  } else if (how == "eat memory") {
    eat_memory();
  }
}

protocol::CompileReply answer(const protocol::CompileRequest& request, std::string_view how) {
  misbehave(how);
  if (how == "refuse") {
    std::fprintf(stderr, "on stderr: bad instruction\n");
    protocol::CompileReply reply;
    reply.error = "it does not compile";
    reply.log = "kernel.hip:1:1: error";
    return reply;
  }
  protocol::CompileReply reply = good_reply(request);
  if (how == "other kernel") {
    protocol::CompileRequest other = request;
    other.entry = "other";
    reply = good_reply(other);
  } else if (how == "other format") {
    reply.format = "cubin";
  } else if (how == "slow") {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  } else if (how == "environment") {
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
      reply.log += std::string(*variable) + "\n";
    }
  } else if (how == "descriptors") {
    for (int fd = 0; fd < 64; ++fd) {
      reply.log += ::fcntl(fd, F_GETFD) >= 0 ? std::to_string(fd) + " " : "";
    }
  }
  return reply;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view start = argc > 2 ? argv[2] : "";
  if (start == "crash-at-start") {
    std::fprintf(stderr, "libmissing.so.1: cannot open shared object file\n");
    return 127;
  }
  constexpr std::string_view kCrashUnless = "crash-unless:";
  if (start.starts_with(kCrashUnless)) {
    const std::string mark(start.substr(kCrashUnless.size()));
    if (!std::filesystem::exists(mark)) {
      std::ofstream{mark};
      return 1;
    }
  }
  end_with_peer(kFd);  // what hangs on purpose must not outlive its test
  const Personality personality = personality_of(argv[0]);
  misbehave(behaviour_for(personality, "hello"));
  say_hello(start, personality);
  while (const auto frame = protocol::read_frame(kFd, -1)) {
    const auto request = protocol::decode_compile_request(*frame);
    if (!request) {
      return 1;
    }
    const std::string how = personality.is_llvm ? behaviour_for(personality, request->entry) : request->source;
    if (!protocol::write_frame(kFd, protocol::encode(answer(*request, how)), 1000)) {
      return 1;
    }
    if (start == "leave-after-one") {
      return 0;
    }
  }
  return 0;
}
