// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <catch2/catch.hpp>

#include "runtime/explain/error_numbers.h"

using namespace sinter;
using Catch::Matchers::Contains;

TEST_CASE("700 is an illegal address to both vendors, and 98 an invalid device function") {
  const auto illegal = find_error_number("700");
  REQUIRE(illegal);
  CHECK(illegal->cuda_driver == "CUDA_ERROR_ILLEGAL_ADDRESS");
  CHECK(illegal->cuda_runtime == "cudaErrorIllegalAddress");
  CHECK(illegal->hip == "hipErrorIllegalAddress");
  CHECK_THAT(to_text(*illegal), Contains("outside of its memory") && Contains("98"));
  CHECK(find_error_number("98")->hip == "hipErrorInvalidDeviceFunction");
  CHECK(find_error_number("98")->cuda_driver.empty());
}

TEST_CASE("an error is found by any vendor's name") {
  CHECK(find_error_number("hipErrorNoBinaryForGpu")->number == 209);
  CHECK(find_error_number("CUDA_ERROR_NO_BINARY_FOR_GPU")->number == 209);
  CHECK(find_error_number("cudaErrorNoKernelImageForDevice")->number == 209);
}

TEST_CASE("a number that means two things says so") {
  CHECK_THAT(to_text(*find_error_number("218")), Contains("CUDA_ERROR_INVALID_PTX") && Contains("hipErrorInvalidKernelFile") &&
                                                    Contains("call it differently"));
  CHECK_THAT(to_json(*find_error_number("218")), Contains("\"same\": false"));
  CHECK_THAT(to_json(*find_error_number("700")), Contains("\"same\": true"));
}

TEST_CASE("a number that no vendor has is refused") {
  for (const char* subject : {"697", "4294967996", "99999999999999999999", "hipErrorNope", ""}) {
    const auto error = find_error_number(subject);
    REQUIRE_FALSE(error);
    CHECK(error.error().code == ErrorCode::kInvalidRequest);
  }
}
