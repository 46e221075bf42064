// SPDX-License-Identifier: Apache-2.0
#pragma once

// What benchmarks of new processes share: this program started again with other words, and the numbers that it prints.

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern char** environ;

namespace sinter::bench {

using Clock = std::chrono::steady_clock;

inline double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

[[noreturn]] inline void fail(std::string_view what) {
  fmt::print(stderr, "bench: {}\n", what);
  std::exit(1);
}

struct Child {
  pid_t pid = 0;
  int output = -1;
};

/// Starts this program with these words as its arguments.
inline Child start_child(std::vector<std::string> words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  words.insert(words.begin(), "bench");
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  Child child;
  if (posix_spawn(&child.pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ) != 0) fail("spawn");
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  child.output = ends[0];
  return child;
}

/// The numbers that it prints, one a line, when it has ended.
inline std::vector<double> numbers_of(const Child& child) {
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(child.output, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(child.output);
  int status = 0;
  waitpid(child.pid, &status, 0);
  if (status != 0) fail("a child failed");
  std::vector<double> numbers;
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    numbers.push_back(std::strtod(at, &end));
    at = end + 1;
  }
  return numbers;
}

inline double quantile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

}  // namespace sinter::bench
