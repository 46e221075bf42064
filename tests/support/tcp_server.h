// SPDX-License-Identifier: Apache-2.0
#pragma once

// A server on a loopback port that does what a function says to every connection: for servers that no real one is.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sinter::testing {

/// One connection. Every call ends when the server is to end.
class Client {
 public:
  Client(int socket, const std::atomic<bool>& stop) : socket_(socket), stop_(stop) {}

  /// What it sent until now, at least something unless it is gone; then empty.
  std::string receive() const {
    std::string text(64 << 10, '\0');
    while (wait(POLLIN)) {
      const ssize_t size = ::recv(socket_, text.data(), text.size(), MSG_DONTWAIT);
      if (size >= 0) {
        text.resize(static_cast<std::size_t>(size));
        return text;
      }
    }
    return {};
  }
  /// False once nobody takes it any more.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN) return false;
      bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    return true;
  }
  /// Ends the connection with a reset instead of an end.
  void reset() const {
    const linger hard{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
  /// Until the other side hangs up.
  void hang() const {
    while (!receive().empty()) {
    }
  }

 private:
  bool wait(short events) const {
    while (!stop_) {
      pollfd entry{socket_, events, 0};
      if (::poll(&entry, 1, 20) > 0) return true;
    }
    return false;
  }

  int socket_;
  const std::atomic<bool>& stop_;
};

class TcpServer {
 public:
  using Behaviour = std::function<void(const Client&)>;

  explicit TcpServer(Behaviour behaviour) : behaviour_(std::move(behaviour)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(socket_, generic, size) == 0);
    REQUIRE(::listen(socket_, 64) == 0);
    REQUIRE(::getsockname(socket_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TcpServer() {
    stop_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    ::close(socket_);
  }
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  std::string url(const std::string& scheme) const { return scheme + "://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void accept_all() {
    while (!stop_) {
      pollfd entry{socket_, POLLIN, 0};
      if (::poll(&entry, 1, 20) <= 0) continue;
      const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      ++connections_;
      threads_.emplace_back([this, client] {
        behaviour_(Client(client, stop_));
        ::close(client);
      });
    }
  }

  const Behaviour behaviour_;
  int socket_;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::vector<std::thread> threads_;  // Of the acceptor, until it has ended.
  std::thread acceptor_;
};

}  // namespace sinter::testing
