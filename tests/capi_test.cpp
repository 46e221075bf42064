// SPDX-License-Identifier: Apache-2.0

// The C ABI as an embedder sees it: linked against libsinter.so alone.

#include <catch2/catch.hpp>

#include <sinter/sinter.hpp>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

struct Error {
  sinter_error* error = nullptr;
  ~Error() { sinter_error_free(error); }
  std::string text() const { return sinter_error_message(error); }
};

const char* const kSettings[] = {"SINTER_CACHE_DIR=", "SINTER_WORKER_DIR=" SINTER_TEST_WORKER_DIR, "SINTER_LOG=off"};
const sinter_options kOptions{sizeof(sinter_options), 0, kSettings, 3, nullptr, nullptr, 0, 0};

}  // namespace

TEST_CASE("a C program gets a kernel and launches it") {
  sinter_runtime* runtime = nullptr;
  Error error;
  REQUIRE(sinter_runtime_create(&kOptions, &runtime, &error.error) == SINTER_OK);
  std::int32_t device = -1;
  REQUIRE(sinter_open_device(runtime, "host", &device, &error.error) == SINTER_OK);
  sinter_request request;
  REQUIRE(sinter_request_init(&request, "quantize", &error.error) == SINTER_OK);
  REQUIRE(sinter_request_set_int(&request, "k", 128, &error.error) == SINTER_OK);
  const sinter_kernel* kernel = nullptr;
  REQUIRE(sinter_get_kernel(runtime, device, &request, &kernel, &error.error) == SINTER_OK);
  CHECK(std::string(sinter_kernel_name(kernel)).starts_with("quantize_fp8_block_k128_"));

  alignas(64) std::uint16_t x[256];
  alignas(64) std::uint8_t q[256];
  float scale[2];
  for (int i = 0; i < 256; ++i) x[i] = i < 128 ? 0x3f80 : 0x4000;  // 1, then 2
  const sinter_quantize_args args{x, q, scale, 2};
  REQUIRE(sinter_launch(kernel, &args, sizeof args, nullptr, &error.error) == SINTER_OK);
  CHECK(scale[0] == 1.0f / 448.0f);
  CHECK(scale[1] == 2.0f / 448.0f);
  CHECK(q[0] == 0x7e);  // 448
  CHECK(q[255] == 0x7e);

  const std::uint64_t small[] = {512, 255, 8, UINT64_MAX};
  CHECK(sinter_launch_checked(kernel, &args, sizeof args, nullptr, small, 4, &error.error) == SINTER_INVALID_REQUEST);
  CHECK(error.text().find("255") != std::string::npos);

  sinter_stats stats{};
  stats.struct_size = sizeof stats;
  CHECK(sinter_get_stats(runtime, &stats) == SINTER_OK);
  CHECK(stats.compiles == 1);
  CHECK(sinter_launch_checked(kernel, &args, sizeof args, nullptr, nullptr, 4, nullptr) == SINTER_INVALID_REQUEST);
  CHECK(sinter_launch_checked(kernel, &args, sizeof args, nullptr, small, 0, nullptr) == SINTER_INVALID_REQUEST);
  sinter_runtime_destroy(runtime);
}

TEST_CASE("a request's choice is explained without building it") {
  sinter::Runtime runtime(kOptions);
  const std::int32_t device = runtime.open_device("host");
  sinter::Request request("quantize");
  request.set("k", 128);
  CHECK(runtime.explain_choice(device, request).find("_x86_64_v") != std::string::npos);
  CHECK(runtime.explain_choice(device, request).find(": general: ") != std::string::npos);
  CHECK(runtime.explain_choice(device, sinter::Request(request).set("tile", "1x1x1024")).find(": asked") != std::string::npos);
  CHECK(runtime.stats().compiles == 0);
  CHECK_THROWS_AS(runtime.explain_choice(device + 1, request), sinter::Failure);

  // A short buffer gets the beginning, ended, and the length is told.
  sinter_runtime* raw = nullptr;
  REQUIRE(sinter_runtime_create(&kOptions, &raw, nullptr) == SINTER_OK);
  std::int32_t host = -1;
  REQUIRE(sinter_open_device(raw, "host", &host, nullptr) == SINTER_OK);
  char text[9] = "????????";
  std::size_t needed = 0;
  CHECK(sinter_explain_choice(raw, host, &request.raw(), text, sizeof text, &needed, nullptr) == SINTER_OK);
  CHECK(std::string(text) == "quantize");
  CHECK(needed > sizeof text);
  CHECK(sinter_explain_choice(raw, host, &request.raw(), nullptr, 0, &needed, nullptr) == SINTER_OK);
  CHECK(sinter_explain_choice(raw, host, &request.raw(), nullptr, 5, &needed, nullptr) == SINTER_INVALID_REQUEST);
  sinter_runtime_destroy(raw);
}

