// SPDX-License-Identifier: Apache-2.0

// What the first hit in a bundle costs, from opening it to verified bytes, beside the floor: reading a file of the same
// size, and a bare SQLite select on the same bundle.
//
//   bench-bundle-open [entries] [code bytes]
//
// Every sample opens everything anew. "new process" is a child of fork that did nothing before, so it pays for the first
// touch of each page of code as well; "warm" repeats in one process. Compare ratios within one run: machines are shared.

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/bundle.h"
#include "cache/bundle_writer.h"
#include "cache/kernel_cache.h"
#include "cache/schema.h"

namespace sinter {
namespace {

constexpr int kProcesses = 200;
constexpr int kRepeats = 1000;

[[noreturn]] void stop(const std::string& reason) {
  fmt::print(stderr, "bench-bundle-open: {}\n", reason);
  std::_Exit(1);
}

CacheKey key_of(int number) {
  return make_cache_key({{"schema", "1"},
                         {"family", "grouped_gemm"},
                         {"spec", fmt::format("grouped_gemm_none_bf16_n{}", number)},
                         {"arch", "sm_90a"},
                         {"params", std::string(1000, 'p')},
                         {"compiler", "nvrtc 13.0"}});
}

CodeObject code_of(int number, std::size_t bytes) {
  CodeObject code;
  code.format = CodeFormat::kCubin;
  code.entry = "grouped_gemm";
  code.code.resize(bytes);
  std::uint32_t state = static_cast<std::uint32_t>(number) + 1;
  for (std::byte& byte : code.code) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  code.facts.target = "sm_90a";
  code.facts.entry = code.entry;
  code.backend = "nvrtc";
  code.compiler = "nvrtc 13.0";
  code.source = std::string(2000, 's');
  return code;
}

std::string make_bundle(const std::string& directory, int entries, std::size_t bytes, const SigningKey& key) {
  std::vector<std::pair<Digest, int>> order;
  for (int i = 0; i < entries; ++i) {
    order.emplace_back(key_of(i).digest, i);
  }
  std::sort(order.begin(), order.end());
  std::size_t next = 0;
  const RowSource rows = [&]() -> Result<std::optional<EntryRow>> {
    if (next == order.size()) {
      return std::optional<EntryRow>();
    }
    const int number = order[next++].second;
    SINTER_TRY(EntryRow row, seal_entry(key_of(number), code_of(number, bytes), {.writer = "bench"}));
    return std::optional(std::move(row));
  };
  const auto written = write_bundle(rows, {.directory = directory, .name = "bench", .arch = "sm_90a", .key = &key});
  return written ? written->path : (stop(written.error().message), std::string());
}

// --- What is measured; each gives false if it did not get its bytes ---

bool hit(const CacheOptions& options, const CacheKey& key) {
  KernelCache cache(options, [](const std::string& problem) { stop(problem); });
  return cache.lookup(key).has_value();
}

bool select(const std::string& path, const CacheKey& key) {
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  sqlite3_open_v2(("file:" + path + "?immutable=1").c_str(), &handle,
                  SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  sqlite3_prepare_v2(handle, schema::kGetEntry.data(), static_cast<int>(schema::kGetEntry.size()), &statement, nullptr);
  sqlite3_bind_blob(statement, 1, key.digest.bytes.data(), static_cast<int>(key.digest.bytes.size()), SQLITE_STATIC);
  bool found = sqlite3_step(statement) == SQLITE_ROW;
  const int code = sqlite3_column_count(statement) - 1;
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, code));
  const std::vector<char> copy(data, data + sqlite3_column_bytes(statement, code));
  found = found && !copy.empty();
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return found;
}

bool read_raw(const std::string& path, std::size_t bytes) {
  std::vector<char> buffer(bytes);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool complete = ::read(file, buffer.data(), buffer.size()) == static_cast<ssize_t>(bytes);
  ::close(file);
  return complete;
}

using Subject = std::function<bool(const CacheKey&)>;

double microseconds(const Subject& subject, const CacheKey& key) {
  const auto start = std::chrono::steady_clock::now();
  if (!subject(key)) {
    stop("a subject missed");
  }
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double in_new_process(const Subject& subject, const CacheKey& key) {
  int ends[2];
  if (::pipe(ends) != 0) {
    stop("no pipe");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const double time = microseconds(subject, key);
    std::_Exit(::write(ends[1], &time, sizeof time) == sizeof time ? 0 : 1);
  }
  double time = 0;
  const bool read = ::read(ends[0], &time, sizeof time) == sizeof time;
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  return read ? time : (stop("a child failed"), 0.0);
}

double quantile(std::vector<double> times, double share) {
  std::sort(times.begin(), times.end());
  return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
}

int run(int entries, std::size_t bytes) {
  std::string directory = (std::filesystem::temp_directory_path() / "sinter-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) {
    stop("no scratch directory");
  }
  const auto key = SigningKey::generate();
  std::string bundle;
  // In a child, so that this process and those that it forks have not touched SQLite.
  const pid_t maker = ::fork();
  if (maker == 0) {
    make_bundle(directory + "/b", entries, bytes, *key);
    std::_Exit(0);
  }
  ::waitpid(maker, nullptr, 0);
  bundle = bundle_path(directory + "/b", "bench", "sm_90a");
  const std::string trusted = directory + "/key.pub";
  std::ofstream(trusted) << to_pem(key->public_key());
  const std::string raw = directory + "/raw";
  std::ofstream(raw) << std::string(bytes, 'r');

  CacheOptions plain;
  plain.bundles = {bundle};
  CacheOptions with_signatures = plain;
  with_signatures.signatures = SignaturePolicy::kSigned;
  with_signatures.trusted_keys = trusted;
  CacheOptions bare = plain;
  bare.bundles = {directory + "/bare/bench-sm_90a.sinter"};
  std::filesystem::create_directory(directory + "/bare");
  std::filesystem::create_hard_link(bundle, bare.bundles[0]);

  const std::pair<const char*, Subject> subjects[] = {
      {"raw file read", [&](const CacheKey&) { return read_raw(raw, bytes); }},
      {"bare SQLite select", [&](const CacheKey& k) { return select(bundle, k); }},
      {"bundle, no manifest", [&](const CacheKey& k) { return hit(bare, k); }},
      {"bundle, policy none", [&](const CacheKey& k) { return hit(plain, k); }},
      {"bundle, policy signed", [&](const CacheKey& k) { return hit(with_signatures, k); }}};
  std::vector<std::vector<double>> fresh(std::size(subjects)), warm(std::size(subjects));
  for (int round = 0; round < kProcesses + kRepeats; ++round) {
    const CacheKey wanted = key_of(round * 7 % entries);
    for (std::size_t i = 0; i < std::size(subjects); ++i) {
      if (round < kProcesses) {
        fresh[i].push_back(in_new_process(subjects[i].second, wanted));
      } else {
        warm[i].push_back(microseconds(subjects[i].second, wanted));
      }
    }
  }
  fmt::print("{} entries, {} bytes of code; microseconds from nothing open to the bytes\n", entries, bytes);
  fmt::print("{:<24}{:>12}{:>12}{:>14}{:>14}\n", "", "warm p50", "warm p10", "new proc p50", "new proc p10");
  for (std::size_t i = 0; i < std::size(subjects); ++i) {
    fmt::print("{:<24}{:>12.1f}{:>12.1f}{:>14.1f}{:>14.1f}\n", subjects[i].first, quantile(warm[i], 0.5), quantile(warm[i], 0.1),
               quantile(fresh[i], 0.5), quantile(fresh[i], 0.1));
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  const int entries = argc > 1 ? std::atoi(argv[1]) : 1000;
  const int bytes = argc > 2 ? std::atoi(argv[2]) : 25000;
  if (entries < 1 || bytes < 1) {
    fmt::print(stderr, "bench-bundle-open [entries] [code bytes]\n");
    return 2;
  }
  return sinter::run(entries, static_cast<std::size_t>(bytes));
}
