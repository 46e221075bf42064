// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/worker_loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstddef>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "tools/worker/orphan_watch.h"

namespace sinter {
namespace {

using Bytes = std::vector<std::byte>;

constexpr int kTimeoutMs = 10'000;

/// Answers with what it was asked; the source "crash" damages it.
class EchoWorker final : public Worker {
 public:
  protocol::Hello hello() override {
    protocol::Hello hello;
    hello.worker = "echo";
    return hello;
  }
  protocol::CompileReply compile(const protocol::CompileRequest& request) override {
    damaged_ = request.source == "crash";
    protocol::CompileReply reply;
    reply.ok = !damaged_;
    reply.log = request.source;
    reply.milliseconds = -1;
    return reply;
  }
  protocol::InspectReply inspect(const protocol::InspectRequest& request) override {
    return {true, "", "", request.entry};
  }
  bool is_damaged() const override { return damaged_; }

 private:
  bool damaged_ = false;
};

/// serve() on a thread, with the other end of its socket.
class Served {
 public:
  explicit Served(int idle_seconds = 60) {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) == 0);
    end_ = std::async(std::launch::async, [this, idle_seconds] {
      EchoWorker worker;
      return serve(ends_[1], idle_seconds, worker);
    });
    const auto frame = protocol::read_frame(ends_[0], kTimeoutMs);
    REQUIRE(frame);
    REQUIRE(protocol::decode_hello(*frame)->worker == "echo");
  }
  ~Served() {
    close_peer();
    end_.wait();
    ::close(ends_[1]);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  int peer() const { return ends_[0]; }
  Bytes ask(const Bytes& frame) const {
    REQUIRE(protocol::write_frame(peer(), frame, kTimeoutMs));
    auto reply = protocol::read_frame(peer(), kTimeoutMs);
    REQUIRE(reply);
    return *reply;
  }
  void close_peer() {
    if (ends_[0] >= 0) {
      ::close(std::exchange(ends_[0], -1));
    }
  }
  ServeEnd end() { return end_.get(); }

 private:
  std::array<int, 2> ends_{-1, -1};
  std::shared_future<ServeEnd> end_;
};

protocol::CompileRequest compile_request(std::string source) {
  protocol::CompileRequest request;
  request.source = std::move(source);
  return request;
}

/// The exit status of worker_main() in a process of its own, without a socket as descriptor 3.
int exit_status(std::vector<std::string> words) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::close(protocol::kWorkerFd);
    words.insert(words.begin(), "worker");
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    EchoWorker worker;
    ::_exit(worker_main(static_cast<int>(argv.size()), argv.data(), worker));
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("requests are answered in order, compiles with their time") {
  Served served;
  const auto compiled = protocol::decode_compile_reply(served.ask(protocol::encode(compile_request("text"))));
  REQUIRE(compiled);
  CHECK(compiled->ok);
  CHECK(compiled->log == "text");
  CHECK(compiled->milliseconds >= 0);
  const auto inspected =
      protocol::decode_inspect_reply(served.ask(protocol::encode(protocol::InspectRequest{"so", "entry", {}})));
  REQUIRE(inspected);
  CHECK(inspected->disassembly == "entry");
}

TEST_CASE("a frame that is no known request is answered with an error, and the next one is served") {
  Served served;
  for (const Bytes& frame : {Bytes{}, Bytes(100, std::byte{0xff}), protocol::encode(protocol::Hello{})}) {
    const auto reply = protocol::decode_compile_reply(served.ask(frame));
    REQUIRE(reply);
    CHECK_FALSE(reply->ok);
    CHECK_FALSE(reply->error.empty());
  }
  CHECK(protocol::decode_compile_reply(served.ask(protocol::encode(compile_request("text"))))->ok);
}

TEST_CASE("a damaged worker sends its reply and stops") {
  Served served;
  CHECK_FALSE(protocol::decode_compile_reply(served.ask(protocol::encode(compile_request("crash"))))->ok);
  CHECK(served.end() == ServeEnd::kDamaged);
}

TEST_CASE("serving ends when the peer closes, when nothing comes, and on an impossible frame") {
  Served closed;
  closed.close_peer();
  CHECK(closed.end() == ServeEnd::kPeerClosed);

  Served idle(1);
  CHECK(idle.end() == ServeEnd::kIdle);

  Served broken;
  const std::array<unsigned char, 4> length{0xff, 0xff, 0xff, 0xff};
  REQUIRE(::send(broken.peer(), length.data(), length.size(), MSG_NOSIGNAL) == 4);
  CHECK(broken.end() == ServeEnd::kBroken);
}

TEST_CASE("a worker whose compiler never returns ends when its peer is gone") {
  class StuckWorker final : public Worker {
   public:
    protocol::Hello hello() override { return {}; }
    protocol::CompileReply compile(const protocol::CompileRequest&) override {
      for (;;) ::pause();
    }
    protocol::InspectReply inspect(const protocol::InspectRequest&) override { return {}; }
    bool is_damaged() const override { return false; }
  };
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(60);  // ends a child that would hang, by a signal
    ::close(ends[0]);
    end_with_peer(ends[1]);
    StuckWorker worker;
    (void)serve(ends[1], 60, worker);
    ::_exit(3);
  }
  ::close(ends[1]);
  REQUIRE(protocol::read_frame(ends[0], kTimeoutMs));
  REQUIRE(protocol::write_frame(ends[0], protocol::encode(protocol::CompileRequest{}), kTimeoutMs));
  ::close(ends[0]);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a worker started by hand exits 2, and 0 for --hello") {
  CHECK(exit_status({}) == 2);
  CHECK(exit_status({"--hello"}) == 0);
  CHECK(exit_status({"--idle-seconds", "5", "--hello"}) == 0);
  CHECK(exit_status({"--idle-seconds", "0"}) == 2);
  CHECK(exit_status({"--idle-seconds", "5x"}) == 2);
  CHECK(exit_status({"--idle-seconds"}) == 2);
  CHECK(exit_status({"--nonsense"}) == 2);
}

}  // namespace sinter
