// SPDX-License-Identifier: Apache-2.0
#include "base/remote_protocol.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/cbor_message.h"
#include "base/cbor_shape.h"

namespace sinter::remote {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<std::byte>;

constexpr std::string_view kOps[] = {"ping", "get", "put", "renew", "release"};
constexpr std::string_view kStatuses[] = {"done", "missing", "failed"};
constexpr std::string_view kLeases[] = {"none", "granted", "held"};

Error bad_message(std::string_view why) {
  return make_error(ErrorCode::kInternal, fmt::format("malformed message of the remote tier: {}", why));
}

template <class Enum, std::size_t kCount>
std::string_view word_of(const std::string_view (&words)[kCount], Enum value) {
  return words[static_cast<std::size_t>(value)];
}

/// One message being read. The first thing that is wrong is remembered; finish() also refuses what nobody asked for.
class Reader {
 public:
  Reader(const Bytes& frame, std::string_view type) {
    if (auto shape = check_cbor_shape(frame); !shape) {
      fail(shape.error().message);
      return;
    }
    map_ = Json::from_cbor(frame, /*strict=*/true, /*allow_exceptions=*/false);
    if (!map_.is_object()) {
      fail("it is not a map");
    } else if (text("type") != type) {
      fail(fmt::format("its type is not \"{}\"", type));
    }
  }

  std::string text(const char* name) {
    Json* field = find(name);
    if (field == nullptr || !field->is_string()) {
      fail(fmt::format("\"{}\" is not a text", name));
      return {};
    }
    return std::move(field->get_ref<std::string&>());
  }

  std::uint32_t number(const char* name) {
    const Json* field = find(name);
    if (field == nullptr || !field->is_number_unsigned() ||
        field->get<std::uint64_t>() > std::numeric_limits<std::uint32_t>::max()) {
      fail(fmt::format("\"{}\" is not a number of 32 bits", name));
      return 0;
    }
    return field->get<std::uint32_t>();
  }

  Bytes bytes(const char* name) {
    const Json* field = find(name);
    if (field == nullptr || !field->is_binary() || field->get_binary().size() > kMaxBlobBytes) {
      fail(fmt::format("\"{}\" is not bytes, or too many", name));
      return {};
    }
    const auto& binary = field->get_binary();
    Bytes out(binary.size());
    std::transform(binary.begin(), binary.end(), out.begin(), [](std::uint8_t b) { return std::byte{b}; });
    return out;
  }

  template <class Enum, std::size_t kCount>
  Enum word(const char* name, const std::string_view (&words)[kCount]) {
    const std::string found = text(name);
    const auto at = std::find(std::begin(words), std::end(words), found);
    if (at == std::end(words)) {
      fail(fmt::format("\"{}\" is a word that is not known", name));
      return Enum{};
    }
    return static_cast<Enum>(at - std::begin(words));
  }

  template <class Message>
  Result<Message> finish(Message message) {
    if (problem_.empty() && map_.size() != seen_) {
      fail(fmt::format("{} fields where {} are known", map_.size(), seen_));
    }
    if (!problem_.empty()) {
      return bad_message(problem_);
    }
    return message;
  }

 private:
  Json* find(const char* name) {
    ++seen_;
    if (!map_.is_object()) {
      return nullptr;
    }
    const auto it = map_.find(name);
    return it == map_.end() ? nullptr : &*it;
  }

  void fail(std::string why) {
    if (problem_.empty()) {
      problem_ = std::move(why);
    }
  }

  Json map_;
  std::size_t seen_ = 0;
  std::string problem_;
};

/// Room for the one descriptor that a message carries.
union DescriptorMessage {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

std::vector<std::byte> encode(const Configure& message) {
  return cbor_frame({{"type", "configure"},
                     {"version", message.version},
                     {"url", message.url},
                     {"ca_file", message.ca_file},
                     {"ca_directory", message.ca_directory}});
}

std::vector<std::byte> encode(const Ready& message) {
  return cbor_frame({{"type", "ready"},
                     {"version", message.version},
                     {"engine", message.engine},
                     {"problem", message.problem}});
}

std::vector<std::byte> encode(const Request& message) {
  return cbor_frame({{"type", "request"},
                     {"op", word_of(kOps, message.op)},
                     {"limit_ms", message.limit_ms},
                     {"key", message.key},
                     {"token", message.token},
                     {"lease_ms", message.lease_ms},
                     {"blob", cbor_binary(message.blob)}});
}

std::vector<std::byte> encode(const Answer& message) {
  return cbor_frame({{"type", "answer"},
                     {"status", word_of(kStatuses, message.status)},
                     {"lease", word_of(kLeases, message.lease)},
                     {"error", message.error},
                     {"blob", cbor_binary(message.blob)}});
}

Result<Configure> decode_configure(const std::vector<std::byte>& frame) {
  Reader reader(frame, "configure");
  Configure message;
  message.version = reader.number("version");
  message.url = reader.text("url");
  message.ca_file = reader.text("ca_file");
  message.ca_directory = reader.text("ca_directory");
  return reader.finish(std::move(message));
}

Result<Ready> decode_ready(const std::vector<std::byte>& frame) {
  Reader reader(frame, "ready");
  Ready message;
  message.version = reader.number("version");
  message.engine = reader.text("engine");
  message.problem = reader.text("problem");
  return reader.finish(std::move(message));
}

Result<Request> decode_request(const std::vector<std::byte>& frame) {
  Reader reader(frame, "request");
  Request message;
  message.op = reader.word<Op>("op", kOps);
  message.limit_ms = reader.number("limit_ms");
  message.key = reader.text("key");
  message.token = reader.text("token");
  message.lease_ms = reader.number("lease_ms");
  message.blob = reader.bytes("blob");
  return reader.finish(std::move(message));
}

Result<Answer> decode_answer(const std::vector<std::byte>& frame) {
  Reader reader(frame, "answer");
  Answer message;
  message.status = reader.word<Status>("status", kStatuses);
  message.lease = reader.word<LeaseState>("lease", kLeases);
  message.error = reader.text("error");
  message.blob = reader.bytes("blob");
  return reader.finish(std::move(message));
}

Result<void> send_channel(int control, int channel) {
  char byte = 'c';
  iovec data{&byte, 1};
  DescriptorMessage room{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room.bytes;
  message.msg_controllen = sizeof(room.bytes);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &channel, sizeof(int));
  if (::sendmsg(control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    return bad_message(fmt::format("no channel can be sent: {}", std::strerror(errno)));
  }
  return {};
}

Result<int> receive_channel(int control) {
  char byte = 0;
  iovec data{&byte, 1};
  DescriptorMessage room{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room.bytes;
  message.msg_controllen = sizeof(room.bytes);
  ssize_t received = 0;
  do {
    received = ::recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received != 1) {
    return bad_message(received == 0 ? "the other side closed it" : std::strerror(errno));
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return bad_message("a byte without a channel");
  }
  int channel = -1;
  std::memcpy(&channel, CMSG_DATA(header), sizeof(int));
  return channel;
}

}  // namespace sinter::remote
