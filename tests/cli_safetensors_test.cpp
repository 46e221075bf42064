// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <cstring>
#include <filesystem>
#include <random>

#include "base/digest.h"
#include "tests/support/temporary_directory.h"
#include "tools/sinter/safetensors.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

std::string file_of(std::string_view header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  text += header;
  text.append(data_bytes, 'x');
  return text;
}

std::string refusal(const std::string& bytes) {
  const auto file = SafetensorsFile::parse(as_bytes(bytes), "x.safetensors");
  return file ? "accepted" : file.error().message;
}

}  // namespace

TEST_CASE("tensors come back as they were written") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/x.safetensors";
  std::vector<std::byte> a(24, std::byte{1}), b(8, std::byte{2});
  const std::vector<TensorView> tensors{{{"a", "BF16", {3, 4}}, a.data(), a.size()}, {{"b", "F32", {2}}, b.data(), b.size()}, {{"c", "I32", {0}}, nullptr, 0}};
  REQUIRE(write_safetensors(path, tensors));
  const auto file = SafetensorsFile::open(path);
  REQUIRE(file);
  REQUIRE(file->tensors().size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const TensorView& tensor = file->tensors()[i];
    CHECK(tensor.info.name == tensors[i].info.name);
    CHECK(tensor.info.shape == tensors[i].info.shape);
    REQUIRE(tensor.bytes == tensors[i].bytes);
    CHECK((tensor.bytes == 0 || std::memcmp(tensor.data, tensors[i].data, tensor.bytes) == 0));
  }
}

TEST_CASE("a file that cannot be written leaves nothing behind") {
  const TemporaryDirectory directory;
  CHECK_FALSE(write_safetensors(directory.path() + "/missing/x.safetensors", {}));
  std::filesystem::create_directory(directory.path() + "/x.safetensors");
  CHECK_FALSE(write_safetensors(directory.path() + "/x.safetensors", {}));
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
}

TEST_CASE("a file that lies about its sizes is refused with the tensor and the numbers") {
  CHECK_THAT(refusal("abc"), Contains("3 bytes"));
  CHECK_THAT(refusal(file_of("{}", 0).replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8)), Contains("claims a header"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", 9)), Contains("'a'") && Contains("8 bytes"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4)), Contains("ends at byte 8") && Contains("4"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12)), Contains("no hole"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6)),
             Contains("no overlap"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 5)), Contains("belong to no tensor"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,2]}})", 2)), Contains("overflows"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}})", 2)), Contains("array of counts"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1)), Contains("unknown dtype"));
  CHECK_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", 2)), Contains("do not hold"));
  CHECK_THAT(refusal(file_of(R"({"a":1,"a":2})", 0)), Contains("twice"));
  CHECK_THAT(refusal(file_of("[1]", 0)), Contains("not a JSON object"));
  CHECK_THAT(refusal(file_of("{\"a\":", 0)), Contains("not JSON"));
}

TEST_CASE("damaged files are refused or read within their bounds, never followed outside") {
  const std::string good = file_of(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[8],"data_offsets":[16,24]}})", 24);
  std::mt19937 random(3);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (auto flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(bytes.size() - random() % 4);
    const auto file = SafetensorsFile::parse(as_bytes(bytes), "x");
    if (file) {
      ++accepted;
      for (const TensorView& tensor : file->tensors()) {
        const auto* begin = reinterpret_cast<const char*>(tensor.data);
        REQUIRE(begin >= bytes.data());
        REQUIRE(begin + tensor.bytes <= bytes.data() + bytes.size());
      }
    }
  }
  CHECK(accepted < 20000);
}
