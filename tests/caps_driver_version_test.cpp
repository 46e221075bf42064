// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "runtime/caps/driver_version.h"

using namespace sinter;

TEST_CASE("a range is about the driver that it names") {
  const DriverRange amdgpu{"amdgpu", "6.10", "6.12"};
  CHECK(driver_in_range(amdgpu, "60443482 amdgpu 6.10.5 kfd 1.17") == InRange::kYes);
  CHECK(driver_in_range(amdgpu, "60443482 amdgpu 6.9") == InRange::kNo);
  CHECK(driver_in_range(amdgpu, "60443482 amdgpu 6.12.1") == InRange::kNo);
  CHECK(driver_in_range(amdgpu, "60443482 simhip 6.11") == InRange::kNo);
  CHECK(driver_in_range({"kfd", "1.16", ""}, "60443482 amdgpu 6.10.5 kfd 1.17") == InRange::kYes);
  CHECK(driver_in_range({"simhip-fixed", "", ""}, "60443482 simhip-fixed 1") == InRange::kYes);
  CHECK(driver_in_range({"simhip-fixed", "", ""}, "60443482 simhip 1") == InRange::kNo);
}

TEST_CASE("a driver that does not tell its version is unclear to every range with bounds") {
  const DriverRange range{"", "6.10", ""};
  CHECK(driver_in_range(range, "") == InRange::kUnclear);
  CHECK(driver_in_range(range, "60443482") == InRange::kUnclear);
  CHECK(driver_in_range(range, "60443482 amdgpu srcversion:0A1B2C") == InRange::kUnclear);
  CHECK(driver_in_range(range, "60443482 amdgpu") == InRange::kUnclear);
  CHECK(driver_in_range({"amdgpu", "", ""}, "60443482 amdgpu srcversion:0A1B2C") == InRange::kYes);
}

TEST_CASE("a version that stands alone is CUDA's or, as asked on a command line, amdgpu's") {
  CHECK(driver_in_range({"", "13.0", ""}, "13.0") == InRange::kYes);
  CHECK(driver_in_range({"amdgpu", "", "6.12"}, "6.14") == InRange::kNo);
}

TEST_CASE("ranges are told in words") {
  CHECK(to_string(DriverRange{}) == "any driver");
  CHECK(to_string({"amdgpu", "6.10", "6.12"}) == "amdgpu 6.10 to 6.12");
  CHECK(to_string({"", "6.10", ""}) == "drivers 6.10 and later");
  CHECK(to_string({"simhip-fixed", "", ""}) == "simhip-fixed of any version");
}
