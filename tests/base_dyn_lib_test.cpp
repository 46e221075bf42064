// SPDX-License-Identifier: Apache-2.0
#include "base/dyn_lib.h"

#include <catch2/catch.hpp>
#include <vector>

namespace sinter {
namespace {

TEST_CASE("a library's functions are bound to typed pointers") {
  auto library = DynLib::open("libm.so.6");
  REQUIRE(library);
  CHECK(library->path().find("/libm.so.6") != std::string::npos);

  double (*square_root)(double) = nullptr;
  REQUIRE(library->bind({{"sqrt", &square_root}}));
  CHECK(square_root(9.0) == 3.0);
}

TEST_CASE("the first missing function is named with its library") {
  auto library = DynLib::open("libm.so.6");
  REQUIRE(library);
  double (*square_root)(double) = nullptr;
  void (*first)() = nullptr;
  void (*second)() = nullptr;

  auto bound = library->bind({{"sqrt", &square_root}, {"first_missing", &first}, {"second_missing", &second}});

  REQUIRE_FALSE(bound);
  CHECK(bound.error().message.find("first_missing") != std::string::npos);
  CHECK(bound.error().message.find("libm.so.6") != std::string::npos);
  CHECK(bound.error().message.find("second_missing") == std::string::npos);
}

TEST_CASE("a missing optional function becomes a null pointer") {
  auto library = DynLib::open("libm.so.6");
  REQUIRE(library);
  void (*missing)() = +[] {};

  REQUIRE(library->bind({{"missing", &missing, DynSymbol::Presence::kOptional}}));
  CHECK(missing == nullptr);
}

TEST_CASE("the first library that opens is taken, and each that does not is explained") {
  const std::vector<std::string> some{"libsinter_no_such_1.so", "libm.so.6"};
  CHECK(DynLib::open_first(some));

  const std::vector<std::string> none{"libsinter_no_such_1.so", "libsinter_no_such_2.so"};
  auto library = DynLib::open_first(none);
  REQUIRE_FALSE(library);
  CHECK(library.error().message.find("libsinter_no_such_1.so") != std::string::npos);
  CHECK(library.error().message.find("libsinter_no_such_2.so") != std::string::npos);
}

TEST_CASE("asking only for loaded libraries loads none") {
  CHECK(DynLib::open("libc.so.6", DynLib::Mode::kLoadedOnly));
  CHECK_FALSE(DynLib::open("libsinter_no_such_1.so", DynLib::Mode::kLoadedOnly));
}

}  // namespace
}  // namespace sinter
