// SPDX-License-Identifier: Apache-2.0
#include "cache/reported_problems.h"

#include <catch2/catch.hpp>

using namespace sinter;

TEST_CASE("each problem is told once", "[cache]") {
  ReportedProblems problems;
  const ReportedProblems::Clock::time_point now{};
  CHECK(problems.add("the disk is full", now) == "the disk is full");
  CHECK_FALSE(problems.add("the disk is full", now + 1000 * ReportedProblems::kSilence));
  CHECK(problems.add("the key is wrong", now) == "the key is wrong");
}

TEST_CASE("texts without end are followed by a silence that is told, and that ends", "[cache]") {
  ReportedProblems problems;
  const ReportedProblems::Clock::time_point now{};
  std::string last;
  for (std::size_t i = 0; i < ReportedProblems::kMax; ++i) {
    last = problems.add("entry " + std::to_string(i), now).value_or("nothing");
  }
  CHECK_THAT(last, Catch::StartsWith("entry 99") && Catch::Contains("tells no more for 60 minutes"));
  CHECK_FALSE(problems.add("the disk is full", now));
  CHECK_FALSE(problems.add("the disk is full", now + ReportedProblems::kSilence - std::chrono::seconds(1)));
  CHECK(problems.add("the disk is full", now + ReportedProblems::kSilence) == "the disk is full");
  CHECK(problems.add("entry 1", now + ReportedProblems::kSilence) == "entry 1");
}
