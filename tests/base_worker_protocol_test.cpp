// SPDX-License-Identifier: Apache-2.0
#include "base/worker_protocol.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <thread>

namespace sinter::protocol {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<unsigned> values) {
  Bytes out;
  for (const unsigned v : values) {
    out.push_back(static_cast<std::byte>(v));
  }
  return out;
}

/// Both ends of a connection.
class Connection {
 public:
  Connection() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) == 0); }
  ~Connection() {
    close_end(0);
    close_end(1);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int end(int i) const { return ends_[static_cast<std::size_t>(i)]; }
  void close_end(int i) {
    int& fd = ends_[static_cast<std::size_t>(i)];
    if (fd >= 0) {
      ::close(fd);
      fd = -1;
    }
  }
  void send_raw(const Bytes& data) const {
    REQUIRE(::send(end(0), data.data(), data.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(data.size()));
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

CompileRequest sample_request() {
  return {"llvm", "gfx942", "entry", "source \xff text", {{"a/b.h", "int x;"}, {"c.h", ""}}, {"-O3", "-x", "hip"}};
}

}  // namespace

TEST_CASE("every message survives encoding and decoding") {
  Hello hello;
  hello.worker = "sinter-worker";
  hello.backends = {{"llvm", "clang 22", "id", "/lib/x.so", {"gfx942", "gfx950"}, {}}, {"nvrtc", "13.0", "", "", {}, {"/lib/x.so", "/bin/w"}}};
  hello.problems = "no hiprtc";
  const Result<Hello> hello2 = decode_hello(encode(hello));
  REQUIRE(hello2);
  CHECK(hello2->version == kVersion);
  CHECK(hello2->worker == hello.worker);
  REQUIRE(hello2->backends.size() == 2);
  CHECK(hello2->backends[0].identity == "id");
  CHECK(hello2->backends[0].library == "/lib/x.so");
  CHECK(hello2->backends[0].archs == hello.backends[0].archs);
  CHECK(hello2->backends[0].files == hello.backends[0].files);
  CHECK(hello2->backends[1].version == "13.0");
  CHECK(hello2->problems == hello.problems);

  const CompileRequest request = sample_request();
  const Result<CompileRequest> request2 = decode_compile_request(encode(request));
  REQUIRE(request2);
  CHECK(request2->backend == request.backend);
  CHECK(request2->arch == request.arch);
  CHECK(request2->entry == request.entry);
  CHECK(request2->source == request.source);
  REQUIRE(request2->headers.size() == 2);
  CHECK(request2->headers[0].name == "a/b.h");
  CHECK(request2->headers[0].text == "int x;");
  CHECK(request2->options == request.options);

  const CompileReply reply{true, "", "warning", "hsaco", bytes({0, 255, 7}), "{}", 12.5};
  const Result<CompileReply> reply2 = decode_compile_reply(encode(reply));
  REQUIRE(reply2);
  CHECK(reply2->ok);
  CHECK(reply2->log == "warning");
  CHECK(reply2->format == "hsaco");
  CHECK(reply2->code == reply.code);
  CHECK(reply2->facts == "{}");
  CHECK(reply2->milliseconds == 12.5);

  const InspectRequest inspect{"hsaco", "entry", bytes({1, 2})};
  const Result<InspectRequest> inspect2 = decode_inspect_request(encode(inspect));
  REQUIRE(inspect2);
  CHECK(inspect2->format == "hsaco");
  CHECK(inspect2->entry == "entry");
  CHECK(inspect2->code == inspect.code);

  const InspectReply inspected{false, "no", "{}", "s_endpgm"};
  const Result<InspectReply> inspected2 = decode_inspect_reply(encode(inspected));
  REQUIRE(inspected2);
  CHECK_FALSE(inspected2->ok);
  CHECK(inspected2->error == "no");
  CHECK(inspected2->disassembly == "s_endpgm");
}

TEST_CASE("a time that is no finite number is refused") {
  for (const double time : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_FALSE(decode_compile_reply(encode(CompileReply{true, "", "", "so", {}, "{}", time})));
  }
}

TEST_CASE("the type of a message can be asked before it is decoded") {
  CHECK(message_type(encode(Hello{})).value() == "hello");
  CHECK(message_type(encode(CompileRequest{})).value() == "compile");
  CHECK(message_type(encode(CompileReply{})).value() == "compiled");
  CHECK(message_type(encode(InspectRequest{})).value() == "inspect");
  CHECK(message_type(encode(InspectReply{})).value() == "inspected");
}

TEST_CASE("a message of another type, with a missing or an unknown field, or a field of another type is an error") {
  CHECK_FALSE(decode_hello(encode(CompileRequest{})));
  CHECK_FALSE(decode_inspect_request(bytes({0xa1, 0x64, 't', 'y', 'p', 'e', 0x67, 'i', 'n', 's', 'p', 'e', 'c', 't'})));

  Bytes frame = encode(InspectReply{true, "", "", ""});
  REQUIRE(frame[0] == std::byte{0xa5});
  frame[0] = std::byte{0xa6};  // one more field: "x": 1
  const Bytes extra = bytes({0x61, 'x', 0x01});
  frame.insert(frame.end(), extra.begin(), extra.end());
  REQUIRE(message_type(frame));
  CHECK_FALSE(decode_inspect_reply(frame));

  Bytes wrong = encode(InspectReply{true, "", "", ""});
  for (std::byte& b : wrong) {
    if (b == std::byte{0xf5}) {
      b = std::byte{0x01};  // true becomes the number 1
    }
  }
  REQUIRE(message_type(wrong));
  CHECK_FALSE(decode_inspect_reply(wrong));
}

TEST_CASE("content that would exhaust stack or memory is refused") {
  CHECK_FALSE(message_type({}));
  CHECK_FALSE(message_type(Bytes(1u << 20, std::byte{0x81})));                                  // nested arrays
  CHECK_FALSE(message_type(Bytes(1u << 20, std::byte{0x5f})));                                  // nested byte strings
  CHECK_FALSE(message_type(Bytes(1u << 20, std::byte{0x7f})));                                  // nested texts
  CHECK_FALSE(message_type(Bytes(1u << 20, std::byte{0xc1})));                                  // nested tags
  CHECK_FALSE(message_type(bytes({0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})));  // 2^64 bytes
  CHECK_FALSE(message_type(bytes({0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})));  // 2^63 elements
  CHECK_FALSE(message_type(bytes({0xbb, 0x80, 0, 0, 0, 0, 0, 0, 1, 0x61, 'a', 1})));            // 2^63 + 1 pairs
  Bytes many = bytes({0x9a, 0x00, 0x01, 0x00, 0x00});
  many.resize(many.size() + 65536);
  CHECK_FALSE(message_type(many));
}

TEST_CASE("no damaged frame is worse than an error") {
  const Bytes good = encode(sample_request());
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(decode_compile_request(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    Bytes bad = good;
    for (int flips = 0; flips < 3; ++flips) {
      bad[random() % bad.size()] = static_cast<std::byte>(random());
    }
    (void)decode_compile_request(bad);
    (void)message_type(bad);
  }
}

TEST_CASE("a frame larger than the socket's buffer passes whole") {
  const Connection connection;
  const Bytes sent(5u << 20, std::byte{42});
  std::thread writer([&] { CHECK(write_frame(connection.end(0), sent, 10000)); });
  const Result<Bytes> received = read_frame(connection.end(1), 10000);
  writer.join();
  REQUIRE(received);
  CHECK(*received == sent);
}

TEST_CASE("an announced length beyond the limit is an error") {
  const Connection connection;
  connection.send_raw(bytes({1, 0, 0, 0x10}));
  const Result<Bytes> received = read_frame(connection.end(1), 1000);
  REQUIRE_FALSE(received);
  CHECK(received.error().code == ErrorCode::kInternal);
  CHECK(received.error().message.find("268435457") != std::string::npos);
}

TEST_CASE("waiting for a peer ends at the time limit, also in the middle of a frame") {
  const Connection connection;
  CHECK(read_frame(connection.end(1), 20).error().code == ErrorCode::kTimeout);
  connection.send_raw(bytes({10, 0, 0, 0, 1, 2}));
  CHECK(read_frame(connection.end(1), 20).error().code == ErrorCode::kTimeout);
  CHECK(write_frame(connection.end(0), Bytes(5u << 20), 20).error().code == ErrorCode::kTimeout);
}

TEST_CASE("a peer that is gone is an error and no signal") {
  Connection connection;
  connection.send_raw(bytes({10, 0, 0, 0, 1}));
  connection.close_end(0);
  CHECK(read_frame(connection.end(1), 1000).error().code == ErrorCode::kInternal);
  CHECK(write_frame(connection.end(1), Bytes(100), 1000).error().code == ErrorCode::kInternal);
}

}  // namespace sinter::protocol
