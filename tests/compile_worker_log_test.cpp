// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/cache.h"

namespace sinter {
namespace {

using testing::Problems;
using testing::TempDir;

std::vector<nlohmann::json> lines_of(const std::string& path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

TEST_CASE("the worker log has one line of JSON for each record, with time and process") {
  const TempDir directory;
  Problems problems;
  WorkerLog log(directory / "log", problems.sink());
  log.write({"00ff", "spec \"quoted\" \xff", "llvm", 12.5, "ok", 4096});
  log.write({"00ff", "spec", "llvm", 0, "unavailable", 0});
  const auto lines = lines_of(directory / "log");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("key") == "00ff");
  CHECK(lines[0].at("backend") == "llvm");
  CHECK(lines[0].at("ms") == 12.5);
  CHECK(lines[0].at("outcome") == "ok");
  CHECK(lines[0].at("bytes") == 4096);
  CHECK(lines[0].at("pid") == ::getpid());
  CHECK(lines[0].at("unix_s") > 1.7e9);
  CHECK(problems.texts().empty());
}

TEST_CASE("lines of many processes do not mix") {
  const TempDir directory;
  const std::string spec(3000, 's');
  std::vector<pid_t> children;
  for (int c = 0; c < 8; ++c) {
    children.push_back(testing::start_child([&, c] {
      WorkerLog log(directory / "log", {});
      for (int i = 0; i < 100; ++i) {
        log.write({std::to_string(c), spec, "llvm", 1, "ok", 1});
      }
      return 0;
    }));
  }
  for (const pid_t child : children) {
    CHECK(testing::wait_for(child) == 0);
  }
  std::map<std::string, int> counts;
  for (const auto& line : lines_of(directory / "log")) {
    counts[line.at("key")] += line.at("spec") == spec ? 1 : 0;
  }
  CHECK(counts.size() == 8);
  for (const auto& [key, count] : counts) {
    CHECK(count == 100);
  }
}

TEST_CASE("a worker log that cannot be written is said once and is no wait") {
  const TempDir directory;
  REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
  for (const std::string& path :
       {directory / "missing/log", directory.path(), directory / "pipe", std::string("/dev/full")}) {
    Problems problems;
    WorkerLog log(path, problems.sink());
    log.write({});
    log.write({});
    CHECK(problems.texts().size() == 1);
    CHECK(problems.all().find(path) != std::string::npos);
  }
  WorkerLog none("", [](const std::string&) { FAIL("an empty path is no log"); });
  none.write({});
}

}  // namespace
}  // namespace sinter
