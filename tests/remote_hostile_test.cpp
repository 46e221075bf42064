// SPDX-License-Identifier: Apache-2.0

// The remote tier through the real helper, against servers that lie, hang, reset, never end and talk nonsense. What is
// not right is a miss, nothing of it is kept, and neither process grows.

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "cache/kernel_cache.h"
#include "cache/remote_entry.h"
#include "cache/remote_tier.h"
#include "tests/support/cache.h"
#include "tests/support/tcp_server.h"
#include "tools/remote/action_result.h"

namespace sinter {
namespace {

using namespace testing;

constexpr std::int64_t kMiB = 1 << 20;

/// A sanitizer keeps what was freed, so that this process's memory says nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnMemory = false;
#else
constexpr bool kOwnMemory = true;
#endif

std::string as_string(const std::vector<std::byte>& bytes) { return std::string(as_text(bytes)); }

/// A cache with a remote tier, in a directory of its own.
struct Node {
  explicit Node(const std::string& url, std::int64_t timeout_ms = 20'000, bool read_only = false)
      : cache({.directory = directory / "cache",
               .remote = {.url = url,
                          .read_only = read_only,
                          .timeout_ms = timeout_ms,
                          .lease_wait_ms = 300,
                          .program = SINTER_TEST_WORKER_DIR "/sinter-remote",
                          .program_problem = {},
                          .ca_file = {},
                          .ca_directory = {}}},
              problems.sink()) {}

  RemoteLookup ask(int number) {
    return cache.lookup_remote(key_of(number), RemoteWish::kEntryOrLease, [](const CodeObject&) { return Result<void>(); }, [] { return true; });
  }
  /// Asks, and insists that it is a miss of which nothing stays.
  void expect_nothing(int number) {
    const RemoteLookup found = ask(number);
    CHECK_FALSE(found.hit);
    CHECK_FALSE(cache.lookup(key_of(number)));
  }

  TempDir directory;
  Problems problems;
  KernelCache cache;
};

/// Helpers of this process.
std::vector<pid_t> helpers() {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::stringstream text;
    text << file.rdbuf();
    int parent = 0;
    if (text.str().find("(sinter-remote)") != std::string::npos &&
        std::sscanf(text.str().c_str() + text.str().rfind(')') + 1, " %*c %d", &parent) == 1 && parent == ::getpid()) {
      found.push_back(std::stoi(name));
    }
  }
  return found;
}

/// The most memory that the process ever had, in bytes.
std::int64_t peak_memory(const std::string& process) {
  std::ifstream status("/proc/" + process + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

/// Sends until nobody takes it any more; far less than it promises, or the test would be one of patience.
void send_without_end(const Client& client) {
  const std::string piece(kMiB, 'x');
  while (client.send(piece)) {
  }
}

/// A behaviour that reads a request first.
TcpServer::Behaviour answering(std::string bytes) {
  return [bytes = std::move(bytes)](const Client& client) {
    client.receive();
    client.send(bytes);
  };
}

std::string redis_entry(const std::string& blob) { return fmt::format("${}\r\n{}\r\n", blob.size(), blob); }

/// Serves `blob` as the entry of whatever is asked for.
TcpServer::Behaviour serving_http(std::string blob) {
  return [blob = std::move(blob)](const Client& client) {
    const std::string action = remote::encode_action_result("k", {sha256_hex(blob), blob.size()});
    for (std::string request = client.receive(); !request.empty(); request = client.receive()) {
      const std::string& body = request.find(" /ac/") != std::string::npos ? action : blob;
      client.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
    }
  };
}

std::vector<std::byte> entry_of(int number) {
  return encode_remote_entry(seal_entry(key_of(number), *code_of(number), {}).value());
}

TEST_CASE("what a server has under a key is kept on the node, with the server as its origin", "[remote]") {
  const TcpServer redis(answering(redis_entry(as_string(entry_of(1)))));
  const TcpServer http(serving_http(as_string(entry_of(1))));
  for (const std::string& url : {redis.url("redis"), http.url("http")}) {
    Node node(url);
    const RemoteLookup found = node.ask(1);
    REQUIRE(found.hit);
    CHECK(found.hit->layer == CacheLayer::kRemote);
    CHECK(same_code(*found.hit->code, *code_of(1)));
    CHECK(node.cache.counters().remote.hits == 1);
    KernelCache later({.directory = node.directory / "cache"}, node.problems.sink());
    CHECK(later.lookup(key_of(1)));
    CHECK(node.problems.all().empty());
  }
}

TEST_CASE("an entry with other code, or of another key, is not used and not kept", "[remote]") {
  auto wrong_code = entry_of(1);
  const auto code = code_of(1)->code;
  const auto at = std::search(wrong_code.begin(), wrong_code.end(), code.begin(), code.end());
  REQUIRE(at != wrong_code.end());
  at[100] ^= std::byte{1};
  const std::string lies[] = {as_string(wrong_code), as_string(entry_of(2)), "", "x", std::string(1000, '\0')};
  for (const std::string& lie : lies) {
    const TcpServer redis(answering(redis_entry(lie)));
    const TcpServer http(serving_http(lie));
    for (const std::string& url : {redis.url("redis"), http.url("http")}) {
      Node node(url);
      node.expect_nothing(1);
      CHECK(node.cache.counters().remote.bad_entries == 1);
      CHECK(node.problems.all().find("is not used") != std::string::npos);
    }
  }
}

TEST_CASE("what no server of a kind would say is a fault, and no more", "[remote]") {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  const auto reset = [](const Client& client) {
    client.receive();
    client.reset();
  };
  struct Case {
    const char* name;
    std::string scheme;
    TcpServer::Behaviour behaviour;
  };
  const Case cases[] = {
      {"reset", "redis", reset},
      {"reset", "http", reset},
      {"closed at once", "redis", [](const Client&) {}},
      {"closed at once", "http", [](const Client&) {}},
      {"half a body", "redis", answering("$1000\r\n" + std::string(500, 'x'))},
      {"half a body", "http", answering(head + "Content-Length: 1000\r\n\r\n" + std::string(500, 'x'))},
      {"garbage", "redis", answering(std::string("\x16\x03\x01 garbage\r\n\xff\xfe", 16))},
      {"garbage", "http", answering(std::string("\x16\x03\x01 garbage\r\n\xff\xfe", 16))},
      {"an array without end", "redis", answering("*1000000000\r\n$1\r\n")},
      {"arrays in arrays", "redis", answering("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n")},
      {"a size below zero", "redis", answering("$-9223372036854775807\r\n")},
      {"a size beyond all", "redis", answering("$9223372036854775807\r\nx")},
      {"two replies", "redis", answering("$1\r\nx\r\n$1\r\ny\r\n")},
      {"an error reply", "redis", answering("-OOM command not allowed\r\n")},
      {"a redirect to itself", "http", answering("HTTP/1.1 302 Found\r\nLocation: /ac/x\r\nContent-Length: 0\r\n\r\n")},
      {"an error", "http", answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")},
      {"an ActionResult that is none", "http", answering(head + "Content-Length: 3\r\n\r\nabc")},
      {"chunks that are none", "http", answering(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n")},
  };
  for (const Case& test : cases) {
    INFO(test.scheme << ": " << test.name);
    const TcpServer server(test.behaviour);
    Node node(server.url(test.scheme));
    node.expect_nothing(1);
    CHECK(node.cache.counters().remote.faults == 1);
    CHECK(node.cache.counters().remote.bad_entries == 0);
    CHECK(node.problems.all().find("the remote cache at 127.0.0.1:") != std::string::npos);
  }
}

TEST_CASE("a server that does not come to an end is left at the time limit", "[remote]") {
  const auto drip = [](std::string head) {
    return [head = std::move(head)](const Client& client) {
      client.receive();
      client.send(head);
      while (client.send("x")) {
        ::usleep(5'000);
      }
    };
  };
  const std::pair<std::string, TcpServer::Behaviour> cases[] = {
      {"redis", [](const Client& client) { client.hang(); }},
      {"http", [](const Client& client) { client.hang(); }},
      {"rediss", [](const Client& client) { client.hang(); }},
      {"redis", drip("$1000000\r\n")},
      {"http", drip("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")},
      {"http", drip("HTTP/1.1 200 OK\r\nX: ")},
  };
  for (const auto& [scheme, behaviour] : cases) {
    INFO(scheme);
    const TcpServer server(behaviour);
    Node node(server.url(scheme), 300);
    node.expect_nothing(1);
    CHECK(node.cache.counters().remote.faults == 1);
  }
}

TEST_CASE("10 GB cost neither process memory", "[remote]") {
  const auto flood = [](std::string head) {
    return [head = std::move(head)](const Client& client) {
      client.receive();
      client.send(head);
      send_without_end(client);
    };
  };
  const std::pair<std::string, TcpServer::Behaviour> cases[] = {
      {"redis", flood("$10737418240\r\n")},
      {"redis", flood("+")},
      {"http", flood("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")},
      {"http", flood("HTTP/1.1 200 OK\r\n\r\n")},
      {"http", flood("HTTP/1.1 200 OK\r\nX: ")},
  };
  for (const auto& [scheme, behaviour] : cases) {
    INFO(scheme);
    const TcpServer server(behaviour);
    Node node(server.url(scheme));
    const std::int64_t before = peak_memory("self");
    node.expect_nothing(1);
    const auto running = helpers();
    REQUIRE(running.size() == 1);
    const std::int64_t peak = peak_memory(std::to_string(running.front()));
    WARN(scheme << ": the helper's peak is " << peak / kMiB << " MiB");
    CHECK(peak > 0);
    CHECK(peak < 128 * kMiB);
    if (kOwnMemory) CHECK(peak_memory("self") - before < 64 * kMiB);
    CHECK(node.cache.counters().remote.faults == 1);
  }
}

TEST_CASE("a helper that is killed is replaced, in the middle of a request and between two", "[remote]") {
  const TcpServer server([](const Client& client) {
    const std::string request = client.receive();
    if (request.find(to_hex(key_of(1).digest)) != std::string::npos) {
      client.hang();
    } else {
      client.send("$-1\r\n");
    }
  });
  Node node(server.url("redis"), 20'000, true);
  node.expect_nothing(2);
  CHECK(node.cache.counters().remote.faults == 0);
  const auto first = helpers();
  REQUIRE(first.size() == 1);

  // Between two requests: the next one does not notice.
  REQUIRE(::kill(first.front(), SIGKILL) == 0);
  siginfo_t ended;
  REQUIRE(::waitid(P_PID, static_cast<id_t>(first.front()), &ended, WEXITED | WNOWAIT) == 0);
  node.expect_nothing(3);
  CHECK(node.cache.counters().remote.faults == 0);
  const auto second = helpers();
  REQUIRE(second.size() == 1);
  CHECK(second != first);

  // In the middle of one, and again when it is asked a second time.
  std::atomic<bool> is_over{false};
  std::thread killer([&] {
    for (int seen = 2; !is_over; ::usleep(1000)) {
      if (const int connections = server.connections(); connections != seen) {
        seen = connections;
        for (const pid_t helper : helpers()) {
          ::kill(helper, SIGKILL);
        }
      }
    }
  });
  node.expect_nothing(1);
  is_over = true;
  killer.join();
  CHECK(node.cache.counters().remote.faults == 1);
  node.expect_nothing(4);
  CHECK(node.cache.counters().remote.faults == 1);
}

TEST_CASE("a server that fails three times in a row is left alone", "[remote]") {
  const TcpServer server([](const Client&) {});
  Node node(server.url("redis"), 20'000, true);
  for (int i = 0; i < 10; ++i) {
    node.expect_nothing(i);
  }
  CHECK(server.connections() == RemoteBreaker::kFailuresToOpen);
  CHECK(node.cache.counters().remote.faults == RemoteBreaker::kFailuresToOpen);
  CHECK(node.problems.all().find("is left alone") != std::string::npos);
}

TEST_CASE("a log that throws when a write fails ends neither the process nor the writing", "[remote]") {
  const TcpServer server([](const Client&) {});
  std::atomic<int> problems{0};
  const auto sink = [&](const std::string&) {
    ++problems;
    throw std::bad_alloc();
  };
  RemoteTier tier({.url = server.url("redis"), .program = SINTER_TEST_WORKER_DIR "/sinter-remote"},
                  std::make_shared<const RowSignatures>(), sink);
  for (const int number : {1, 2}) {
    tier.store(seal_entry(key_of(number), *code_of(number), {}).value(), {});
  }
  for (int i = 0; i < 3000 && tier.counters().dropped < 2; ++i) {
    ::usleep(10'000);
  }
  CHECK(tier.counters().dropped == 2);
  CHECK(problems == 2);
}

TEST_CASE("a server that always says that another node compiles is not believed for ever", "[remote]") {
  const TcpServer server([](const Client& client) {
    for (std::string request = client.receive(); !request.empty(); request = client.receive()) {
      client.send(request.find("EVAL") != std::string::npos ? ":0\r\n" : "$-1\r\n");
    }
  });
  Node node(server.url("redis"));
  int waits = 0;
  const auto found = node.cache.lookup_remote(key_of(1), RemoteWish::kEntryOrLease, [](const CodeObject&) { return Result<void>(); }, [&] { return ++waits > 0; });
  CHECK_FALSE(found.hit);
  CHECK_FALSE(found.lease.is_held());
  CHECK(waits > 0);
  // From then on without leases, and so without a wait.
  waits = 0;
  (void)node.cache.lookup_remote(key_of(2), RemoteWish::kEntryOrLease, [](const CodeObject&) { return Result<void>(); }, [&] { return ++waits > 0; });
  CHECK(waits == 0);
}

TEST_CASE("a password that a server repeats does not reach a message", "[remote]") {
  const TcpServer server(answering("-ERR hunter2 is not the password of kernels\r\n"));
  const std::string url = server.url("redis");
  Node node("redis://kernels:hunter2@" + url.substr(url.find("//") + 2));
  node.expect_nothing(1);
  CHECK(node.problems.all().find("*** is not the password") != std::string::npos);
  CHECK(node.problems.all().find("hunter2") == std::string::npos);
}

TEST_CASE("entries beyond what may wait for a server that stands still are dropped, and the process ends", "[remote]") {
  const TcpServer server([](const Client& client) { client.hang(); });
  const std::int64_t before = peak_memory("self");
  {
    Node node(server.url("http"));
    constexpr int kEntries = 40;
    for (int i = 0; i < kEntries; ++i) {
      node.cache.store(key_of(i), code_of(i, 2 * kMiB));
    }
    const RemoteCounters counters = node.cache.counters().remote;
    CHECK(counters.stores == 0);
    CHECK(counters.dropped >= kEntries - 1 - static_cast<std::int64_t>(RemoteTier::kMaxQueuedBytes / (2 * kMiB)));
  }
  // The entries in the memory layer, those that wait, and copies on their way.
  if (kOwnMemory) CHECK(peak_memory("self") - before < 256 * kMiB);
}

}  // namespace
}  // namespace sinter
