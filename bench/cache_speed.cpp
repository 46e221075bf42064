// SPDX-License-Identifier: Apache-2.0

// How fast the cache is, beside what the machine can do at all with the same bytes: reading a plain file, and opening
// and asking a bare SQLite database. Machines are shared, so only ratios within one run mean something.
//
//   bench-cache-speed [rounds]
//
// First hits are measured in a new process each, from a known key to checked bytes, in turns.

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/children.h"
#include "cache/entry_file.h"
#include "cache/entry_row.h"
#include "cache/kernel_cache.h"
#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"

namespace sinter {
namespace {

using bench::Child;
using bench::Clock;
using bench::fail;
using bench::microseconds_since;
using bench::numbers_of;
using bench::quantile;
using bench::start_child;

constexpr int kEntries = 1000;
constexpr std::size_t kCodeBytes = 28'500;  // A cubin of grouped_gemm for sm_90a.
constexpr int kWriters = 8;
constexpr int kInsertsPerWriter = 60;

CacheKey key_of(int number) {
  const std::string spec = fmt::format("grouped_gemm_fp8_block_bf16_t128x256x64_n{}_k2048_g64_novskip", number);
  return make_cache_key({{"schema", "1"},
                         {"spec", spec},
                         {"family", "grouped_gemm"},
                         {"arch", "sm_90a"},
                         {"template", std::string(64, 'a')},
                         {"backend", "nvrtc"},
                         {"compiler", "nvrtc 13.0.88 0123456789abcdef0123456789abcdef"},
                         {"options", "--gpu-architecture=sm_90a\n--std=c++17\n--device-int128\n-default-device"},
                         {"defines", "TILE_M=128\nTILE_N=256\nTILE_K=64\nSTAGES=4\nWARPS=12\nCLUSTER=1"},
                         {"entry", spec},
                         {"facts", "2"},
                         {"abi", "3"}});
}

std::shared_ptr<const CodeObject> code_of(int number) {
  auto code = std::make_shared<CodeObject>();
  code->format = CodeFormat::kCubin;
  code->entry = key_of(number).field("entry");
  code->code.assign(kCodeBytes, std::byte{static_cast<unsigned char>(number)});
  code->facts.target = "sm_90a";
  code->facts.entry = code->entry;
  code->facts.registers = 168;
  code->facts.matrix_instructions = {"HGMMA"};
  code->backend = "nvrtc";
  code->compiler = key_of(number).field("compiler");
  code->source.assign(15'000, 's');
  code->compile_ms = 463;
  code->created_unix_s = 1'700'000'000;
  return code;
}

/// What a child knows before its clock starts.
struct Inputs {
  explicit Inputs(const std::string& root)
      : cache(root + "/cache"), plain(root + "/plain"), bare(root + "/bare.db"), frozen(root + "/frozen.db") {}
  std::string cache, plain, bare, frozen;
  CacheKey key = key_of(kEntries / 2);
};

// --- What the children do, each once in its life ---

void read_plain_file(const Inputs& inputs) {
  const int descriptor = open(inputs.plain.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> bytes(kCodeBytes);
  if (read(descriptor, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) fail("plain file");
  close(descriptor);
}

void ask_bare_sqlite(const Inputs& inputs) {
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  sqlite3_open_v2(inputs.bare.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  sqlite3_prepare_v2(handle, "SELECT value FROM pair WHERE name = ?1", -1, &statement, nullptr);
  sqlite3_bind_blob(statement, 1, inputs.key.digest.bytes.data(), 32, SQLITE_STATIC);
  if (sqlite3_step(statement) != SQLITE_ROW) fail("bare SQLite");
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, 0));
  const std::vector<char> bytes(data, data + sqlite3_column_bytes(statement, 0));
  if (bytes.size() != kCodeBytes) fail("bare SQLite");
}

void hit_on_disk(const Inputs& inputs) {
  // As long as the process: the end of a process is not part of a hit.
  auto& cache = *new KernelCache({.directory = inputs.cache, .writer = "bench"}, nullptr);
  const auto hit = cache.lookup(inputs.key);
  if (!hit || hit->layer != CacheLayer::kLocal) fail("no hit on disk");
}

void hit_in_immutable_file(const Inputs& inputs) {
  const auto file = EntryFile::open(inputs.frozen, EntryFileKind::kLocal);
  auto row = file ? file->find(inputs.key.digest) : std::nullopt;
  if (!row || !open_entry(std::move(*row), {inputs.key.digest, key_fields_to_json(inputs.key.fields)})) fail("no immutable hit");
}

void hit_in_immutable_database(const Inputs& inputs) {
  auto& database = *new Database;
  auto& statement = *new Statement;
  if (!Database::open(inputs.frozen, OpenMode::kImmutable, database).ok()) fail("immutable: open");
  if (!database.prepare(schema::kGetEntry, statement).ok()) fail("immutable: prepare");
  statement.bind(1, bytes_of(inputs.key.digest));
  if (statement.step() != Step::kRow) fail("immutable: no row");
  auto row = read_entry_row(statement, RowPart::kRead);
  if (!row || !open_entry(std::move(*row), {inputs.key.digest, key_fields_to_json(inputs.key.fields)})) fail("immutable: bad row");
}

void hit_with_connection(const Inputs& inputs) {
  // Something is open, as after a miss.
  Database other;
  if (!Database::open(inputs.bare, OpenMode::kReadOnly, other).ok()) fail("cannot open");
  hit_on_disk(inputs);
}

void insert(const Inputs& inputs, int writer) {
  KernelCache cache({.directory = inputs.cache, .memory_bytes = 0, .writer = "bench"}, nullptr);
  for (int i = 0; i < kInsertsPerWriter; ++i) {
    const int number = kEntries * (writer + 2) + i;
    const CacheKey key = key_of(number);
    const auto code = code_of(number);
    const auto start = Clock::now();
    cache.store(key, code);
    fmt::print("{}\n", microseconds_since(start));
  }
  if (cache.counters().stores != kInsertsPerWriter) fail("an insert failed");
}

/// The same bytes in the same journal mode, without checks, columns and indexes.
void insert_bare(const Inputs& inputs, int writer) {
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  sqlite3_open_v2(inputs.bare.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  sqlite3_busy_timeout(handle, 10'000);
  sqlite3_exec(handle, "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr);
  sqlite3_prepare_v2(handle, "INSERT INTO pair VALUES (?1, ?2)", -1, &statement, nullptr);
  for (int i = 0; i < kInsertsPerWriter; ++i) {
    const int number = kEntries * (writer + 2) + i;
    const CacheKey key = key_of(number);
    const auto code = code_of(number);
    const auto start = Clock::now();
    sqlite3_bind_blob(statement, 1, key.digest.bytes.data(), 32, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, code->code.data(), static_cast<int>(code->code.size()), SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE) fail("a bare insert failed");
    sqlite3_reset(statement);
    fmt::print("{}\n", microseconds_since(start));
  }
  std::fflush(stdout);
  _exit(0);
}

struct FirstHit {
  const char* mode;
  const char* title;
  double aim_us;
  void (*run)(const Inputs&);
};
constexpr FirstHit kFirstHits[] = {
    {"file", "plain file of the same bytes: open, read", 0, read_plain_file},
    {"sqlite", "bare SQLite: open, prepare, step, copy", 0, ask_bare_sqlite},
    {"hit", "disk hit: open, get, check", 150, hit_on_disk},
    {"immutable", "immutable file of 1000: open, get, check", 100, hit_in_immutable_file},
    {"connection", "disk hit through a SQLite connection", 0, hit_with_connection},
    {"immutable-sqlite", "immutable file through SQLite", 0, hit_in_immutable_database},
};

int run_child(const Inputs& inputs, std::string_view mode, std::string_view argument) {
  for (const FirstHit& what : kFirstHits) {
    if (mode == what.mode) {
      const auto start = Clock::now();
      what.run(inputs);
      fmt::print("{}\n", microseconds_since(start));
      std::fflush(stdout);
      _exit(0);
    }
  }
  const int writer = std::atoi(std::string(argument).c_str());
  mode == "insert" ? insert(inputs, writer) : insert_bare(inputs, writer);
  return 0;
}

// --- The parent ---

void fill(const Inputs& inputs) {
  {
    KernelCache cache({.directory = inputs.cache, .memory_bytes = 0, .writer = "bench"}, nullptr);
    for (int i = 0; i < kEntries; ++i) {
      cache.store(key_of(i), code_of(i));
    }
    if (cache.counters().stores != kEntries) fail("cannot fill the cache");
  }
  std::filesystem::copy_file(inputs.cache + "/" + std::string(schema::kFileName), inputs.frozen);
  std::ofstream(inputs.plain, std::ios::binary) << std::string(kCodeBytes, 'x');
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  sqlite3_open(inputs.bare.c_str(), &handle);
  sqlite3_exec(handle, "PRAGMA journal_mode=WAL; CREATE TABLE pair (name BLOB PRIMARY KEY, value BLOB); BEGIN", nullptr,
               nullptr, nullptr);
  sqlite3_prepare_v2(handle, "INSERT INTO pair VALUES (?1, zeroblob(?2))", -1, &statement, nullptr);
  for (int i = 0; i < kEntries; ++i) {
    const Digest digest = key_of(i).digest;
    sqlite3_bind_blob(statement, 1, digest.bytes.data(), 32, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, static_cast<sqlite3_int64>(kCodeBytes));
    sqlite3_step(statement);
    sqlite3_reset(statement);
  }
  sqlite3_finalize(statement);
  sqlite3_exec(handle, "COMMIT", nullptr, nullptr, nullptr);
  sqlite3_close(handle);
}

void compare_first_hits(const std::string& root, int rounds) {
  std::vector<double> times[std::size(kFirstHits)];
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < std::size(kFirstHits); ++i) {
      times[i].push_back(numbers_of(start_child({"--child", root, kFirstHits[i].mode, ""})).front());
    }
  }
  fmt::print("first hit in a new process, {} rounds in turns, {} bytes of code, us\n", rounds, kCodeBytes);
  fmt::print("{:<44}{:>8}{:>8}{:>8}{:>10}{:>10}{:>8}\n", "", "p10", "p50", "p90", "x file", "x SQLite", "aim");
  for (std::size_t i = 0; i < std::size(kFirstHits); ++i) {
    const double median = quantile(times[i], 0.5);
    fmt::print("{:<44}{:>8.0f}{:>8.0f}{:>8.0f}{:>10.2f}{:>10.2f}{:>8}\n", kFirstHits[i].title, quantile(times[i], 0.1),
               median, quantile(times[i], 0.9), median / quantile(times[0], 0.5), median / quantile(times[1], 0.5),
               kFirstHits[i].aim_us > 0 ? fmt::format("{:.0f}", kFirstHits[i].aim_us) : "");
  }
}

void time_memory_hits() {
  KernelCache cache({}, nullptr);
  std::vector<CacheKey> keys;
  for (int i = 0; i < 100; ++i) {
    keys.push_back(key_of(i));
    cache.store(keys.back(), code_of(i));
  }
  std::vector<double> times;
  for (int batch = 0; batch < 200; ++batch) {
    constexpr int kRepeats = 20;
    const auto start = Clock::now();
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      for (const CacheKey& key : keys) {
        if (!cache.lookup(key)) fail("no memory hit");
      }
    }
    times.push_back(1000 * microseconds_since(start) / kRepeats / static_cast<double>(keys.size()));
  }
  fmt::print("memory hit, 100 keys in turns: {:.0f} ns (p10 {:.0f}, p90 {:.0f}), aim 60\n", quantile(times, 0.5),
             quantile(times, 0.1), quantile(times, 0.9));
}

void time_inserts(const std::string& root, const char* mode) {
  std::vector<Child> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(start_child({"--child", root, mode, std::to_string(i)}));
  }
  // The first of each opens the database too, all at the moment in which eight processes start.
  std::vector<double> firsts, times;
  for (const Child& writer : writers) {
    const auto of_one = numbers_of(writer);
    firsts.push_back(of_one.front());
    times.insert(times.end(), of_one.begin() + 1, of_one.end());
  }
  fmt::print("{}, {} processes x {}: p50 {:.2f} ms, p90 {:.2f}, p99 {:.2f}, worst {:.2f}; aim p99 5; the first of each: "
             "p50 {:.2f}, worst {:.2f}\n",
             mode, kWriters, kInsertsPerWriter, quantile(times, 0.5) / 1e3, quantile(times, 0.9) / 1e3,
             quantile(times, 0.99) / 1e3, quantile(times, 1) / 1e3, quantile(firsts, 0.5) / 1e3,
             quantile(firsts, 1) / 1e3);
}

int run_parent(int rounds) {
  std::string root = (std::filesystem::temp_directory_path() / "sinter-bench-XXXXXX").string();
  if (mkdtemp(root.data()) == nullptr) fail("no temporary directory");
  fill(Inputs(root));
  compare_first_hits(root, rounds);
  time_memory_hits();
  time_inserts(root, "insert");
  time_inserts(root, "insert-bare");
  std::filesystem::remove_all(root);
  return 0;
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "--child") == 0) {
    return sinter::run_child(sinter::Inputs(argv[2]), argv[3], argv[4]);
  }
  return sinter::run_parent(argc > 1 ? std::max(1, std::atoi(argv[1])) : 200);
}
