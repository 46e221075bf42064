// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/worker_loop.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/worker/orphan_watch.h"

namespace sinter {
namespace {

constexpr int kDefaultIdleSeconds = 60;
constexpr int kMaxIdleSeconds = 24 * 3600;
/// For one frame once it has begun: only a stuck or hostile peer needs longer.
constexpr int kFrameTimeoutMs = 30'000;

struct CommandLine {
  int idle_seconds = kDefaultIdleSeconds;
  bool print_hello = false;
};

Result<CommandLine> parse_command_line(int argc, char** argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--hello") {
      line.print_hello = true;
    } else if (word == "--idle-seconds" && i + 1 < argc) {
      const std::string_view value = argv[++i];
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), line.idle_seconds);
      if (error != std::errc() || end != value.data() + value.size() || line.idle_seconds < 1 ||
          line.idle_seconds > kMaxIdleSeconds) {
        return make_error(ErrorCode::kInvalidRequest,
                          fmt::format("--idle-seconds '{}': give 1 to {}", value, kMaxIdleSeconds));
      }
    } else {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("unknown argument '{}'; known: --hello, --idle-seconds N", word));
    }
  }
  return line;
}

bool is_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/// Absolute paths of the program and of every shared object in the process.
std::vector<std::string> loaded_files() {
  std::vector<std::string> files;
  std::error_code ignored;
  files.push_back(std::filesystem::read_symlink("/proc/self/exe", ignored).string());
  const auto visit = [](dl_phdr_info* info, std::size_t, void* list) {
    if (info->dlpi_name != nullptr && info->dlpi_name[0] == '/') {
      static_cast<std::vector<std::string>*>(list)->emplace_back(info->dlpi_name);
    }
    return 0;
  };
  ::dl_iterate_phdr(visit, &files);
  return files;
}

/// The worker's hello with what is loaded now, after its test compiles.
protocol::Hello hello_of(Worker& worker) {
  protocol::Hello hello = worker.hello();
  for (protocol::BackendInfo& backend : hello.backends) {
    backend.files = loaded_files();
  }
  return hello;
}

void print_hello(const protocol::Hello& hello) {
  nlohmann::ordered_json backends = nlohmann::ordered_json::array();
  for (const protocol::BackendInfo& backend : hello.backends) {
    nlohmann::ordered_json entry;
    entry["backend"] = backend.backend;
    entry["version"] = backend.version;
    entry["identity"] = backend.identity;
    entry["library"] = backend.library;
    entry["archs"] = backend.archs;
    entry["files"] = backend.files;
    backends.push_back(std::move(entry));
  }
  nlohmann::ordered_json json;
  json["version"] = hello.version;
  json["worker"] = hello.worker;
  json["backends"] = std::move(backends);
  json["problems"] = hello.problems;
  const std::string text = json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::fprintf(stdout, "%s\n", text.c_str());
}

/// Waits for the first byte of a request; its end otherwise.
std::optional<ServeEnd> wait_for_request(int fd, int idle_seconds) {
  for (;;) {
    pollfd entry{fd, POLLIN, 0};
    const int ready = ::poll(&entry, 1, idle_seconds * 1000);
    if (ready == 0) {
      return ServeEnd::kIdle;
    }
    if (ready < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ServeEnd::kBroken;
    }
    char first = 0;
    const ssize_t peeked = ::recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (peeked > 0) {
      return std::nullopt;
    }
    if (peeked == 0 || errno == ECONNRESET) {
      return ServeEnd::kPeerClosed;
    }
    if (errno != EINTR && errno != EAGAIN) {
      return ServeEnd::kBroken;
    }
  }
}

std::vector<std::byte> answer_compile(const std::vector<std::byte>& frame, Worker& worker) {
  protocol::CompileReply reply;
  if (const auto request = protocol::decode_compile_request(frame)) {
    const auto start = std::chrono::steady_clock::now();
    reply = worker.compile(*request);
    reply.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  } else {
    reply.error = request.error().message;
  }
  return protocol::encode(reply);
}

std::vector<std::byte> answer_inspect(const std::vector<std::byte>& frame, Worker& worker) {
  protocol::InspectReply reply;
  if (const auto request = protocol::decode_inspect_request(frame)) {
    reply = worker.inspect(*request);
  } else {
    reply.error = request.error().message;
  }
  return protocol::encode(reply);
}

std::vector<std::byte> answer(const std::vector<std::byte>& frame, Worker& worker) {
  const Result<std::string> type = protocol::message_type(frame);
  if (type && *type == "compile") {
    return answer_compile(frame, worker);
  }
  if (type && *type == "inspect") {
    return answer_inspect(frame, worker);
  }
  protocol::CompileReply reply;
  reply.error = type ? fmt::format("unknown message type \"{:.40}\"; this worker answers \"compile\" and \"inspect\"",
                                   *type)
                     : type.error().message;
  return protocol::encode(reply);
}

}  // namespace

ServeEnd serve(int fd, int idle_seconds, Worker& worker) {
  if (!protocol::write_frame(fd, protocol::encode(hello_of(worker)), kFrameTimeoutMs)) {
    return ServeEnd::kBroken;
  }
  for (;;) {
    if (const std::optional<ServeEnd> end = wait_for_request(fd, idle_seconds)) {
      return *end;
    }
    const auto frame = protocol::read_frame(fd, kFrameTimeoutMs);
    if (!frame || !protocol::write_frame(fd, answer(*frame, worker), kFrameTimeoutMs)) {
      return ServeEnd::kBroken;
    }
    if (worker.is_damaged()) {
      return ServeEnd::kDamaged;
    }
  }
}

int worker_main(int argc, char** argv, Worker& worker) {
  const Result<CommandLine> line = parse_command_line(argc, argv);
  if (!line) {
    std::fprintf(stderr, "%s: %s\n", argv[0], line.error().message.c_str());
    return 2;
  }
  if (line->print_hello) {
    print_hello(hello_of(worker));
    return 0;
  }
  if (!is_socket(protocol::kWorkerFd)) {
    std::fprintf(stderr,
                 "%s: a compile worker of Sinter, started by the library with a socket as descriptor %d; by hand, try "
                 "--hello, or `sinter doctor`\n",
                 argv[0], protocol::kWorkerFd);
    return 2;
  }
  ::fcntl(protocol::kWorkerFd, F_SETFD, FD_CLOEXEC);
  end_with_peer(protocol::kWorkerFd);
  const ServeEnd end = serve(protocol::kWorkerFd, line->idle_seconds, worker);
  return end == ServeEnd::kPeerClosed || end == ServeEnd::kIdle ? 0 : 1;
}

}  // namespace sinter
