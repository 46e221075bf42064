// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/redis_reply.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <new>
#include <utility>

#include "base/remote_protocol.h"

namespace sinter::remote {
namespace {

static_assert(RedisReplyReader::kMaxBytes == kMaxBlobBytes + 1024);

Error bad_reply(std::string why) { return make_error(ErrorCode::kInternal, std::move(why)); }

RedisReply* make_reply(RedisReply::Kind kind) {
  auto* reply = new (std::nothrow) RedisReply;
  if (reply != nullptr) {
    reply->kind = kind;
  }
  return reply;
}

void* create_string(const redisReadTask* task, char* text, std::size_t size) {
  RedisReply* reply = make_reply(task->type == REDIS_REPLY_ERROR ? RedisReply::kError : RedisReply::kText);
  if (reply != nullptr) {
    reply->text.assign(text, size);
  }
  return reply;
}
/// An array is no reply to anything that is asked here; null makes the reader give up before it has elements.
void* create_array(const redisReadTask*, int) { return nullptr; }
void* create_integer(const redisReadTask*, long long value) {
  RedisReply* reply = make_reply(RedisReply::kInteger);
  if (reply != nullptr) {
    reply->integer = value;
  }
  return reply;
}
void* create_nil(const redisReadTask*) { return make_reply(RedisReply::kNil); }
void free_reply(void* reply) { delete static_cast<RedisReply*>(reply); }

}  // namespace

struct RedisReplyReader::Functions {
  redisReplyObjectFunctions table{create_string, create_array, create_integer, create_nil, free_reply};
};

RedisReplyReader::RedisReplyReader()
    : functions_(std::make_unique<Functions>()), reader_(redisReaderCreateWithFunctions(&functions_->table)) {}

RedisReplyReader::~RedisReplyReader() {
  if (reader_ != nullptr) {
    redisReaderFree(reader_);
  }
}

Result<std::optional<RedisReply>> RedisReplyReader::feed(std::string_view bytes) {
  fed_bytes_ += bytes.size();
  if (fed_bytes_ > kMaxBytes) {
    return bad_reply(fmt::format("a reply of more than {} bytes", kMaxBytes));
  }
  void* object = nullptr;
  if (reader_ == nullptr || redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK ||
      redisReaderGetReply(reader_, &object) != REDIS_OK) {
    return bad_reply("what it sent is no reply of a Redis server");
  }
  if (object == nullptr) {
    return std::optional<RedisReply>();
  }
  const std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(object));
  if (reader_->pos < reader_->len) {
    return bad_reply("it sent more than one reply");  // the rest would be taken for the next one
  }
  return std::optional(std::move(*reply));
}

}  // namespace sinter::remote
