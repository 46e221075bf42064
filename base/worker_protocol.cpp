// SPDX-License-Identifier: Apache-2.0
#include "base/worker_protocol.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sinter::protocol {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<std::byte>;

// A message is a map of at most: texts, bytes, numbers, arrays of texts, and arrays of maps that hold arrays of texts.
constexpr int kMaxDepth = 5;
constexpr std::size_t kMaxItems = 1u << 16;
constexpr std::size_t kReadChunkBytes = 1u << 20;

Error bad_message(std::string_view why) {
  return make_error(ErrorCode::kInternal, fmt::format("malformed worker message: {}", why));
}

// --- content -------------------------------------------------------------------------------------------------------

/// Walks the CBOR without building anything and refuses what a message never has: nesting beyond kMaxDepth, more than
/// kMaxItems items, indefinite lengths, tags, lengths beyond the frame. nlohmann's reader recurses for the first and
/// the third, and makes 16 bytes of each item, so a hostile frame could exhaust stack or memory there.
class ShapeCheck {
 public:
  explicit ShapeCheck(const Bytes& frame) : frame_(frame) {}

  Result<void> run() {
    SINTER_TRY_VOID(item(0));
    if (at_ != frame_.size()) {
      return bad_message(fmt::format("{} bytes after the message", frame_.size() - at_));
    }
    return {};
  }

 private:
  /// CBOR's major types that need a look (RFC 8949, 3.1).
  enum Major : unsigned { kBytes = 2, kText = 3, kArray = 4, kMap = 5, kTag = 6 };

  Result<void> item(int depth) {
    if (depth > kMaxDepth) {
      return bad_message(fmt::format("nested deeper than {}", kMaxDepth));
    }
    if (++items_ > kMaxItems) {
      return bad_message(fmt::format("more than {} items", kMaxItems));
    }
    if (at_ == frame_.size()) {
      return bad_message("it ends within a value");
    }
    const auto head = std::to_integer<unsigned>(frame_[at_++]);
    SINTER_TRY(const std::uint64_t argument, read_argument(head & 0x1f));
    switch (head >> 5) {
      case kBytes:
      case kText:
        if (argument > frame_.size() - at_) {
          return bad_message(fmt::format("a text of {} bytes in a frame that has {} left", argument,
                                         frame_.size() - at_));
        }
        at_ += static_cast<std::size_t>(argument);
        return {};
      case kArray:
      case kMap:
        return children(argument, (head >> 5) == kMap ? 2 : 1, depth);
      case kTag:
        return bad_message("a tagged value");
      default:
        return {};  // numbers, true, false, null
    }
  }

  Result<void> children(std::uint64_t count, std::uint64_t items_each, int depth) {
    if (count > kMaxItems) {
      return bad_message(fmt::format("{} elements, above the limit of {}", count, kMaxItems));
    }
    for (std::uint64_t i = 0; i < count * items_each; ++i) {
      SINTER_TRY_VOID(item(depth + 1));
    }
    return {};
  }

  /// The number in or after the head byte. 24 to 27 say that 1, 2, 4 or 8 big-endian bytes follow.
  Result<std::uint64_t> read_argument(unsigned low) {
    if (low < 24) {
      return std::uint64_t{low};
    }
    if (low > 27) {
      return bad_message("a value of indefinite length");
    }
    const std::size_t size = std::size_t{1} << (low - 24);
    if (size > frame_.size() - at_) {
      return bad_message("it ends within a length");
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = (value << 8) | std::to_integer<std::uint64_t>(frame_[at_++]);
    }
    return value;
  }

  const Bytes& frame_;
  std::size_t at_ = 0;
  std::size_t items_ = 0;
};

Result<Json> parse(const Bytes& frame) {
  SINTER_TRY_VOID(ShapeCheck(frame).run());
  Json message = Json::from_cbor(frame, /*strict=*/true, /*allow_exceptions=*/false);
  if (!message.is_object()) {
    return bad_message("it is not a map");
  }
  return message;
}

/// Reads the fields of one map. The first wrong one is remembered; finish() also refuses fields nobody asked for.
class Fields {
 public:
  explicit Fields(Json& map) : map_(map) {
    if (!map_.is_object()) {
      fail("a value that should be a map is not");
    }
  }