TEST_CASE("bad calls get a status and a sentence") {
  Error error;
  sinter_runtime* runtime = nullptr;
  sinter_options old = kOptions;
  old.struct_size = 8;
  CHECK(sinter_runtime_create(&old, &runtime, &error.error) == SINTER_INVALID_REQUEST);
  CHECK(error.text().find("struct_size") != std::string::npos);
  CHECK(runtime == nullptr);

  const char* const unknown[] = {"SINTER_CASHE_DIR=/x"};
  sinter_options misspelt{sizeof(sinter_options), 0, unknown, 1, nullptr, nullptr, 0, 0};
  Error second;
  CHECK(sinter_runtime_create(&misspelt, &runtime, &second.error) == SINTER_INVALID_REQUEST);
  CHECK(second.text().find("SINTER_CASHE_DIR") != std::string::npos);

  sinter_options no_list{sizeof(sinter_options), 0, nullptr, 2, nullptr, nullptr, 0, 0};
  CHECK(sinter_runtime_create(&no_list, &runtime, nullptr) == SINTER_INVALID_REQUEST);

  sinter_request request;
  Error third;
  CHECK(sinter_request_init(&request, "gemm", &third.error) == SINTER_INVALID_REQUEST);
  CHECK(sinter_request_init(nullptr, "quantize", nullptr) == SINTER_INVALID_REQUEST);
  sinter_runtime_destroy(nullptr);
  sinter_error_free(nullptr);
}

TEST_CASE("the C++ wrapper throws the message") {
  sinter::Runtime runtime(kOptions);
  try {
    runtime.open_device("cuda:999");
    FAIL("there is no such device");
  } catch (const sinter::Failure& failure) {
    CHECK(std::string(failure.what()).size() > 10);
    CHECK(failure.status() != SINTER_OK);
  }
}

TEST_CASE("structs and words that a caller may get wrong are refused with what is known") {
  const sinter::Request request = sinter::Request("quantize").set("k", 128);
  const sinter_kernel* kernel = nullptr;
  sinter_runtime* raw = nullptr;
  REQUIRE(sinter_runtime_create(&kOptions, &raw, nullptr) == SINTER_OK);
  REQUIRE(sinter_open_device(raw, "host", nullptr, nullptr) == SINTER_INVALID_REQUEST);
  std::int32_t own = -1;
  REQUIRE(sinter_open_device(raw, "host", &own, nullptr) == SINTER_OK);
  const auto get = [&](const sinter_get_options& options) {
    Error error;
    const sinter_status status = sinter_get_kernel_with(raw, own, &request.raw(), &options, &kernel, &error.error);
    return std::pair(status, error.text());
  };
  const auto [short_status, short_text] = get({8, SINTER_BLOCK, nullptr});
  CHECK(short_status == SINTER_INVALID_REQUEST);
  CHECK(short_text.find("struct_size is 8; this library knows 16 to 16") != std::string::npos);
  const auto [policy_status, policy_text] = get({sizeof(sinter_get_options), 7, nullptr});
  CHECK(policy_status == SINTER_INVALID_REQUEST);
  CHECK(policy_text.find("policy is 7") != std::string::npos);
  CHECK(get({sizeof(sinter_get_options), SINTER_STRICT, nullptr}).first == SINTER_NOT_PREBUILT);
  CHECK(sinter_get_kernel_with(raw, own, &request.raw(), nullptr, &kernel, nullptr) == SINTER_OK);
  CHECK(sinter_kernel_stands_in(kernel) == 0);
  CHECK(sinter_kernel_args_bytes(kernel) == sizeof(sinter_quantize_args));
  CHECK(sinter_end_warmup(raw, 9, nullptr) == SINTER_INVALID_REQUEST);
  CHECK(sinter_prefetch(raw, own, nullptr, 1, nullptr) == SINTER_INVALID_REQUEST);
  CHECK(sinter_prefetch(raw, own + 1, &request.raw(), 1, nullptr) == SINTER_INVALID_REQUEST);
  CHECK(sinter_kernel_launch(kernel, nullptr, 32, nullptr, nullptr, nullptr) == SINTER_INVALID_REQUEST);

  // A caller of the first version has a shorter struct of counters: what it lacks is not written.
  sinter_stats stats{};
  stats.struct_size = 72;
  stats.late_compiles = -1;
  CHECK(sinter_get_stats(raw, &stats) == SINTER_OK);
  CHECK(stats.compiles == 1);
  CHECK(stats.late_compiles == -1);
  stats.struct_size = 64;
  CHECK(sinter_get_stats(raw, &stats) == SINTER_INVALID_REQUEST);
  sinter_runtime_destroy(raw);
}

