// SPDX-License-Identifier: Apache-2.0

// What requests that may not compile ask of the remote tier.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/support/fake_compiler.h"
#include "tests/support/tcp_server.h"

namespace sinter {
namespace {

using namespace testing;

TEST_CASE("the remote tier is asked once for what nobody has, by however many requests that may not compile") {
  const FakeMachine machine;
  REQUIRE(FakeProcess(machine).get(0));  // from here on the compiler is known
  TcpServer server([](const Client& client) {
    while (!client.receive().empty()) {
      client.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
  });
  RemoteOptions remote;
  remote.url = server.url("http");
  remote.timeout_ms = 20'000;
  remote.program = SINTER_TEST_WORKER_DIR "/sinter-remote";
  FakeProcess process(machine.settings(), remote);
  std::atomic<int> refused{0};
  const auto ask = [&] {
    const auto code = process.get(1, {false, "the request is strict"});
    refused += !code && code.error().code == ErrorCode::kNotPrebuilt ? 1 : 0;
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back(ask);
    }
  }
  ask();
  CHECK(refused == 9);
  CHECK(process.cache().counters().remote.misses == 1);
  process.service().retry_failures();
  ask();
  CHECK(process.cache().counters().remote.misses == 2);
}

}  // namespace
}  // namespace sinter
