// SPDX-License-Identifier: Apache-2.0
#pragma once

// What nlohmann's parser lets pass and a file that others wrote must not have: a key twice in one object, of which it
// would keep the last; and values nested so deep that copying or printing them, which recurse, would exhaust the stack.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sinter {

/// A parser callback that remembers the first such thing. `Json` is nlohmann's json or ordered_json.
/// REQUIRES: outlives the parse; what was parsed is not looked at if there is a problem.
template <class Json>
class JsonGuard {
 public:
  /// No file that is read here needs more than a few levels.
  static constexpr int kMaxDepth = 32;

  typename Json::parser_callback_t callback() {
    return [this](int depth, typename Json::parse_event_t event, Json& value) { return see(depth, event, value); };
  }

  /// A clause for an error message; empty: none.
  const std::string& problem() const { return problem_; }

 private:
  using Event = typename Json::parse_event_t;

  /// False leaves the value out, with all that is in it.
  bool see(int depth, Event event, const Json& value) {
    if (depth > kMaxDepth) {
      remember(fmt::format("nested deeper than {}", kMaxDepth));
      return false;
    }
    if (event == Event::object_start) {
      keys_.emplace_back();
    } else if (event == Event::object_end) {
      keys_.pop_back();
    } else if (event == Event::key) {
      auto key = value.template get<std::string>();
      if (!keys_.back().insert(key).second) {
        remember(fmt::format("field '{}' stands twice in one object", key));
      }
    }
    return true;
  }

  void remember(std::string problem) {
    if (problem_.empty()) {
      problem_ = std::move(problem);
    }
  }

  std::vector<std::set<std::string>> keys_;  // of the objects around the current position
  std::string problem_;
};

}  // namespace sinter
