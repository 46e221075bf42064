// SPDX-License-Identifier: Apache-2.0
// kill -9 of any process at any moment: a fleet works on one cache directory, and this program kills and replaces its
// members and their compile workers at random, among them those that hold what others wait for, those that have just
// started and those that were stopped before. Now and then the directory is moved away under all of them, or deleted
// file by file.
//
// It fails on a wrong load, a database or a row that is found damaged, a member that is stuck, a worker that is left
// over, and a cache that does not work afterwards. Only where files are deleted one by one, so that a log may go from
// under its database, may a database be found damaged; what is loaded must be right even then.

#include <sys/mman.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>
#include <random>
#include <thread>

#include "cache/kernel_cache.h"
#include "tests/faults/arguments.h"
#include "tests/faults/fleet.h"
#include "tests/faults/verify_cache.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::faults;
using testing::TempDir;

namespace {

struct KillCounts {
  std::int64_t members = 0, compiling = 0, workers = 0, newborn = 0, stopped = 0, moves = 0, deletions = 0;
};

class KillFleet {
 public:
  explicit KillFleet(const Arguments& arguments)
      : arguments_(arguments), random_(static_cast<std::uint32_t>(arguments["seed"])) {
    void* const memory =
        ::mmap(nullptr, sizeof(FleetState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    state_ = new (memory) FleetState();
    compilers_.behave("* sleep " + std::to_string(arguments["compile-ms"]));
  }

  /// 0 or the exit status of a failure.
  int run() {
    for (std::size_t place = 0; place < kMembers; ++place) {
      start(place);
    }
    const std::int64_t kills = arguments_["kills"], move_every = arguments_["move-every"];
    const std::int64_t delete_every = arguments_["delete-every"];
    while (done() < kills && problem_.empty()) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(random_() % static_cast<std::uint32_t>(2000 * arguments_["pause-ms"])));
      state_->generation = done() / 4;
      kill_one();
      if (move_every > 0 && done() / move_every > counts_.moves) {
        move_directory();
      }
      if (delete_every > 0 && done() / delete_every > counts_.deletions) {
        delete_files();
      }
      watch();
    }
    end_all();
    if (problem_.empty()) {
      problem_ = look_afterwards();
    }
    report();
    return problem_.empty() ? 0 : 1;
  }

 private:
  std::int64_t done() const { return counts_.members + counts_.workers; }
  std::uint32_t percent() { return static_cast<std::uint32_t>(random_() % 100); }

  void start(std::size_t place) {
    MemberState& member = state_->members[place];
    member.began_ms = 0;
    member.compiling = false;
    const std::uint32_t seed = static_cast<std::uint32_t>(random_());
    const pid_t pid = ::fork();
    if (pid == 0) {
      run_member(place, seed, paths_, *state_);
    }
    member.pid = pid;
  }

