// SPDX-License-Identifier: Apache-2.0

// The parts of the remote tier that need no server: URLs, the breaker, entries as they travel, messages, ActionResults.

#include <catch2/catch.hpp>

#include "base/remote_protocol.h"
#include "cache/remote_breaker.h"
#include "cache/remote_entry.h"
#include "cache/remote_url.h"
#include "tests/support/cache.h"
#include "tools/remote/action_result.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using namespace testing;

TEST_CASE("a URL of a remote tier is split, and shown without its password", "[remote]") {
  const auto url = parse_remote_url("rediss://kernels:p@ss word@cache.example:6380/2").value();
  CHECK(url.scheme == "rediss");
  CHECK(url.host == "cache.example:6380");
  CHECK(url.rest == "/2");
  CHECK(url.masked() == "rediss://***@cache.example:6380/2");
  CHECK(parse_remote_url("http://[::1]:80").value().host == "[::1]:80");
  CHECK(parse_remote_url("redis://localhost").value().masked() == "redis://localhost");
}

TEST_CASE("what is no URL of a remote tier is refused without repeating it", "[remote]") {
  for (const char* text : {"", "redis", "redis:/secret", "ftp://user:secret@host", "redis://", "redis://u:secret@", "http://u:se/secret@host",
                           "http://user:secret@host/?q=1", "http://host\x01/secret"}) {
    const auto url = parse_remote_url(text);
    INFO(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == ErrorCode::kInvalidRequest);
    CHECK(url.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("the breaker opens after three failures in a row, and lets one probe pass after each pause", "[remote]") {
  RemoteBreaker breaker;
  RemoteBreaker::Clock::time_point now{};
  now += 1h;
  const auto fail = [&] {
    REQUIRE(breaker.may_pass(now));
    breaker.failed(now);
  };
  fail();
  fail();
  REQUIRE(breaker.may_pass(now));
  breaker.succeeded();  // in a row
  for (int i = 0; i < RemoteBreaker::kFailuresToOpen; ++i) {
    CHECK_FALSE(breaker.is_open());
    fail();
  }
  CHECK(breaker.is_open());
  CHECK_FALSE(breaker.may_pass(now + RemoteBreaker::kFirstPause - 1ms));

  now += RemoteBreaker::kFirstPause;
  CHECK(breaker.may_pass(now));
  CHECK_FALSE(breaker.may_pass(now));  // one probe
  breaker.failed(now);
  CHECK_FALSE(breaker.may_pass(now + 2 * RemoteBreaker::kFirstPause - 1ms));

  now += 2 * RemoteBreaker::kFirstPause;
  CHECK(breaker.may_pass(now));
  breaker.succeeded();
  CHECK_FALSE(breaker.is_open());
  fail();
  CHECK(breaker.may_pass(now));
}

TEST_CASE("a probe that was not made leaves the next one to another", "[remote]") {
  RemoteBreaker breaker;
  RemoteBreaker::Clock::time_point now{};
  for (int i = 0; i < RemoteBreaker::kFailuresToOpen; ++i) {
    REQUIRE(breaker.may_pass(now));
    breaker.failed(now);
  }
  now += RemoteBreaker::kFirstPause;
  REQUIRE(breaker.may_pass(now));
  breaker.not_tried();
  CHECK(breaker.is_open());
  CHECK(breaker.may_pass(now));
}

TEST_CASE("the pause of the breaker has an end", "[remote]") {
  RemoteBreaker breaker;
  RemoteBreaker::Clock::time_point now{};
  for (int i = 0; i < 20; ++i) {
    now += RemoteBreaker::kLongestPause;
    REQUIRE(breaker.may_pass(now));
    breaker.failed(now);
  }
  CHECK(breaker.is_open());
  CHECK(breaker.may_pass(now + RemoteBreaker::kLongestPause));
}

EntryRow row_of(int number) { return seal_entry(key_of(number), *code_of(number), {.writer = "sinter test"}).value(); }

TEST_CASE("an entry that travels comes back as it was", "[remote]") {
  const EntryRow row = row_of(7);
  const auto back = open_remote_entry(encode_remote_entry(row), key_of(7), RowSignatures());
  REQUIRE(back);
  CHECK(back->sha256 == row.sha256);
  CHECK(back->writer == "sinter test");
  CHECK(back->log == row.log);
  CHECK(back->source == row.source);
  CHECK(back->spec == row.spec);
  CHECK(check_whole_entry(*back).empty());
  const CacheKey key = key_of(7);
  const auto code = open_entry(*back, {key.digest, key_fields_to_json(key.fields)});
  REQUIRE(code);
  CHECK(same_code(*code, *code_of(7)));
}

TEST_CASE("no change of a byte of an entry gives other code, facts or key", "[remote]") {
  const EntryRow row = row_of(3);
  const auto blob = encode_remote_entry(row);
  for (std::size_t i = 0; i < blob.size(); ++i) {
    auto damaged = blob;
    damaged[i] ^= std::byte{0x11};
    const auto back = open_remote_entry(damaged, key_of(3), RowSignatures());
    if (back) {  // compiler, times, log and source are for people
      CHECK(back->code == row.code);
      CHECK(back->facts == row.facts);
      CHECK(back->entry == row.entry);
      CHECK(back->key == row.key);
    }
  }
  for (std::size_t size = 0; size < blob.size(); size += 7) {
    CHECK_FALSE(open_remote_entry({blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(size)}, key_of(3), RowSignatures()));
  }
}

TEST_CASE("an entry of another key is refused", "[remote]") {
  const auto back = open_remote_entry(encode_remote_entry(row_of(4)), key_of(5), RowSignatures());
  REQUIRE_FALSE(back);
  CHECK(back.error().message.find("another key") != std::string::npos);
}

TEST_CASE("messages of the remote tier come back as they were, and nothing else is one", "[remote]") {
  remote::Request request;
  request.op = remote::Op::kPut;
  request.limit_ms = 300;
  request.key = std::string(64, 'a');
  request.token = "token";
  request.lease_ms = 5000;
  request.blob = encode_remote_entry(row_of(1));
  const auto frame = remote::encode(request);
  const auto back = remote::decode_request(frame);
  REQUIRE(back);
  CHECK(back->op == request.op);
  CHECK(back->limit_ms == 300);
  CHECK(back->key == request.key);
  CHECK(back->token == request.token);
  CHECK(back->lease_ms == 5000);
  CHECK(back->blob == request.blob);
  CHECK_FALSE(remote::decode_answer(frame));
  CHECK_FALSE(remote::decode_request({}));
  CHECK_FALSE(remote::decode_request({frame.begin(), frame.end() - 1}));
  auto longer = frame;
  longer.push_back(std::byte{0});
  CHECK_FALSE(remote::decode_request(longer));

  const remote::Answer answer{remote::Status::kMissing, remote::LeaseState::kHeld, "why", {}};
  const auto answered = remote::decode_answer(remote::encode(answer));
  REQUIRE(answered);
  CHECK(answered->status == answer.status);
  CHECK(answered->lease == answer.lease);
  CHECK(answered->error == "why");
  CHECK(remote::decode_ready(remote::encode(remote::Ready{1, "redis", ""})).value().engine == "redis");
  CHECK(remote::decode_configure(remote::encode(remote::Configure{1, "redis://h", "", ""})).value().url == "redis://h");
}

TEST_CASE("an ActionResult names contents as Bazel's remote cache does", "[remote]") {
  const std::string sha256(64, 'b');
  const std::string bytes = remote::encode_action_result("k", {sha256, 300});
  // output_files { path: "k" digest { hash: "bb..." size_bytes: 300 } }, by the wire format's rules.
  CHECK(bytes == "\x12\x4a\x0a\x01k\x12\x45\x0a\x40" + sha256 + "\x10\xac\x02");
  const auto contents = remote::decode_action_result(bytes);
  REQUIRE(contents);
  CHECK(contents->sha256 == sha256);
  CHECK(contents->size_bytes == 300);
  // exit_code 5, and a fixed32 of a field that nobody knows.
  CHECK(remote::decode_action_result("\x20\x05" + bytes + "\x7d" + "abcd").value().sha256 == sha256);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(remote::decode_action_result(bytes.substr(0, size)));
  }
  CHECK_FALSE(remote::decode_action_result(remote::encode_action_result("k", {"../../etc/passwd", 1})));
  CHECK_FALSE(remote::decode_action_result(std::string(100, '\xff')));
}

}  // namespace
}  // namespace sinter
