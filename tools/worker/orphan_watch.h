// SPDX-License-Identifier: Apache-2.0
#pragma once

// OrphanWatch: ends a worker whose peer is gone even while a compiler keeps it busy. A runtime that lives kills a worker
// that takes too long; one that was killed cannot, and a compiler that never returns would keep a core busy for ever.

namespace sinter {

/// Starts a thread that ends this process, with exit status 0, as soon as the other end of the socket `fd` is closed.
/// Nothing is left behind: a worker's answers go through its socket and its files are unnamed. Without a thread to be had
/// the worker works as before. Call once, before any compiler can start threads or change signal handlers.
void end_with_peer(int fd);

}  // namespace sinter
