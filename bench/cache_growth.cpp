// SPDX-License-Identifier: Apache-2.0

// What a large cache costs: opening one with many small entries beside one with ten, and removing a part of them while
// others read and write.
//
//   bench-cache-growth [entries] [directory]

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/children.h"
#include "cache/database_files.h"
#include "cache/entry_row.h"
#include "cache/kernel_cache.h"
#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/sqlite_connection.h"
#include "cache/sqlite_store.h"

namespace sinter {
namespace {

using bench::Clock;
using bench::fail;
using bench::microseconds_since;
using bench::numbers_of;
using bench::quantile;
using bench::start_child;

constexpr int kFew = 10;
constexpr int kRounds = 100;

CacheKey key_of(int number) {
  return make_cache_key({{"spec", fmt::format("small_n{}", number)}, {"family", "small"}, {"arch", "sm_90a"}});
}

CodeObject code_of(int number) {
  CodeObject code;
  code.format = CodeFormat::kCubin;
  code.entry = "small";
  code.code.assign(200, std::byte{static_cast<unsigned char>(number)});
  code.facts.target = "sm_90a";
  code.facts.entry = "small";
  code.backend = "nvrtc";
  code.compiler = fmt::format("nvrtc 13.{}", number % 8);
  code.created_unix_s = 1'700'000'000;
  return code;
}

KernelCache open_cache(const std::string& directory) {
  return KernelCache({.directory = directory, .memory_bytes = 0, .busy_timeout_ms = 5000, .max_bytes = 0, .max_entries = 0},
                     nullptr);
}

/// In large transactions, since a commit for each of a million entries would take an hour.
void fill(const std::string& directory, int entries) {
  open_cache(directory).store(key_of(0), std::make_shared<const CodeObject>(code_of(0)));
  SqliteConnection connection;
  const auto opened = open_connection(DatabaseFiles(directory), LockMode::kShared, JournalMode::kWriteAheadLog,
                                      std::chrono::seconds(5), connection);
  if (!opened || opened->kind != OpenOutcome::kReady) fail("cannot open the cache to fill");
  for (int begin = 1; begin < entries; begin += 1000) {
    Transaction transaction(connection.database);
    if (!transaction.begin_write().ok()) fail("begin");
    for (int i = begin; i < std::min(begin + 1000, entries); ++i) {
      const auto row = seal_entry(key_of(i), code_of(i), {.writer = "bench"});
      if (!row) fail("seal");
      const DbStatus put = connection.execute(connection.put_entry, schema::kPutEntry,
                                              [&](Statement& statement) { bind_entry_row(statement, *row); });
      const DbStatus use = connection.execute(connection.put_use, schema::kPutUse, [&](Statement& statement) {
        statement.bind(1, bytes_of(row->key));
        statement.bind(2, std::int64_t{1'700'000'000} + i * std::int64_t{60});
        statement.bind(3, entry_bytes(*row));
        statement.bind(4, entry_generation(*row));
      });
      if (!put.ok() || !use.ok()) fail("insert");
    }
    if (!transaction.commit().ok()) fail("commit");
  }
}

void first_hit(const std::string& directory, int number, bool with_connection) {
  const CacheKey key = key_of(number);
  Database other;
  if (with_connection && !Database::open(":memory:", OpenMode::kReadWrite, other).ok()) fail("open");
  const auto start = Clock::now();
  auto& cache = *new KernelCache({.directory = directory, .max_bytes = 0, .max_entries = 0}, nullptr);
  if (!cache.lookup(key)) fail("no hit");
  fmt::print("{}\n", microseconds_since(start));
  std::fflush(stdout);
  _exit(0);
}

void collect(const std::string& directory, std::int64_t entries) {
  SqliteStore store({.directory = directory, .busy_timeout = std::chrono::seconds(5), .limits = {0, 0}},
                    [](const std::string& problem) { fail(problem); });
  const auto start = Clock::now();
  const auto report = store.collect_garbage({.max_bytes = 0, .max_entries = entries}, false);
  if (!report) fail(report.error().message);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{}\n{}\n{}\n", microseconds_since(start), report->removed_entries, usage.ru_maxrss);
}

/// Reads and writes until the process that collects is gone; prints the longest of each.
void use_meanwhile(const std::string& directory, int first, int count) {
  KernelCache cache = open_cache(directory);
  double longest_read = 0;
  double longest_write = 0;
  for (int i = 0; i < count; ++i) {
    const CacheKey key = key_of(first + i);
    auto start = Clock::now();
    cache.store(key, std::make_shared<const CodeObject>(code_of(i)));
    longest_write = std::max(longest_write, microseconds_since(start));
    start = Clock::now();
    if (!cache.lookup(key)) fail("what was stored is gone");
    longest_read = std::max(longest_read, microseconds_since(start));
    usleep(2000);
  }
  fmt::print("{}\n{}\n", longest_read, longest_write);
}

int run_parent(int entries, const std::string& parent) {
  std::string root = parent + "/sinter-bench-XXXXXX";
  if (mkdtemp(root.data()) == nullptr) fail("no temporary directory");
  const std::string few = root + "/few";
  const std::string many = root + "/many";
  auto start = Clock::now();
  fill(few, kFew);
  fill(many, entries);
  fmt::print("{} entries made in {:.0f} s, {} bytes\n", entries, microseconds_since(start) / 1e6,
             std::filesystem::file_size(DatabaseFiles(many).database));
  for (const char* how : {"direct", "connection"}) {
    std::vector<double> of_few, of_many;
    for (int i = 0; i < kRounds; ++i) {
      of_few.push_back(numbers_of(start_child({"--hit", few, std::to_string(i % kFew), how})).front());
      of_many.push_back(
          numbers_of(start_child({"--hit", many, std::to_string(static_cast<int>(i * 7919LL % entries)), how})).front());
    }
    fmt::print("open to first hit, {}: {:.0f} us with {} entries, {:.0f} us with {} (medians of {})\n", how,
               quantile(of_few, 0.5), kFew, quantile(of_many, 0.5), entries, kRounds);
  }
  const auto collector = start_child({"--collect", many, std::to_string(entries / 100 * 99), ""});
  const auto user = start_child({"--use", many, std::to_string(entries), "500"});
  const auto used = numbers_of(user);
  const auto collected = numbers_of(collector);
  fmt::print("collecting {:.0f} of {} entries: {:.1f} s, {:.0f} KiB of memory; meanwhile the longest read {:.1f} ms, "
             "the longest write {:.1f} ms\n",
             collected[1], entries, collected[0] / 1e6, collected[2], used[0] / 1e3, used[1] / 1e3);
  std::filesystem::remove_all(root);
  return 0;
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  const std::string_view mode = argc == 5 ? argv[1] : "";
  if (mode == "--hit") {
    sinter::first_hit(argv[2], std::atoi(argv[3]), std::strcmp(argv[4], "connection") == 0);
  } else if (mode == "--collect") {
    sinter::collect(argv[2], std::atoll(argv[3]));
    return 0;
  } else if (mode == "--use") {
    sinter::use_meanwhile(argv[2], std::atoi(argv[3]), std::atoi(argv[4]));
    return 0;
  }
  return sinter::run_parent(argc > 1 ? std::max(100, std::atoi(argv[1])) : 1'000'000,
                            argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string());
}
