// SPDX-License-Identifier: Apache-2.0

// sinter sample: random tensors to try kernels with. The same seed gives the same file.

#include <charconv>
#include <cstring>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/digest.h"
#include "codegen/random_tensors.h"
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
  const std::pair<std::string_view, const char*> dtypes[] = {{"bf16", "BF16"}, {"f32", "F32"}, {"e4m3", "F8_E4M3"}};
  for (const auto& [word, dtype] : dtypes) {
    if (type == word) {
      const std::uint64_t own_seed = seed ^ checksum64(as_bytes(name));
      return Sample{std::move(name), {{}, dtype, numbers}, random_elements(dtype, count, own_seed)};
    }
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
