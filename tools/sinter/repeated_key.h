// SPDX-License-Identifier: Apache-2.0
#pragma once

// nlohmann keeps the last of two equal keys of an object. A file that says a thing twice is refused instead.

#include <set>
#include <string>
#include <vector>

namespace sinter {

/// A parser callback that accepts everything and remembers a key that stood twice in one object. `Json` is nlohmann's
/// json or ordered_json. REQUIRES: outlives the parse.
template <class Json>
class RepeatedKey {
 public:
  typename Json::parser_callback_t callback() {
    return [this](int, typename Json::parse_event_t event, Json& value) {
      if (event == Json::parse_event_t::object_start) {
        keys_.emplace_back();
      } else if (event == Json::parse_event_t::object_end) {
        keys_.pop_back();
      } else if (event == Json::parse_event_t::key && !keys_.back().insert(value.template get<std::string>()).second) {
        found_ = value.template get<std::string>();
      }
      return true;
    };
  }

  /// Empty: none.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects around the current position
  std::string found_;
};

}  // namespace sinter
