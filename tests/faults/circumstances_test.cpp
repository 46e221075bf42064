// SPDX-License-Identifier: Apache-2.0

// What a cache directory may look like and what a process may do with it: requests get the right bytes, every problem
// is said once, and what belongs to others is left alone.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "cache/kernel_cache.h"
#include "cache/schema.h"
#include "runtime/compile/compile_service.h"
#include "tests/faults/compiler_directory.h"
#include "tests/faults/fault_kernels.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::faults;
using namespace sinter::testing;

namespace {

constexpr int kRequests = 3;

/// Requests as a runtime makes them. 0 if each got the right bytes.
int make_requests(const std::string& directory, Problems& problems, CacheCounters& counters) {
  KernelCache cache({.directory = directory, .busy_timeout_ms = 50}, problems.sink());
  for (int i = 0; i < kRequests; ++i) {
    const auto hit = cache.lookup(key_of(i));
    if (hit && !same_code(*hit->code, *code_of(i))) {
      return 1;
    }
    cache.store(key_of(i), code_of(i));
    const auto again = cache.lookup(key_of(i));
    if (!again || !same_code(*again->code, *code_of(i))) {
      return 2;
    }
  }
  counters = cache.counters();
  return 0;
}

std::string lock_in(const std::string& directory) { return directory + "/" + std::string(schema::kLockFileName); }

}  // namespace

TEST_CASE("a file of the cache that is something else costs the cache at most, and one warning", "[faults]") {
  struct Odd {
    const char* what;
    std::function<void(const std::string& path)> make;
  };
  const std::vector<Odd> odds = {
      {"a directory", [](const std::string& path) { fs::create_directory(path); }},
      {"a directory with a file", [](const std::string& path) {
         fs::create_directory(path);
         write_file(path + "/file", {'x'});
       }},
      {"a pipe", [](const std::string& path) { REQUIRE(mkfifo(path.c_str(), 0600) == 0); }},
      {"a socket", [](const std::string& path) {
         sockaddr_un address{};
         address.sun_family = AF_UNIX;
         REQUIRE(path.size() < sizeof address.sun_path);
         path.copy(address.sun_path, path.size());
         const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
         REQUIRE(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
         close(descriptor);
       }},
      {"a link to nothing", [](const std::string& path) { fs::create_symlink("/nonexistent/file", path); }},
      {"a link to itself", [](const std::string& path) { fs::create_symlink(path, path); }},
      {"a link to a device", [](const std::string& path) { fs::create_symlink("/dev/full", path); }},
      {"an empty file", [](const std::string& path) { write_file(path, {}); }},
      {"a file of zeros", [](const std::string& path) { write_file(path, std::vector<char>(10'000)); }},
      {"a text", [](const std::string& path) { write_file(path, {'h', 'e', 'l', 'l', 'o'}); }},
      {"a file without rights", [](const std::string& path) {
         write_file(path, {});
         REQUIRE(chmod(path.c_str(), 0) == 0);
       }},
  };
  for (const char* name : {"", "-wal", "-shm", "-journal", "lock"}) {
    for (const Odd& odd : odds) {
      INFO("sinter.db" << name << " is " << odd.what);
      TempDir directory;
      const bool is_lock = std::string(name) == "lock";
      odd.make(is_lock ? lock_in(directory.path()) : database_in(directory.path()) + name);
      Problems problems;
      CacheCounters counters;
      // In a child: nothing of this may hang or crash.
      CHECK(run_child([&] {
              alarm(60);
              return make_requests(directory.path(), problems, counters) == 0 && problems.texts().size() <= 2 ? 0 : 1;
            }) == 0);
    }
  }
}

TEST_CASE("a database that is a link to a file elsewhere is used there", "[faults]") {
  TempDir directory, elsewhere;
  fs::create_symlink(database_in(elsewhere.path()), database_in(directory.path()));
  for (int process = 0; process < 2; ++process) {
    Problems problems;
    CacheCounters counters;
    CHECK(make_requests(directory.path(), problems, counters) == 0);
    CHECK(problems.all() == "");
    CHECK(counters.local_hits == (process == 0 ? 0 : kRequests));
  }
}

TEST_CASE("databases of older and newer schemas are left alone, byte for byte", "[faults]") {
  TempDir directory;
  const std::vector<char> others = {'o', 't', 'h', 'e', 'r'};
  for (const char* name : {"/sinter-v1.db", "/sinter-v1.db-wal", "/sinter-v1.lock", "/sinter-v3.db"}) {
    write_file(directory.path() + name, others);
  }
  Problems problems;
  CacheCounters counters;
  CHECK(make_requests(directory.path(), problems, counters) == 0);
  CHECK(counters.stores == kRequests);
  CHECK(problems.all() == "");
  for (const char* name : {"/sinter-v1.db", "/sinter-v1.db-wal", "/sinter-v1.lock", "/sinter-v3.db"}) {
    CHECK(read_file(directory.path() + name) == others);
  }
}

TEST_CASE("a header that claims a newer schema leaves the file alone and requests work in memory", "[faults]") {
  TempDir directory;
  Problems problems;
  CacheCounters counters;
  REQUIRE(make_requests(directory.path(), problems, counters) == 0);
  const std::int64_t newer = schema::kVersion + 1;
  REQUIRE(run_sql(directory.path(), "PRAGMA user_version=" + std::to_string(newer) + "; PRAGMA application_id=" +
                                        std::to_string(schema::application_id(newer))) == 0);
  const std::vector<char> before = read_file(database_in(directory.path()));
  CHECK(make_requests(directory.path(), problems, counters) == 0);
  CHECK(counters.stores == 0);
  CHECK(problems.texts().size() == 1);
  CHECK(read_file(database_in(directory.path())) == before);
  CHECK(count_bad_databases(directory.path()) == 0);
}

TEST_CASE("after a fork with the cache open, parent and child both get their kernels", "[faults]") {
  CompilerDirectory compilers;
  TempDir directory;
  Settings settings;
  settings.cache_dir = directory / "cache";
  settings.worker_dir = compilers.path();
  const Log log(LogLevel::kOff, [](LogLevel, std::string_view) {});
  Problems problems;
  KernelCache cache({.directory = settings.cache_dir}, problems.sink());
  CompileService service(settings, cache, log);
  const auto request = [&](int number) {
    const FaultKernel kernel = fault_kernel(number).value();
    const auto compiled = service.load_or_compile(kernel.spec, kernel.plan);
    return compiled && compiled->code->code == fault_code(kernel.spec.name());
  };
  REQUIRE(request(1));
  const pid_t child = start_child([&] {
    alarm(60);
    return request(1) && request(2) && request(3) ? 0 : 1;
  });
  CHECK(request(2));
  CHECK(wait_for(child) == 0);
  CHECK(request(4));
  CHECK(cache.counters().stores == 3);
  CHECK(problems.all() == "");
}