  void read(const char* name, std::string& out) { take(name, out, &Json::is_string); }
  void read(const char* name, bool& out) { take(name, out, &Json::is_boolean); }
  void read(const char* name, double& out) { take(name, out, &Json::is_number); }

  void read(const char* name, std::uint32_t& out) {
    std::uint64_t value = 0;
    take(name, value, &Json::is_number_unsigned);
    if (value > std::numeric_limits<std::uint32_t>::max()) {
      fail(fmt::format("\"{}\" is {}", name, value));
    }
    out = static_cast<std::uint32_t>(value);
  }

  void read(const char* name, Bytes& out) {
    if (Json* field = find(name, &Json::is_binary)) {
      const Json::binary_t& bytes = field->get_binary();
      out.resize(bytes.size());
      std::transform(bytes.begin(), bytes.end(), out.begin(), [](std::uint8_t b) { return std::byte{b}; });
    }
  }

  void read(const char* name, std::vector<std::string>& out) {
    read_each(name, [&](Json& element) {
      if (!element.is_string()) {
        fail(fmt::format("\"{}\" holds something that is not text", name));
        return;
      }
      out.push_back(std::move(element.get_ref<std::string&>()));
    });
  }

  /// An array of maps; `read_element` gets each one's Fields and a new element.
  template <class T, class ReadElement>
  void read(const char* name, std::vector<T>& out, ReadElement read_element) {
    read_each(name, [&](Json& element) {
      Fields fields(element);
      read_element(fields, out.emplace_back());
      if (Result<void> done = fields.finish(); !done) {
        fail(done.error().message);
      }
    });
  }

  Result<void> finish() {
    if (problem_.empty() && map_.size() != seen_) {
      fail(fmt::format("{} fields where {} are known", map_.size(), seen_));
    }
    if (!problem_.empty()) {
      return bad_message(problem_);
    }
    return {};
  }

 private:
  using IsKind = bool (Json::*)() const noexcept;

  Json* find(const char* name, IsKind is_kind) {
    ++seen_;
    if (!map_.is_object()) {
      return nullptr;
    }
    const auto it = map_.find(name);
    if (it == map_.end()) {
      fail(fmt::format("\"{}\" is missing", name));
      return nullptr;
    }
    if (!((*it).*is_kind)()) {
      fail(fmt::format("\"{}\" is of type {}", name, it->type_name()));
      return nullptr;
    }
    return &*it;
  }

  template <class T>
  void take(const char* name, T& out, IsKind is_kind) {
    if (Json* field = find(name, is_kind)) {
      if constexpr (std::is_same_v<T, std::string>) {
        out = std::move(field->get_ref<std::string&>());
      } else {
        out = field->get<T>();
      }
    }
  }

  template <class ReadElement>
  void read_each(const char* name, ReadElement read_element) {
    if (Json* field = find(name, &Json::is_array)) {
      for (Json& element : *field) {
        read_element(element);
      }
    }
  }

  void fail(std::string why) {
    if (problem_.empty()) {
      problem_ = std::move(why);
    }
  }

  Json& map_;
  std::size_t seen_ = 0;
  std::string problem_;
};

/// Decodes one message: `read_fields` names every field but "type".
template <class T, class ReadFields>
Result<T> decode(const Bytes& frame, std::string_view type, ReadFields read_fields) {
  SINTER_TRY(Json map, parse(frame));
  Fields fields(map);
  std::string found;
  T message;
  fields.read("type", found);
  read_fields(fields, message);
  if (found != type) {
    return bad_message(fmt::format("its type is \"{:.40}\", not \"{}\"", found, type));
  }
  SINTER_TRY_VOID(fields.finish());
  return message;
}

