// SPDX-License-Identifier: Apache-2.0
// Bit flips, wrong bytes, lost and swapped pages and truncation at random positions of a database, its log, its rollback
// journal, a bundle and its manifest. A process then uses what is left: it must get the right bytes or a miss, must not
// crash or hang, must keep what was damaged aside, and must be able to store again.
//
// Damage number N of a seed is always the same: `--seed S --first N --count 1` repeats one.

#include <sys/mman.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <new>
#include <thread>

#include "cache/kernel_cache.h"
#include "tests/faults/arguments.h"
#include "tests/faults/damaged_cache.h"
#include "tests/support/bundles.h"

using namespace sinter;
using namespace sinter::faults;

namespace {

constexpr std::size_t kPage = 4096;
/// A child that crashes loses no more than this many damages; starting one for each would be most of the time.
constexpr std::int64_t kPerChild = 64;

/// What a child tells, also when it crashes.
struct Report {
  std::atomic<std::int64_t> current{-1};
  std::array<char, 1000> what{};   ///< The damage under way.
  std::array<char, 1000> wrong{};  ///< Why it failed.
};

void write_text(std::array<char, 1000>& to, const std::string& text) {
  to.fill('\0');
  text.copy(to.data(), to.size() - 1);
}

/// Damages one of the files; says how.
std::string damage_file(std::vector<char>& file, std::mt19937& random) {
  const std::size_t position = random() % file.size();
  switch (random() % 10) {
    case 0: {
      const std::size_t size = random() % 3 == 0 ? position / kPage * kPage : position;
      file.resize(size);
      return "cut off at " + std::to_string(size);
    }
    case 1: {
      const std::size_t count = std::min<std::size_t>(1 + random() % 64, file.size() - position);
      for (std::size_t i = 0; i < count; ++i) {
        damage_byte(file[position + i], random);
      }
      return std::to_string(count) + " bytes from " + std::to_string(position);
    }
    case 2: {
      if (file.size() < 2 * kPage) {
        break;
      }
      const std::size_t pages = file.size() / kPage, to = random() % pages * kPage, from = random() % pages * kPage;
      const std::uint32_t how = static_cast<std::uint32_t>(random() % 3);
      for (std::size_t i = 0; i < kPage; ++i) {
        file[to + i] = how == 0 ? '\0' : how == 1 ? file[from + i] : static_cast<char>(random());
      }
      return "the page at " + std::to_string(to) + (how == 0 ? " lost" : how == 1 ? " replaced by another" : " of noise");
    }
    case 3: {
      // The first bytes of a file mean most.
      const std::size_t near_start = random() % std::min<std::size_t>(file.size(), 128);
      damage_byte(file[near_start], random);
      return "byte " + std::to_string(near_start) + " is " + std::to_string(int{file[near_start]});
    }
    default: break;
  }
  damage_byte(file[position], random);
  return "byte " + std::to_string(position) + " is " + std::to_string(int{file[position]});
}

struct DamagedFile {
  std::string label;
  std::string name;
  std::vector<char> bytes;
};

/// Files to damage, and how a process uses what is left of them: empty, or what went wrong.
struct Target {
  std::string name;
  std::vector<DamagedFile> files;
  std::function<std::string(const std::string& directory)> use;
};

Target database_target(const std::string& name, const Image& image) {
  const std::string database = testing::database_in("");
  Target target{name, {{"database", database, image.database}}, use_damaged};
  if (!image.log.empty()) target.files.push_back({"log", database + "-wal", image.log});
  if (!image.journal.empty()) target.files.push_back({"journal", database + "-journal", image.journal});
  return target;
}

/// A signed bundle and its manifest. `keys` takes the key that is trusted.
Target bundle_target(const std::string& keys) {
  const testing::TempDir directory;
  const auto key = SigningKey::generate();
  check(key.has_value(), "no signing key");
  testing::trust_key(keys, key->public_key());
  const std::string path = testing::make_bundle(directory.path(), {0, 1, 2, 3}, &*key);
  const std::string name = path.substr(directory.path().size());
  Target target{"bundle", {{"bundle", name, testing::read_file(path)},
                           {"manifest", testing::manifest_of(name), testing::read_file(testing::manifest_of(path))}}, {}};
  target.use = [keys](const std::string& used) -> std::string {
    for (const SignaturePolicy policy : {SignaturePolicy::kNone, SignaturePolicy::kAll}) {
      KernelCache cache({.bundles = {used}, .signatures = policy, .trusted_keys = keys}, nullptr);
      for (int i = 0; i < 4; ++i) {
        const auto hit = cache.lookup(testing::key_of(i));
        const auto right = testing::code_of(i);
        if (hit && (hit->code->code != right->code || hit->code->entry != right->entry ||
                    hit->code->facts != right->facts || hit->code->format != right->format)) {
          return "wrong bytes of entry " + std::to_string(i);
        }
      }
    }
    return {};
  };
  return target;
}

class DamageRun {
 public:
  DamageRun(const Arguments& arguments, Report& report) : arguments_(arguments), report_(report) {
    targets_ = {database_target("closed database", closed_image()), database_target("killed writer", killed_image()),
                database_target("interrupted transaction", interrupted_image()), bundle_target(keys_.path())};
  }

