// SPDX-License-Identifier: Apache-2.0

// sinter sample: random tensors to try kernels with. The same seed gives the same file.

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <random>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/digest.h"
#include "tools/sinter/command.h"
#include "tools/sinter/safetensors.h"

namespace sinter::cli {

namespace {

struct SampleOptions {
  std::vector<std::string> tensors;
  std::string output;
  std::uint64_t seed = 1;
  CommonOptions common;
};

struct Sample {
  std::string name;
  TensorInfo info;
  std::vector<std::byte> bytes;
};

Error bad_tensor(std::string_view text) {
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("'{}' is no tensor; write NAME=TYPE[D0,D1,...] with type bf16, f32 or e4m3, or NAME=lengths(L0,L1,...)", text));
}

Result<std::vector<std::int64_t>> parse_numbers(std::string_view text, std::string_view whole) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const auto comma = std::min(text.find(','), text.size());
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + comma, number);
    if (error != std::errc{} || end != text.data() + comma || number < 0) {
      return bad_tensor(whole);
    }
    numbers.push_back(number);
    if (comma == text.size()) {
      return numbers;
    }
    text.remove_prefix(comma + 1);
  }
}

// A normal variate of 24 bits is enough here, and this is several times faster than the standard library's.
class Normal {
 public:
  explicit Normal(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}

  float operator()() {
    float sum = -2;  // four uniform variates: mean 2, variance 1/3
    const std::uint64_t bits = next();
    for (int shift = 0; shift < 64; shift += 16) {
      sum += static_cast<float>((bits >> shift) & 0xffff) / 65536.0f;
    }
    return sum * 1.7320508f;
  }
  float uniform() { return static_cast<float>(next() >> 40) / static_cast<float>(1 << 24); }

 private:
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class T, class Make>
std::vector<std::byte> fill(std::size_t count, Make&& make) {
  std::vector<std::byte> bytes(count * sizeof(T));
  for (std::size_t i = 0; i < count; ++i) {
    const T value = make();
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

Result<Sample> row_offsets(std::string name, const std::vector<std::int64_t>& lengths) {
  std::int64_t sum = 0;
  std::vector<std::byte> bytes(4 * (lengths.size() + 1));
  for (std::size_t i = 0; i <= lengths.size(); ++i) {
    if (sum > INT32_MAX) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("the lengths of '{}' add up to more than {}", name, INT32_MAX));
    }
    const auto offset = static_cast<std::int32_t>(sum);
    std::memcpy(bytes.data() + 4 * i, &offset, 4);
    sum += i < lengths.size() ? lengths[i] : 0;
  }
  return Sample{std::move(name), {{}, "I32", {static_cast<std::int64_t>(lengths.size()) + 1}}, std::move(bytes)};
}

Result<Sample> make_sample(std::string_view text, std::uint64_t seed) {
  const auto equals = text.find('=');
  const auto open = text.find_first_of("[(", equals == std::string_view::npos ? 0 : equals);
  if (equals == std::string_view::npos || equals == 0 || open == std::string_view::npos || text.back() != (text[open] == '[' ? ']' : ')')) {
    return bad_tensor(text);
  }
  std::string name(text.substr(0, equals));
  const std::string_view type = text.substr(equals + 1, open - equals - 1);
  SINTER_TRY(std::vector<std::int64_t> numbers, parse_numbers(text.substr(open + 1, text.size() - open - 2), text));
  if (type == "lengths" && text[open] == '(') {
    return row_offsets(std::move(name), numbers);
  }
  std::size_t count = 1;
  for (const std::int64_t side : numbers) {
    if (__builtin_mul_overflow(count, static_cast<std::size_t>(side), &count) || count > (std::size_t{1} << 40)) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' has more than 2^40 elements", text));
    }
  }
  Normal random(seed ^ checksum64(as_bytes(name)));
  if (type == "bf16") {
    return Sample{std::move(name), {{}, "BF16", numbers}, fill<std::uint16_t>(count, [&] { return to_bf16(random()); })};
  }
  if (type == "f32") {  // scales: positive
    return Sample{std::move(name), {{}, "F32", numbers}, fill<float>(count, [&] { return 0.5f + random.uniform(); })};
  }
  if (type == "e4m3") {  // every finite encoding but the largest, so that sums stay in range
    return Sample{std::move(name), {{}, "F8_E4M3", numbers}, fill<std::uint8_t>(count, [&] {
                    const auto bits = static_cast<std::uint32_t>(random.uniform() * 65536.0f);
                    return static_cast<std::uint8_t>((bits & 0x80) | ((bits >> 8) % 0x48));
                  })};
  }
  return bad_tensor(text);
}

int sample_command(const SampleOptions& options) {
  std::vector<Sample> samples;
  for (const std::string& text : options.tensors) {
    auto sample = make_sample(text, options.seed);
    if (!sample) {
      return fail(sample.error(), options.common.json);
    }
    samples.push_back(std::move(*sample));
  }
  std::vector<TensorView> views;
  for (Sample& sample : samples) {
    sample.info.name = sample.name;
    views.push_back({sample.info, sample.bytes.data(), sample.bytes.size()});
  }
  if (auto written = write_safetensors(options.output, views); !written) {
    return fail(written.error(), options.common.json);
  }
  return kGood;
}

}  // namespace

void add_sample(CLI::App& app, int& status) {
  auto options = std::make_shared<SampleOptions>();
  CLI::App* command = app.add_subcommand("sample", "Write a safetensors file of random tensors to try kernels with");
  command->footer("Types: bf16 (normal), f32 (uniform in [0.5, 1.5)), e4m3; lengths(...) gives int32 row offsets.\n\n"
                  "  sinter sample a=bf16[100,256] b=bf16[4,512,256] row_offsets=lengths(7,0,60,33) --output x.safetensors");
  command->add_option("tensors", options->tensors, "NAME=TYPE[D0,D1,...] or NAME=lengths(L0,L1,...)")->required()->type_name("TENSOR");
  command->add_option("--output", options->output, "file to write")->required()->type_name("FILE");
  command->add_option("--seed", options->seed, "the same seed gives the same file (default: 1)");
  command->callback([options, &status] { status = sample_command(*options); });
}

}  // namespace sinter::cli