Json binary(const Bytes& bytes) {
  Json::binary_t::container_type out(bytes.size());
  std::transform(bytes.begin(), bytes.end(), out.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return Json::binary(std::move(out));
}

Bytes to_frame(const Json& message) {
  const std::vector<std::uint8_t> cbor = Json::to_cbor(message);
  Bytes frame(cbor.size());
  std::transform(cbor.begin(), cbor.end(), frame.begin(), [](std::uint8_t b) { return std::byte{b}; });
  return frame;
}

// --- frames --------------------------------------------------------------------------------------------------------

/// A point in time that waits are measured against; without a limit where the timeout is negative.
class Deadline {
 public:
  explicit Deadline(int timeout_ms)
      : limited_(timeout_ms >= 0), end_(Clock::now() + std::chrono::milliseconds(std::max(timeout_ms, 0))) {}

  /// For poll(): -1 without a limit. Rounded up, so that the last wait does not spin.
  int remaining_ms() const {
    if (!limited_) {
      return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return static_cast<int>(std::max<decltype(left)>(left, 0));
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool limited_;
  Clock::time_point end_;
};

Error peer_error(std::string_view what) {
  return make_error(ErrorCode::kInternal, fmt::format("the worker connection failed: {}", what));
}

/// Waits until `fd` has `event`. A hang-up counts as ready: the next read or write says what happened.
Result<void> wait_for(int fd, short event, const Deadline& deadline) {
  for (;;) {
    pollfd entry{fd, event, 0};
    const int ready = ::poll(&entry, 1, deadline.remaining_ms());
    if (ready > 0) {
      return {};
    }
    if (ready == 0) {
      return make_error(ErrorCode::kTimeout, "the worker connection timed out");
    }
    if (errno != EINTR) {
      return peer_error(std::strerror(errno));
    }
  }
}

bool is_temporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

Result<void> send_all(int fd, const std::byte* data, std::size_t size, const Deadline& deadline) {
  while (size > 0) {
    SINTER_TRY_VOID(wait_for(fd, POLLOUT, deadline));
    // MSG_NOSIGNAL: a peer that died must not kill this process with SIGPIPE.
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !is_temporary(errno)) {
      return peer_error(std::strerror(errno));
    }
    if (sent > 0) {
      data += sent;
      size -= static_cast<std::size_t>(sent);
    }
  }
  return {};
}

Result<void> receive_all(int fd, std::byte* data, std::size_t size, const Deadline& deadline) {
  while (size > 0) {
    SINTER_TRY_VOID(wait_for(fd, POLLIN, deadline));
    const ssize_t received = ::recv(fd, data, size, MSG_DONTWAIT);
    if (received == 0) {
      return peer_error("the other side closed it");
    }
    if (received < 0 && !is_temporary(errno)) {
      return peer_error(std::strerror(errno));
    }
    if (received > 0) {
      data += received;
      size -= static_cast<std::size_t>(received);
    }
  }
  return {};
}

}  // namespace

std::vector<std::byte> encode(const Hello& message) {
  Json backends = Json::array();
  for (const BackendInfo& backend : message.backends) {
    backends.push_back({{"backend", backend.backend},
                        {"version", backend.version},
                        {"identity", backend.identity},
                        {"library", backend.library},
                        {"archs", backend.archs}});
  }
  return to_frame({{"type", "hello"},
                   {"version", message.version},
                   {"worker", message.worker},
                   {"backends", std::move(backends)},
                   {"problems", message.problems}});
}

std::vector<std::byte> encode(const CompileRequest& message) {
  Json headers = Json::array();
  for (const NamedText& header : message.headers) {
    headers.push_back({{"name", header.name}, {"text", header.text}});
  }
  return to_frame({{"type", "compile"},
                   {"backend", message.backend},
                   {"arch", message.arch},
                   {"entry", message.entry},
                   {"source", message.source},
                   {"headers", std::move(headers)},
                   {"options", message.options}});
}

std::vector<std::byte> encode(const CompileReply& message) {
  return to_frame({{"type", "compiled"},
                   {"ok", message.ok},
                   {"error", message.error},
                   {"log", message.log},
                   {"format", message.format},
                   {"code", binary(message.code)},
                   {"facts", message.facts},
                   {"milliseconds", message.milliseconds}});
}

std::vector<std::byte> encode(const InspectRequest& message) {
  return to_frame({{"type", "inspect"},
                   {"format", message.format},
                   {"entry", message.entry},
                   {"code", binary(message.code)}});
}

std::vector<std::byte> encode(const InspectReply& message) {
  return to_frame({{"type", "inspected"},
                   {"ok", message.ok},
                   {"error", message.error},
                   {"facts", message.facts},
                   {"disassembly", message.disassembly}});
}

Result<std::string> message_type(const std::vector<std::byte>& frame) {
  SINTER_TRY(Json map, parse(frame));
  const auto type = map.find("type");
  if (type == map.end() || !type->is_string()) {
    return bad_message("it has no \"type\"");
  }
  return type->get<std::string>();
}

Result<Hello> decode_hello(const std::vector<std::byte>& frame) {
  return decode<Hello>(frame, "hello", [](Fields& fields, Hello& message) {
    fields.read("version", message.version);
    fields.read("worker", message.worker);
    fields.read("backends", message.backends, [](Fields& element, BackendInfo& backend) {
      element.read("backend", backend.backend);
      element.read("version", backend.version);
      element.read("identity", backend.identity);
      element.read("library", backend.library);
      element.read("archs", backend.archs);
    });
    fields.read("problems", message.problems);
  });
}

Result<CompileRequest> decode_compile_request(const std::vector<std::byte>& frame) {
  return decode<CompileRequest>(frame, "compile", [](Fields& fields, CompileRequest& message) {
    fields.read("backend", message.backend);
    fields.read("arch", message.arch);
    fields.read("entry", message.entry);
    fields.read("source", message.source);
    fields.read("headers", message.headers, [](Fields& element, NamedText& header) {
      element.read("name", header.name);
      element.read("text", header.text);
    });
    fields.read("options", message.options);
  });
}

Result<CompileReply> decode_compile_reply(const std::vector<std::byte>& frame) {
  return decode<CompileReply>(frame, "compiled", [](Fields& fields, CompileReply& message) {
    fields.read("ok", message.ok);
    fields.read("error", message.error);
    fields.read("log", message.log);
    fields.read("format", message.format);
    fields.read("code", message.code);
    fields.read("facts", message.facts);
    fields.read("milliseconds", message.milliseconds);
  });
}

Result<InspectRequest> decode_inspect_request(const std::vector<std::byte>& frame) {
  return decode<InspectRequest>(frame, "inspect", [](Fields& fields, InspectRequest& message) {
    fields.read("format", message.format);
    fields.read("entry", message.entry);
    fields.read("code", message.code);
  });
}

Result<InspectReply> decode_inspect_reply(const std::vector<std::byte>& frame) {
  return decode<InspectReply>(frame, "inspected", [](Fields& fields, InspectReply& message) {
    fields.read("ok", message.ok);
    fields.read("error", message.error);
    fields.read("facts", message.facts);
    fields.read("disassembly", message.disassembly);
  });
}

Result<void> write_frame(int fd, const std::vector<std::byte>& content, int timeout_ms) {
  if (content.size() > kMaxFrameBytes) {
    return make_error(ErrorCode::kInternal, fmt::format("a worker message of {} bytes is above the limit of {}",
                                                        content.size(), kMaxFrameBytes));
  }
  std::array<std::byte, 4> head{};
  for (std::size_t i = 0; i < head.size(); ++i) {
    head[i] = static_cast<std::byte>(content.size() >> (8 * i));
  }
  const Deadline deadline(timeout_ms);
  SINTER_TRY_VOID(send_all(fd, head.data(), head.size(), deadline));
  return send_all(fd, content.data(), content.size(), deadline);
}

Result<std::vector<std::byte>> read_frame(int fd, int timeout_ms) {
  const Deadline deadline(timeout_ms);
  std::array<std::byte, 4> head{};
  SINTER_TRY_VOID(receive_all(fd, head.data(), head.size(), deadline));
  std::size_t size = 0;
  for (std::size_t i = 0; i < head.size(); ++i) {
    size |= std::to_integer<std::size_t>(head[i]) << (8 * i);
  }
  if (size > kMaxFrameBytes) {
    return bad_message(fmt::format("a frame of {} bytes, above the limit of {}", size, kMaxFrameBytes));
  }
  // Grown as the bytes arrive: a peer that announces much and sends nothing costs no memory.
  std::vector<std::byte> content;
  while (content.size() < size) {
    const std::size_t have = content.size();
    const std::size_t chunk = std::min(size - have, kReadChunkBytes);
    content.resize(have + chunk);
    SINTER_TRY_VOID(receive_all(fd, content.data() + have, chunk, deadline));
  }
  return content;
}

}  // namespace sinter::protocol
