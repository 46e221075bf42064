// SPDX-License-Identifier: Apache-2.0
#pragma once

// RedisEngine: entries as strings "sinter:1:{KEY}:entry", leases as strings "sinter:1:{KEY}:lease" that expire. The
// braces keep both in one slot of a cluster.

#include <memory>

#include "tools/remote/engine.h"
#include "tools/remote/redis_connection.h"

namespace sinter::remote {

class RedisEngine final : public Engine {
 public:
  explicit RedisEngine(Server server) : server_(std::move(server)) {}
  Answer answer(const Request& request, const Deadline& deadline) override;

 private:
  Result<void> connect(const Deadline& deadline);
  /// An error reply is a value here.
  Result<RedisReply> command(const std::vector<std::string_view>& words, const Deadline& deadline);
  Result<Answer> get(const Request& request, const Deadline& deadline);
  Result<Answer> put(const Request& request, const Deadline& deadline);
  Result<Answer> change_lease(const Request& request, const Deadline& deadline);

  const Server server_;
  std::unique_ptr<RedisConnection> connection_;  // Null: not connected.
  bool may_lease_ = true;  // Until this connection's user was refused.
};

}  // namespace sinter::remote
