// SPDX-License-Identifier: Apache-2.0

// The remote tier: messages between runtime and helper, entries, ActionResults and replies of Redis servers. Any bytes are
// read or refused; what was read survives being written and read again. The first byte chooses what the rest is.

#include <string>
#include <vector>

#include "base/remote_protocol.h"
#include "cache/remote_entry.h"
#include "tests/fuzz/fuzz.h"
#include "tools/remote/action_result.h"
#include "tools/remote/redis_reply.h"

using namespace sinter;

namespace {

using Bytes = std::vector<std::byte>;

Bytes to_bytes(std::string_view text) {
  const auto view = as_bytes(text);
  return {view.begin(), view.end()};
}

template <class T>
void check_message(const Bytes& frame, Result<T> (*decode)(const Bytes&)) {
  const auto message = decode(frame);
  if (!message) {
    fuzz::check_refusal(message.error(), {ErrorCode::kInternal});
    return;
  }
  const auto again = decode(remote::encode(*message));
  SINTER_CHECK(again, "a message that was read cannot be read again");
  SINTER_CHECK(remote::encode(*again) == remote::encode(*message), "a message changes on its way");
}

CacheKey fuzz_key() {
  return make_cache_key({{"schema", "1"}, {"spec", "s"}, {"family", "f"}, {"arch", "sm_90a"}, {"compiler", "c"}});
}

void check_entry(const Bytes& blob) {
  const CacheKey key = fuzz_key();
  const auto row = open_remote_entry(blob, key, RowSignatures());
  if (!row) {
    fuzz::check_refusal(row.error(), {ErrorCode::kCacheError});
    return;
  }
  SINTER_CHECK(row->key == key.digest && check_whole_entry(*row).empty(), "an entry that should have been refused");
  const auto again = open_remote_entry(encode_remote_entry(*row), key, RowSignatures());
  SINTER_CHECK(again && again->checksum == row->checksum, "an entry changes on its way");
}

/// An entry whose digest is right, whatever it holds.
Bytes make_entry(fuzz::Input& input) {
  EntryRow row;
  row.key_fields = input.flag() ? key_fields_to_json(fuzz_key().fields) : input.text();
  row.format = input.number<std::int64_t>();
  row.entry = input.text();
  row.facts = input.text();
  row.backend = input.text();
  row.compiler = input.text();
  row.compile_ms = input.number<double>();
  row.created_unix_s = input.number<std::int64_t>();
  row.code = to_bytes(input.text());
  row.signature = to_bytes(input.text());
  row.writer = input.text();
  row.log = input.text();
  row.sha256 = entry_sha256(row);
  return encode_remote_entry(row);
}

void check_action_result(std::string_view bytes) {
  const auto contents = remote::decode_action_result(bytes);
  if (!contents) {
    fuzz::check_refusal(contents.error(), {ErrorCode::kInternal});
    return;
  }
  const auto again = remote::decode_action_result(remote::encode_action_result("k", *contents));
  SINTER_CHECK(again && again->sha256 == contents->sha256 && again->size_bytes == contents->size_bytes,
               "an ActionResult changes on its way");
}

/// A reply is the same in one piece and in two.
void check_reply(std::size_t cut, std::string_view bytes) {
  remote::RedisReplyReader whole, parts;
  const auto reply = whole.feed(bytes);
  cut = std::min(cut, bytes.size());
  auto in_parts = parts.feed(bytes.substr(0, cut));
  if (in_parts && !*in_parts) {
    in_parts = parts.feed(bytes.substr(cut));
  }
  if (!reply) {
    fuzz::check_refusal(reply.error(), {ErrorCode::kInternal});
  } else if (*reply) {
    SINTER_CHECK(in_parts && *in_parts, "a reply that is whole only in one piece");
    SINTER_CHECK((*in_parts)->text == (*reply)->text && (*in_parts)->integer == (*reply)->integer, "two replies of one");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t what = input.below(8);
  const std::size_t cut = what == 7 ? input.below(64) : 0;
  const std::string_view rest = as_text(input.rest());
  switch (what) {
    case 0: check_message(to_bytes(rest), remote::decode_request); break;
    case 1: check_message(to_bytes(rest), remote::decode_answer); break;
    case 2: check_message(to_bytes(rest), remote::decode_ready); break;
    case 3: check_message(to_bytes(rest), remote::decode_configure); break;
    case 4: check_entry(to_bytes(rest)); break;
    case 5: check_entry(make_entry(input)); break;
    case 6: check_action_result(rest); break;
    default: check_reply(cut, rest); break;
  }
  return 0;
}
