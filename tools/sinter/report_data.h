// SPDX-License-Identifier: Apache-2.0
#pragma once

// The data behind the page of `sinter cache report`: everything is summed up here, so that the page stays small however
// many kernels there are.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"
#include "tools/sinter/cache_view.h"

namespace sinter::cli {

struct ReportOptions {
  std::size_t max_rows = 5000;  ///< Kernels in the table, those that were used last.
  std::int64_t now_unix_s = 0;
};

/// What a database says, of one moment.
struct ReportInput {
  std::string database;
  std::vector<EntryView> entries;
  std::map<std::string, CodeFacts, std::less<>> facts;  ///< By key.
  std::vector<HourCount> counts;
  std::vector<FailedCompile> failures;
  std::vector<BadEntry> bad;
};
/// Errors: kCacheError.
Result<ReportInput> read_report_input(CacheAdmin& cache);

nlohmann::ordered_json report_data(const ReportInput& input, const std::vector<DeviceCaps>& devices,
                                   const std::vector<Quirk>& quirks, const ReportOptions& options);

/// JSON that may stand inside of a script element: no text in it can end the element, or a line of JavaScript.
std::string script_safe(const nlohmann::ordered_json& data);

}  // namespace sinter::cli
