// SPDX-License-Identifier: Apache-2.0

// The golden check from end to end, on the host device with the real compiler worker.

#include <catch2/catch.hpp>

#include <filesystem>
#include <thread>

#include "tests/support/golden.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;
using namespace sinter::testing;
using Catch::Matchers::Contains;

namespace {

KernelRequest gemm(const Words& more = {}) {
  Words words = {{"n", "48"}, {"k", "80"}, {"groups", "5"}};
  words.insert(words.end(), more.begin(), more.end());
  return request_of("grouped_gemm", words);
}

Settings settings(const std::string& cache_dir, bool golden = true) {
  Settings settings;
  settings.cache_dir = cache_dir;
  settings.host_threads = 2;
  settings.golden_check = golden;
  return settings;
}

}  // namespace

TEST_CASE("the kernels of every family and mode pass") {
  const TemporaryDirectory directory;
  GoldenProcess process(settings(directory.path()));
  const std::vector<KernelRequest> requests = {
      gemm(),
      gemm({{"dtype", "fp16"}, {"epilogue", "bias"}}),
      gemm({{"quant", "fp8_block"}, {"b_tensors", "separate"}}),
      gemm({{"quant", "fp8_token"}}),
      gemm({{"b_layout", "kn"}}),
      gemm({{"epilogue", "swiglu"}}),
      request_of("grouped_gemm", {{"n", "48"}, {"k", "80"}, {"groups", "1"}}),
      request_of("grouped_wgrad", {{"n", "48"}, {"k", "40"}, {"groups", "5"}, {"output", "add_f32"}}),
      request_of("grouped_wgrad", {{"n", "48"}, {"k", "40"}, {"groups", "5"}, {"output", "same"}, {"dw_tensors", "separate"}}),
      request_of("quantize", {{"k", "400"}}),
      request_of("quantize", {{"k", "400"}, {"scale", "pow2"}, {"floor", "0"}}),
  };
  for (const KernelRequest& request : requests) {
    KernelOrigin origin;
    CHECK(process.get(request, &origin) == "");
    CHECK_THAT(origin.golden, Catch::StartsWith("right: ") && Catch::EndsWith("now"));
  }
  CHECK(process.golden().passed == static_cast<std::int64_t>(requests.size()));
  CHECK(process.warnings.empty());
}

TEST_CASE("a kernel is tried once, by the first process that wants it, and in no log of launches") {
  const TemporaryDirectory directory, logs;
  const std::string log = logs.path() + "/launches";
  {
    Settings logged = settings(directory.path());
    logged.launch_log = log;
    GoldenProcess first(logged);
    std::vector<std::string> problems(4, "not asked");
    {
      std::vector<std::jthread> threads;
      for (std::string& problem : problems) {
        threads.emplace_back([&] { problem = first.get(gemm()); });
      }
    }
    CHECK(problems == std::vector<std::string>(4));
    CHECK(first.golden().passed == 1);
  }
  CHECK((!std::filesystem::exists(log) || std::filesystem::file_size(log) == 0));
  GoldenProcess second(settings(directory.path()));
  KernelOrigin origin;
  CHECK(second.get(gemm(), &origin) == "");
  CHECK(second.golden().passed == 0);
  CHECK_THAT(origin.golden, Contains("right: ") && Contains("Z"));
}

TEST_CASE("without being asked for, nothing is checked and nothing is stored") {
  const TemporaryDirectory directory;
  GoldenProcess process(settings(directory.path(), false));
  KernelOrigin origin;
  CHECK(process.get(gemm(), &origin) == "");
  CHECK(origin.golden.empty());
  CHECK(process.golden().passed == 0);
}

TEST_CASE("a wrong kernel is refused by the process that finds it and by all later ones") {
  const TemporaryDirectory directory;
  BuiltKernel wrong, right;
  {
    GoldenProcess builder(settings(directory.path(), false));
    wrong = build_changed(builder, gemm(), "kK = 80", "kK = 72");  // leaves the last columns out, and takes wrong rows
    right = build_changed(builder, gemm(), "kK = 80", "kK = 80");
    builder.runtime->cache().store(wrong.key, wrong.code);
  }
  {
    GoldenProcess finder(settings(directory.path()));
    const std::string message = finder.get(gemm());
    CHECK_THAT(message, Contains("golden check: grouped_gemm_") && Contains("is wrong on host") && Contains("d[2, 0] is ") &&
                            Contains("found just now") && Contains("sinter cache forget " + to_hex(wrong.key.digest).substr(0, 16)));
    CHECK_THAT(finder.get(gemm()), Contains("golden check"));
    CHECK(finder.golden().failed == 1);
  }
  {
    GoldenProcess later(settings(directory.path()));
    CHECK_THAT(later.get(gemm()), Contains("found 20") && Contains("d[2, 0] is "));
    CHECK(later.golden().failed == 0);
    // Not everybody asked for the check.
    CHECK(GoldenProcess(settings(directory.path(), false)).get(gemm()) == "");
    CHECK(later.runtime->cache().forget_failed_verdicts(to_hex(wrong.key.digest)) == 1);
  }
  {
    GoldenProcess again(settings(directory.path()));
    CHECK_THAT(again.get(gemm()), Contains("found just now"));
    // Other code under the same key is another kernel.
    again.runtime->cache().store(right.key, right.code);
    CHECK(again.get(gemm()) == "");
    CHECK(again.golden().passed == 1);
  }
}

TEST_CASE("a cache that keeps nothing costs one trial in each process") {
  for (const std::string directory : {"", "/proc/sinter-cannot-be-made"}) {
    for (int i = 0; i < 2; ++i) {
      GoldenProcess process(settings(directory));
      CHECK(process.get(gemm()) == "");
      CHECK(process.get(gemm()) == "");
      CHECK(process.golden().passed == 1);
    }
  }
}
