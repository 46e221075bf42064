// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/certificate.h"

#include <catch2/catch.hpp>

#include "base/read_file.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

const Certificate kFields{{"sinter", "0.1.0"}, {"declared", "ab12"}, {"driver of device 0", "13.0 \"x\""}};

}  // namespace

TEST_CASE("a certificate is read as it was written") {
  const auto read = parse_certificate(certificate_text(kFields), "c.json");
  REQUIRE(read);
  CHECK(*read == kFields);
  CHECK(certificate_differences(*read, kFields).empty());
}

TEST_CASE("every field that changed, came or went is told") {
  Certificate now = kFields;
  now[1].value = "cd34";
  now[0] = {"bundle 0", "ef56"};
  const auto differences = certificate_differences(kFields, now);
  REQUIRE(differences.size() == 3);
  CHECK(differences[0] == "bundle 0 is new: ef56");
  CHECK(differences[1] == "declared was ab12 and is cd34");
  CHECK(differences[2] == "sinter is gone: 0.1.0");
}

TEST_CASE("a certificate that was changed by hand is none") {
  std::string text = certificate_text(kFields);
  text.replace(text.find("ab12"), 4, "ab13");
  CHECK_THAT(parse_certificate(text, "c.json").error().message, Contains("c.json") && Contains("digest"));
  for (const std::string_view other :
       {"", "{}", "[]", R"({"sinter_certificate": 2})", R"({"sinter_certificate": 1, "fields": {"a": 1}})",
        R"({"sinter_certificate": 1, "fields": {}})"}) {
    CAPTURE(other);
    CHECK_FALSE(parse_certificate(other, "c.json"));
  }
}

TEST_CASE("a certificate is written whole in place of an older one, or the error says why not") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/c.json";
  REQUIRE(write_certificate(path, {{"a", "1"}}));
  REQUIRE(write_certificate(path, kFields));
  CHECK(*parse_certificate(*read_text_file(path), "c.json") == kFields);
  CHECK_THAT(write_certificate(directory.path() + "/none/c.json", kFields).error().message, Contains("No such file"));
}
