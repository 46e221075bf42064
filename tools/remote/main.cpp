// SPDX-License-Identifier: Apache-2.0
// sinter-remote: speaks to the server of a remote tier on behalf of one runtime (docs/remote.md). Started by the
// library, on a socket; not for people.

#include <curl/curl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/child_process.h"
#include "base/remote_protocol.h"
#include "base/worker_protocol.h"
#include "tools/remote/channel_server.h"
#include "tools/remote/engine.h"

namespace sinter::remote {
namespace {

/// Of each thread; the default would count 8 MiB against the limit of this process's memory.
constexpr std::size_t kStackBytes = 512u << 10;

/// Returns when the runtime closes the socket, or is not to be understood.
int serve(int control) {
  const auto first = protocol::read_frame(control, -1, kMaxFrameBytes);
  if (!first) {
    return 0;
  }
  const auto configure = decode_configure(*first);
  if (!configure) {
    return 1;
  }
  const auto server = parse_server(*configure);
  Ready ready;
  ready.engine = server ? engine_name(*server) : "";
  ready.problem = server ? "" : server.error().message;
  if (!protocol::write_frame(control, encode(ready), -1)) {
    return 0;
  }
  ChannelServer channels(server ? *server : Server{});
  for (;;) {
    const auto channel = receive_channel(control);
    if (!channel) {
      return 0;
    }
    channels.serve(Descriptor(*channel));
  }
}

}  // namespace
}  // namespace sinter::remote

int main() {
  struct stat file {};
  if (::fstat(sinter::ChildProcess::kSocketFd, &file) != 0 || !S_ISSOCK(file.st_mode)) {
    fmt::print(stderr, "sinter-remote is started by Sinter's library on a socket; `sinter doctor` says how it fares\n");
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  // Few arenas and small stacks, so that many channels stay within the limit.
  ::mallopt(M_ARENA_MAX, 2);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, sinter::remote::kStackBytes);
  ::pthread_setattr_default_np(&attributes);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  // Channels may be in the middle of something: nothing of it is of use any more.
  ::_exit(sinter::remote::serve(sinter::ChildProcess::kSocketFd));
}