TEST_CASE("the C++ wrapper prefetches, waits, and counts what comes after the warm-up") {
  sinter::Runtime runtime(kOptions);
  const std::int32_t device = runtime.open_device("host");
  const std::vector<sinter::Request> list{sinter::Request("quantize").set("k", 128), sinter::Request("quantize").set("k", 256)};
  runtime.prefetch(device, list);
  runtime.wait_background(120'000);
  CHECK(runtime.stats().compiles == 2);
  runtime.end_warmup(SINTER_LATE_ERROR);
  CHECK(runtime.get_kernel(device, list[1], SINTER_FALLBACK).name().find("_k256_") != std::string_view::npos);
  CHECK_THROWS_AS(runtime.get_kernel(device, sinter::Request("quantize").set("k", 384)), sinter::Failure);
  CHECK(runtime.stats().late_compiles == 1);
  CHECK(runtime.swap_ready() == 0);
}

TEST_CASE("counters and times are to be had as text for Prometheus") {
  sinter::Runtime runtime(kOptions);
  const std::int32_t device = runtime.open_device("host");
  (void)runtime.get_kernel(device, sinter::Request("quantize").set("k", 128));
  const std::string text = runtime.metrics_text();
  CHECK(text.find("\nsinter_compiles_total 1\n") != std::string::npos);
  CHECK(text.find("\nsinter_compile_seconds_bucket{le=\"+Inf\"} 1\n") != std::string::npos);
  CHECK(text.find("\nsinter_load_seconds_count 1\n") != std::string::npos);
  CHECK(text.find("\nsinter_cache_hits_total{layer=\"bundle\"} 0\n") != std::string::npos);
  if (const char* path = std::getenv("SINTER_TEST_METRICS_FILE")) {
    std::ofstream(path) << text;
  }
}

TEST_CASE("a buffer that is too small gets the beginning of the metrics and the whole length") {
  sinter_runtime* runtime = nullptr;
  Error error;
  REQUIRE(sinter_runtime_create(&kOptions, &runtime, &error.error) == SINTER_OK);
  std::size_t length = 0;
  CHECK(sinter_metrics_text(runtime, nullptr, 0, &length) == SINTER_OK);
  REQUIRE(length > 1000);
  char small[8] = "xxxxxxx";
  CHECK(sinter_metrics_text(runtime, small, sizeof small, &length) == SINTER_OK);
  CHECK(std::string(small) == "# HELP ");
  CHECK(length > 1000);
  CHECK(sinter_metrics_text(nullptr, small, sizeof small, &length) == SINTER_INVALID_REQUEST);
  CHECK(sinter_metrics_text(runtime, small, sizeof small, nullptr) == SINTER_INVALID_REQUEST);
  CHECK(sinter_metrics_text(runtime, nullptr, 8, &length) == SINTER_INVALID_REQUEST);
  sinter_runtime_destroy(runtime);
}
