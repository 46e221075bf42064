// SPDX-License-Identifier: Apache-2.0

// Which compiler a kernel is filed under while compilers are replaced.

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "runtime/compile/file_stamp.h"
#include "tests/support/fake_compiler.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// Longer than a filesystem's clock may be behind.
void let_files_age() { std::this_thread::sleep_for(100ms); }

std::int64_t unix_ns_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Another text of the same length under the same size, time and inode.
void rewrite_unseen(const std::string& path, const std::string& text) {
  struct stat before {};
  REQUIRE(::stat(path.c_str(), &before) == 0);
  std::fstream(path, std::ios::in | std::ios::out) << text;
  const timespec times[] = {before.st_atim, before.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

TEST_CASE("who asks anew gets the compiler that is installed now, and the workers of the older one leave", "[stampede]") {
  const FakeMachine machine;
  machine.install("llvm 1");
  FakeProcess process(machine);
  REQUIRE(process.get(0));
  machine.install("llvm 2");
  WorkerPool& workers = process.service().workers();
  CHECK(workers.backend_info("llvm")->identity == "llvm 1");
  CHECK(workers.ask_anew("llvm")->identity == "llvm 2");
  CHECK(workers.backend_info("llvm")->identity == "llvm 2");
}

TEST_CASE("kernels are filed under the compiler that made them while it is replaced beside a warm worker", "[stampede]") {
  const FakeMachine machine;
  machine.install("llvm 1");
  FakeProcess process(machine);
  CHECK(process.get(0)->code->compiler == "llvm 1");
  machine.install("llvm 2");
  let_files_age();
  // Two at once: one in the warm worker, the other in a new one, whose answer shows that there is another compiler.
  machine.behave("grouped_gemm slow\n");
  {
    std::jthread first([&] { (void)process.get(1); }), second([&] { (void)process.get(2); });
  }
  machine.behave("");
  CHECK(process.get(3)->code->compiler == "llvm 2");
  FakeProcess later(machine), last(machine);
  CHECK(later.get(4)->code->compiler == "llvm 2");
  CHECK(last.get(3)->origin == CodeOrigin::kLocal);
  CHECK(last.get(4)->origin == CodeOrigin::kLocal);
}

TEST_CASE("an identity that its compiler contradicts is forgotten by all processes", "[stampede]") {
  const FakeMachine machine;
  machine.install("llvm 1");
  let_files_age();
  REQUIRE(FakeProcess(machine).get(0));
  rewrite_unseen(machine.path("workers/library"), "llvm 2\n");
  let_files_age();
  FakeProcess second(machine), third(machine);
  CHECK(second.get(1)->code->compiler == "llvm 2");
  CHECK(third.get(1)->origin == CodeOrigin::kLocal);
}

TEST_CASE("an identity is not kept for files that were put there after it was asked for") {
  const TempDir directory;
  const std::string path = directory / "library", other = directory / "other";
  std::ofstream(path) << "1";
  std::ofstream(other) << "2";
  let_files_age();
  const std::int64_t asked = unix_ns_now();
  const auto sealed = seal_memo({"llvm 1", {path}}, asked);
  REQUIRE(sealed);
  CHECK(open_memo(*sealed) == "llvm 1");
  CHECK_FALSE(seal_memo({"llvm 1", {path, directory / "missing"}}, asked));
  fs::rename(other, path);  // as old, but not here
  CHECK_FALSE(seal_memo({"llvm 1", {path}}, asked));
  CHECK_FALSE(open_memo(*sealed));
  let_files_age();
  CHECK(seal_memo({"llvm 2", {path}}, unix_ns_now()));
}

}  // namespace
}  // namespace sinter
