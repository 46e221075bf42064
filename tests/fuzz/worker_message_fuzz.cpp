// SPDX-License-Identifier: Apache-2.0

// Messages between runtime and workers: any bytes decode or are refused, and what was decoded or made up survives
// encoding and decoding. The first byte chooses the message and whether the rest is a frame or its fields.

#include <cmath>
#include <vector>

#include "base/worker_protocol.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;
using namespace sinter::protocol;

namespace {

using Bytes = std::vector<std::byte>;

void make(fuzz::Input& input, std::string& text) { text = input.text(); }
void make(fuzz::Input& input, bool& value) { value = input.flag(); }

void make(fuzz::Input& input, Bytes& bytes) {
  const std::string text = input.text();
  const auto view = std::as_bytes(std::span(text));
  bytes.assign(view.begin(), view.end());
}

void make(fuzz::Input& input, NamedText& header);
void make(fuzz::Input& input, BackendInfo& backend);

template <class T>
void make_list(fuzz::Input& input, std::vector<T>& list) {
  list.resize(input.below(5));
  for (T& element : list) {
    make(input, element);
  }
}

void make(fuzz::Input& input, NamedText& header) {
  make(input, header.name);
  make(input, header.text);
}

void make(fuzz::Input& input, BackendInfo& backend) {
  make(input, backend.backend);
  make(input, backend.version);
  make(input, backend.identity);
  make(input, backend.library);
  make_list(input, backend.archs);
  make_list(input, backend.files);
}

void make(fuzz::Input& input, Hello& message) {
  message.version = input.number<std::uint32_t>();
  make(input, message.worker);
  make_list(input, message.backends);
  make(input, message.problems);
}

void make(fuzz::Input& input, CompileRequest& message) {
  make(input, message.backend);
  make(input, message.arch);
  make(input, message.entry);
  make(input, message.source);
  make_list(input, message.headers);
  make_list(input, message.options);
}

void make(fuzz::Input& input, CompileReply& message) {
  make(input, message.ok);
  make(input, message.error);
  make(input, message.log);
  make(input, message.format);
  make(input, message.code);
  make(input, message.facts);
  message.milliseconds = input.number<double>();
  if (!std::isfinite(message.milliseconds)) {
    message.milliseconds = 0;
  }
}

void make(fuzz::Input& input, InspectRequest& message) {
  make(input, message.format);
  make(input, message.entry);
  make(input, message.code);
}

void make(fuzz::Input& input, InspectReply& message) {
  make(input, message.ok);
  make(input, message.error);
  make(input, message.facts);
  make(input, message.disassembly);
}

template <class Message>
using Decode = Result<Message> (*)(const Bytes&);

/// Encoding loses nothing, so equal frames are equal messages.
template <class Message>
void check_round_trip(Decode<Message> decode, const Message& message) {
  const Bytes frame = encode(message);
  const auto again = decode(frame);
  SINTER_CHECK(again, "a message that was encoded is refused");
  SINTER_CHECK(encode(*again) == frame, "a message changes between encoding and decoding");
  SINTER_CHECK(message_type(frame), "a message that was encoded has no type");
}

template <class Message>
void check(Decode<Message> decode, fuzz::Input input, bool from_fields) {
  if (from_fields) {
    Message message;
    make(input, message);
    check_round_trip(decode, message);
    return;
  }
  const Bytes frame(input.rest().begin(), input.rest().end());
  const auto message = decode(frame);
  if (!message) {
    fuzz::check_refusal(message.error(), {ErrorCode::kInternal});
    return;
  }
  if constexpr (std::is_same_v<Message, CompileReply>) {
    SINTER_CHECK(std::isfinite(message->milliseconds), "a time that is no number");
  }
  check_round_trip(decode, *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t kind = input.below(10);
  const bool from_fields = kind >= 5;
  switch (kind % 5) {
    case 0: check<Hello>(decode_hello, input, from_fields); break;
    case 1: check<CompileRequest>(decode_compile_request, input, from_fields); break;
    case 2: check<CompileReply>(decode_compile_reply, input, from_fields); break;
    case 3: check<InspectRequest>(decode_inspect_request, input, from_fields); break;
    default: check<InspectReply>(decode_inspect_reply, input, from_fields); break;
  }
  return 0;
}
