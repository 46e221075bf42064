// SPDX-License-Identifier: Apache-2.0
// A compile worker that stands where sinter-worker-llvm is looked for, makes code that is a function of the kernel's
// symbol (fault_kernels.h), and misbehaves on request.
//
// Workers get no environment, so what to do is in the file "behaviour" beside the program's name. Each line is
// "SYMBOL-PART WORD [NUMBER]"; the first whose part is in the kernel's symbol counts, "*" is in every symbol. Without a
// line the answer is good. Each request adds its symbol to the file "compiles" there.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/worker_protocol.h"
#include "codegen/code_object.h"
#include "tests/faults/fault_kernels.h"

namespace {

using namespace sinter;

constexpr int kFd = protocol::kWorkerFd;

struct Behaviour {
  std::string word = "good";
  long number = 0;
};

Behaviour behaviour_of(const std::string& file, const std::string& entry) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string part;
    Behaviour behaviour;
    words >> part >> behaviour.word >> behaviour.number;
    if (part == "*" || entry.find(part) != std::string::npos) {
      return behaviour;
    }
  }
  return {};
}

/// By one write, so that lines of many workers do not mix.
void note_compile(const std::string& file, const std::string& entry) {
  const std::string line = entry + "\n";
  const int log = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  [[maybe_unused]] const ssize_t written = ::write(log, line.data(), line.size());
  ::close(log);
}

void sleep_for(long milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

void send_raw(std::string_view bytes) { ::send(kFd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

[[noreturn]] void hang() {
  for (;;) {
    sleep_for(1000);
  }
}

[[noreturn]] void eat_memory() {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  for (std::size_t eaten = 0; eaten < 10 * 1024 * kBlock; eaten += kBlock) {
    char* const block = static_cast<char*>(std::malloc(kBlock));
    if (block == nullptr) {
      std::abort();
    }
    *block = 1;  // The limit is on what is allocated, touched or not.
  }
  std::_Exit(3);  // Nobody stopped it.
}

/// Everything that does not end in a reply.
void misbehave(const Behaviour& behaviour) {
  const std::string& word = behaviour.word;
  if (word == "sleep") {
    sleep_for(behaviour.number);
  } else if (word == "crash") {
    std::fprintf(stderr, "about to crash\n");
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    std::raise(SIGSEGV);
  } else if (word == "hang") {
    hang();
  } else if (word == "eat-memory") {
    eat_memory();
  } else if (word == "garbage") {
    send_raw("GET / HTTP/1.1 and then some more bytes");
    hang();
  } else if (word == "huge-frame") {
    send_raw(std::string("\xff\xff\xff\xff", 4));
    hang();
  } else if (word == "half-frame") {
    send_raw(std::string("\x40\0\0\0half", 8));
    std::_Exit(0);
  } else if (word == "half-frame-and-hang") {
    send_raw(std::string("\x40\0\0\0half", 8));
    hang();
  } else if (word == "close-socket") {
    ::close(kFd);
    hang();
  } else if (word == "vanish") {
    std::_Exit(0);
  } else if (word == "stop") {
    std::raise(SIGSTOP);
  }
}

protocol::CompileReply answer(const protocol::CompileRequest& request, const Behaviour& behaviour) {
  misbehave(behaviour);
  CodeFacts facts;
  facts.target = "x86-64";
  facts.entry = behaviour.word == "no-symbol" ? "" : behaviour.word == "other-symbol" ? "other" : request.entry;
  protocol::CompileReply reply;
  reply.ok = behaviour.word != "refuse";
  reply.error = reply.ok ? "" : "it does not compile";
  reply.log = reply.ok ? "" : "kernel.cpp:1:1: error: no";
  reply.format = behaviour.word == "other-format" ? "cubin" : "so";
  if (behaviour.word != "no-code") {
    reply.code = faults::fault_code(request.entry);
  }
  reply.facts = behaviour.word == "no-facts" ? "" : behaviour.word == "empty-facts" ? "{}" : to_json(facts);
  return reply;
}

}  // namespace

int main(int, char** argv) {
  const std::string name = argv[0];
  const std::string directory = name.substr(0, name.rfind('/') + 1);
  protocol::Hello hello;
  hello.worker = "sinter-worker-llvm";
  hello.backends.push_back({"llvm", "fault", "fault compiler 1", "", {"x86-64-v3"}, {name}});
  if (!protocol::write_frame(kFd, protocol::encode(hello), 1000)) {
    return 1;
  }
  while (const auto frame = protocol::read_frame(kFd, -1)) {
    const auto request = protocol::decode_compile_request(*frame);
    if (!request) {
      return 1;
    }
    note_compile(directory + "compiles", request->entry);
    const auto reply = answer(*request, behaviour_of(directory + "behaviour", request->entry));
    if (!protocol::write_frame(kFd, protocol::encode(reply), 1000)) {
      return 1;
    }
  }
  return 0;
}