  /// The damages from `first` on, in this process; true if all went well.
  bool run_batch(std::int64_t first, std::int64_t last) {
    testing::TempDir directory;
    for (std::int64_t number = first; number < last; ++number) {
      std::seed_seq sequence{arguments_["seed"], number};
      std::mt19937 random(sequence);
      Target target = targets_[random() % targets_.size()];
      DamagedFile& file = target.files[random() % target.files.size()];
      write_text(report_.what, target.name + ", " + file.label + ": " + damage_file(file.bytes, random));
      report_.current = number;
      for (const auto& old : testing::fs::directory_iterator(directory.path())) {
        testing::fs::remove_all(old.path());
      }
      for (const DamagedFile& each : target.files) {
        testing::write_file(directory.path() + each.name, each.bytes);
      }
      const std::string wrong = target.use(directory.path());
      if (!wrong.empty()) {
        write_text(report_.wrong, wrong);
        return false;
      }
    }
    return true;
  }

  /// Runs a batch in a child. Empty, or what went wrong.
  std::string run_child(std::int64_t first, std::int64_t last) {
    report_.current = first;
    const pid_t child = testing::start_child([&] { return run_batch(first, last) ? 0 : 1; });
    std::int64_t seen = -1;
    auto since = std::chrono::steady_clock::now();
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const auto now = std::chrono::steady_clock::now();
      if (report_.current != seen) {
        seen = report_.current;
        since = now;
      } else if (now - since > std::chrono::seconds(arguments_["bound-s"])) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        return "hangs";
      }
    }
    if (WIFSIGNALED(status)) {
      return "crashes by signal " + std::to_string(WTERMSIG(status));
    }
    return WEXITSTATUS(status) == 0 ? "" : WEXITSTATUS(status) == 1 ? report_.wrong.data() : "ends by itself";
  }

 private:
  const Arguments& arguments_;
  Report& report_;
  testing::TempDir keys_;
  std::vector<Target> targets_;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, {{"first", 0}, {"count", 500}, {"bound-s", 60}});
  void* const memory = ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Report& report = *new (memory) Report();
  DamageRun run(arguments, report);
  const std::int64_t end = arguments["first"] + arguments["count"];
  for (std::int64_t first = arguments["first"]; first < end; first += kPerChild) {
    const std::string wrong = run.run_child(first, std::min(first + kPerChild, end));
    if (!wrong.empty()) {
      std::printf("damage %lld (%s): %s\n", static_cast<long long>(report.current.load()), report.what.data(),
                  wrong.c_str());
      return 1;
    }
  }
  std::printf("%lld damages: right bytes or a miss, no crash, no hang, and all healed\n",
              static_cast<long long>(arguments["count"]));
  return 0;
}
