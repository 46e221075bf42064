// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/redis_engine.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace sinter::remote {
namespace {

/// The entry; or 1 if the lease is ours; or 0 if it is another's. One round trip, and nobody comes between.
constexpr std::string_view kGetOrLease =
    "local entry = redis.call('GET', KEYS[1]) "
    "if entry then return entry end "
    "if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end "
    "if redis.call('GET', KEYS[2]) == ARGV[1] then return 1 end "  // asked again after a lost connection
    "return 0";
/// Both do nothing to a lease that has another owner by now.
constexpr std::string_view kRenewLease =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
constexpr std::string_view kReleaseLease =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

std::string entry_name(const Request& request) { return fmt::format("sinter:1:{{{}}}:entry", request.key); }
std::string lease_name(const Request& request) { return fmt::format("sinter:1:{{{}}}:lease", request.key); }

Answer entry_answer(const std::string& text) {
  Answer answer{Status::kDone, LeaseState::kNone, {}, {}};
  answer.blob.resize(text.size());
  std::memcpy(answer.blob.data(), text.data(), text.size());
  return answer;
}

Result<Answer> unexpected(const RedisReply& reply) {
  return failed(reply.kind == RedisReply::kError ? reply.text : "the server sent a reply of another kind than asked for");
}

}  // namespace

Answer RedisEngine::answer(const Request& request, const Deadline& deadline) {
  const auto act = [&]() -> Result<Answer> {
    switch (request.op) {
      case Op::kPing: {
        SINTER_TRY(const RedisReply reply, command({"PING"}, deadline));
        return reply.kind == RedisReply::kText ? Answer{Status::kDone, LeaseState::kNone, {}, {}} : *unexpected(reply);
      }
      case Op::kGet: return get(request, deadline);
      case Op::kPut: return put(request, deadline);
      case Op::kRenew:
      case Op::kRelease: return change_lease(request, deadline);
    }
    return failed("an operation that is not known");
  };
  const bool was_connected = connection_ != nullptr;
  auto answer = act();
  // An idle connection may have been closed by the server, or by a router that forgot it: not this request's fault.
  if (!answer && was_connected && answer.error().code != ErrorCode::kTimeout && deadline.left_ms() > 0) {
    answer = act();
  }
  return answer ? std::move(*answer) : failed(std::move(answer).error().message);
}

Result<void> RedisEngine::connect(const Deadline& deadline) {
  if (connection_ != nullptr) {
    return {};
  }
  SINTER_TRY(auto connection, RedisConnection::open(server_, deadline));
  std::vector<std::string_view> login{"AUTH"};
  if (!server_.user.empty()) {
    login.push_back(server_.user);
  }
  login.push_back(server_.password);
  const std::string database = server_.path.size() > 1 ? server_.path.substr(1) : "";
  const std::vector<std::string_view> choose{"SELECT", database};
  for (const std::vector<std::string_view>& words : {login, choose}) {
    if (words.back().empty()) {
      continue;  // No password, no database.
    }
    SINTER_TRY(const RedisReply reply, connection->command(words, deadline));
    if (reply.kind == RedisReply::kError) {
      return make_error(ErrorCode::kInternal, reply.text);
    }
  }
  connection_ = std::move(connection);
  may_lease_ = true;
  return {};
}

Result<RedisReply> RedisEngine::command(const std::vector<std::string_view>& words, const Deadline& deadline) {
  SINTER_TRY_VOID(connect(deadline));
  auto reply = connection_->command(words, deadline);
  if (!reply) {
    connection_.reset();
  }
  return reply;
}

Result<Answer> RedisEngine::get(const Request& request, const Deadline& deadline) {
  const std::string entry = entry_name(request);
  if (!request.token.empty() && may_lease_) {
    const std::string lease = lease_name(request), milliseconds = std::to_string(request.lease_ms);
    SINTER_TRY(const RedisReply reply,
               command({"EVAL", kGetOrLease, "2", entry, lease, request.token, milliseconds}, deadline));
    if (reply.kind == RedisReply::kText) {
      return entry_answer(reply.text);
    }
    if (reply.kind == RedisReply::kInteger) {
      return Answer{Status::kMissing, reply.integer == 1 ? LeaseState::kGranted : LeaseState::kHeld, {}, {}};
    }
    // A replica, or a user who may only read: there are no leases, but there are entries.
    may_lease_ = !reply.text.starts_with("NOPERM") && !reply.text.starts_with("READONLY");
  }
  SINTER_TRY(const RedisReply reply, command({"GET", entry}, deadline));
  switch (reply.kind) {
    case RedisReply::kText: return entry_answer(reply.text);
    case RedisReply::kNil: return Answer{Status::kMissing, LeaseState::kNone, {}, {}};
    default: return unexpected(reply);
  }
}

Result<Answer> RedisEngine::put(const Request& request, const Deadline& deadline) {
  const std::string_view blob(reinterpret_cast<const char*>(request.blob.data()), request.blob.size());
  SINTER_TRY(const RedisReply reply, command({"SET", entry_name(request), blob}, deadline));
  if (reply.kind != RedisReply::kText) {
    return unexpected(reply);
  }
  return Answer{Status::kDone, LeaseState::kNone, {}, {}};
}

Result<Answer> RedisEngine::change_lease(const Request& request, const Deadline& deadline) {
  const std::string lease = lease_name(request), milliseconds = std::to_string(request.lease_ms);
  const std::string_view script = request.op == Op::kRenew ? kRenewLease : kReleaseLease;
  SINTER_TRY(const RedisReply reply, command({"EVAL", script, "1", lease, request.token, milliseconds}, deadline));
  if (reply.kind != RedisReply::kInteger) {
    return unexpected(reply);
  }
  return Answer{reply.integer == 1 ? Status::kDone : Status::kMissing, LeaseState::kNone, {}, {}};
}

}  // namespace sinter::remote