  void kill_one() {
    if (percent() < 25) {
      const auto workers = compilers_.workers();
      if (!workers.empty()) {
        ::kill(workers[random_() % workers.size()], SIGKILL);
        ++counts_.workers;
        return;
      }
    }
    std::size_t place = random_() % kMembers;
    if (percent() < 30) {
      // One that compiles or waits for who does.
      for (std::size_t i = 0; i < kMembers; ++i) {
        const std::size_t other = (place + i) % kMembers;
        if (state_->members[other].compiling) {
          place = other;
          ++counts_.compiling;
          break;
        }
      }
    }
    const pid_t pid = state_->members[place].pid;
    if (percent() < static_cast<std::uint32_t>(arguments_["stop-percent"])) {
      // What it holds stays held for a while.
      ::kill(pid, SIGSTOP);
      std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 100));
      ++counts_.stopped;
    }
    end(place);
    start(place);
    if (percent() < 20) {
      // Its successor too, while it opens the database.
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 5000));
      end(place);
      start(place);
      ++counts_.newborn;
    }
  }

  void end(std::size_t place) {
    const pid_t pid = state_->members[place].pid;
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
      problem_ = "a member crashed by signal " + std::to_string(WTERMSIG(status));
    } else if (WIFEXITED(status)) {
      problem_ = "a member ended by itself with status " + std::to_string(WEXITSTATUS(status));
    }
    ++counts_.members;
  }

  /// Under the running fleet, which goes on in a new one.
  void move_directory() {
    ++counts_.moves;
    keep_if_bad();
    const std::string aside = directory_ / "aside";
    std::filesystem::rename(paths_.cache, aside);
    if (const std::string bad = verify_apart(aside); !bad.empty()) {
      problem_ = "the moved database: " + bad;
    } else {
      std::filesystem::remove_all(aside);
    }
  }

  /// As `rm -r` does, in the order in which they are listed; the fleet makes new ones meanwhile.
  void delete_files() {
    ++counts_.deletions;
    std::error_code ignored;
    std::filesystem::remove_all(paths_.cache, ignored);
  }

  /// In a process of its own: one that has opened a database must not fork.
  std::string verify_apart(const std::string& directory) {
    const int status = testing::run_child([&] {
      const std::string problem = verify_cache(directory);
      std::fprintf(stderr, "%s%s", problem.c_str(), problem.empty() ? "" : "\n");
      return problem.empty() ? 0 : 1;
    });
    return status == 0 ? "" : "verify failed with " + std::to_string(status);
  }

  void keep_if_bad() {
    if (!paths_.files_vanish && problem_.empty() && testing::count_bad_databases(paths_.cache) > 0) {
      problem_ = "a database was taken for damaged";
    }
  }

  void watch() {
    const std::int64_t now = steady_ms();
    for (std::size_t place = 0; place < kMembers; ++place) {
      const MemberState& member = state_->members[place];
      const std::int64_t began = member.began_ms;
      if (began != 0 && now - began > arguments_["bound-s"] * 1000) {
        problem_ = "member " + std::to_string(place) + " is stuck for " + std::to_string(now - began) + " ms";
      }
      longest_ms_ = began != 0 ? std::max(longest_ms_, now - began) : longest_ms_;
    }
    if (state_->wrong > 0) {
      problem_ = "a wrong load";
    }
    if (done() % 100 == 0 && std::filesystem::exists(paths_.cache)) {
      keep_if_bad();
    }
  }

  void end_all() {
    for (std::size_t place = 0; place < kMembers; ++place) {
      const pid_t pid = state_->members[place].pid;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  /// Whether the directory works, nothing bad is in it, and no worker outlived its owner.
  std::string look_afterwards() {
    keep_if_bad();
    if (!problem_.empty()) {
      return problem_;
    }
    if (const std::string bad = verify_apart(paths_.cache); !bad.empty() && !paths_.files_vanish) {
      return bad;
    }
    const int status = testing::run_child([&] {
      KernelCache cache({.directory = paths_.cache, .memory_bytes = 0}, nullptr);
      cache.store(testing::key_of(1000), testing::code_of(1000));
      const auto hit = cache.lookup(testing::key_of(1000));
      return hit && testing::same_code(*hit->code, *testing::code_of(1000)) ? 0 : 1;
    });
    if (status != 0) {
      return "the cache does not work afterwards";
    }
    std::int64_t bad = 0;
    for (const MemberState& member : state_->members) {
      bad += member.bad;
    }
    if (bad > 0 && !paths_.files_vanish) {
      return std::to_string(bad) + " rows failed their checks";
    }
    const std::int64_t deadline = steady_ms() + arguments_["bound-s"] * 1000;
    while (!compilers_.workers().empty()) {
      if (steady_ms() > deadline) {
        return std::to_string(compilers_.workers().size()) + " workers are left over";
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return {};
  }

  void report() const {
    std::int64_t hits = 0, misses = 0, stores = 0, compiles = 0, failures = 0, faults = 0, operations = 0;
    for (const MemberState& member : state_->members) {
      operations += member.operations;
      hits += member.hits;
      misses += member.misses;
      stores += member.stores;
      compiles += member.compiles;
      failures += member.failures;
      faults += member.faults;
    }
    const auto number = [](std::int64_t value) { return static_cast<long long>(value); };
    std::printf("%lld kills: %lld members (%lld in a compile, %lld just started, %lld stopped before), %lld workers; "
                "the directory moved away %lld and deleted %lld times\n",
                number(done()), number(counts_.members), number(counts_.compiling), number(counts_.newborn),
                number(counts_.stopped), number(counts_.workers), number(counts_.moves), number(counts_.deletions));
    std::printf("%lld operations; of the members that counted: %lld disk hits, %lld misses, %lld stores, %lld compiles, "
                "%lld failed requests, %lld storage faults; longest operation seen %lld ms\n",
                number(operations), number(hits), number(misses), number(stores), number(compiles), number(failures),
                number(faults), number(longest_ms_));
    if (state_->has_note) {
      std::printf("first message: %s\n", state_->note.data());
    }
    std::printf("%lld wrong loads; %s\n", number(state_->wrong), problem_.empty() ? "ok" : problem_.c_str());
  }

  const Arguments& arguments_;
  std::mt19937 random_;
  CompilerDirectory compilers_;
  TempDir directory_;
  const FleetPaths paths_{directory_ / "cache", compilers_.path(), directory_ / "run", arguments_["delete-every"] > 0};
  FleetState* state_;
  KillCounts counts_;
  std::int64_t longest_ms_ = 0;
  std::string problem_;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {{"kills", 300},
                             {"pause-ms", 10},
                             {"compile-ms", 5},
                             {"stop-percent", 5},
                             {"move-every", 150},
                             {"delete-every", 0},
                             {"bound-s", 30}});
  return KillFleet(arguments).run();
}
