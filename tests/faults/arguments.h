// SPDX-License-Identifier: Apache-2.0
#pragma once

// The command line of a fault program: "--name NUMBER" pairs over defaults. What was used is printed, so that a failure
// can be repeated.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace sinter::faults {

class Arguments {
 public:
  /// `defaults` names every option; "seed" is always one. A seed of 0 means another one each time. Ends the program
  /// with status 2 and a usage line for anything else.
  Arguments(int argc, char** argv, std::map<std::string, std::int64_t> defaults) : values_(std::move(defaults)) {
    values_.emplace("seed", 1);
    for (int i = 1; i < argc; i += 2) {
      char* end = nullptr;
      const bool named = std::strncmp(argv[i], "--", 2) == 0 && values_.contains(argv[i] + 2) && i + 1 < argc;
      const std::int64_t value = named ? std::strtoll(argv[i + 1], &end, 10) : 0;
      if (!named || end == argv[i + 1] || *end != '\0') {
        print(stderr, argv[0]);
        std::exit(2);
      }
      values_[argv[i] + 2] = value;
    }
    if (values_["seed"] == 0) {
      values_["seed"] = std::chrono::system_clock::now().time_since_epoch().count() % 1'000'000'000;
    }
    print(stdout, argv[0]);
  }

  std::int64_t operator[](const std::string& name) const { return values_.at(name); }

 private:
  void print(std::FILE* to, const char* program) const {
    std::fprintf(to, "%s", program);
    for (const auto& [name, value] : values_) {
      std::fprintf(to, " --%s %lld", name.c_str(), static_cast<long long>(value));
    }
    std::fprintf(to, "\n");
    std::fflush(to);
  }

  std::map<std::string, std::int64_t> values_;
};

}  // namespace sinter::faults
