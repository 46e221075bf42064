// SPDX-License-Identifier: Apache-2.0

// Rows of remembered failures with columns of any type and content: what is believed is what was sealed, unless the
// input forged the checksum, too, and is then an error code that exists and a time that has been.

#include <string>
#include <utility>

#include "cache/failure_row.h"
#include "tests/fuzz/loose_table.h"

namespace {

using namespace sinter;

constexpr std::size_t kColumns = 11;
constexpr std::int64_t kNow = 2'000'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::LooseTable table("failure", schema::kPutFailure, schema::kGetFailure);
  fuzz::Input input(data, size);
  const CacheKey key = make_cache_key({{"spec", "s"}, {"family", "f"}, {"arch", "gfx942"}});
  const CompileFailure original{.code = ErrorCode::kTimeout,
                                .crashed = true,
                                .failed_unix_s = 1'000'000,
                                .message = "slow",
                                .log = "log",
                                .source = "src"};
  const FailureRow sealed = seal_failure(key, original);

  const fuzz::Replacements replacements(input, kColumns);
  const bool forge = input.flag();
  auto row = table.store_and_read([&](Statement& put) { bind_failure_row(put, sealed); }, replacements,
                                  [](const Statement& got) { return read_failure_row(got); });
  if (!row) {
    fuzz::check_refusal(row.error(), {ErrorCode::kCacheError});
    return 0;
  }
  if (forge) {
    row->checksum = failure_checksum(*row);
  }
  const auto failure = open_failure(std::move(*row), key, kNow);
  if (!failure) {
    fuzz::check_refusal(failure.error(), {ErrorCode::kCacheError});
    return 0;
  }
  SINTER_CHECK(error_code_name(failure->code) != "unknown", "a failure of no kind");
  SINTER_CHECK(failure->failed_unix_s >= 0 && failure->failed_unix_s <= kNow + kMaxClockSkewS,
               "a failure from the future");
  SINTER_CHECK(forge || (failure->code == original.code && failure->crashed && failure->message == original.message &&
                         failure->log == original.log && failure->source == original.source &&
                         failure->failed_unix_s == original.failed_unix_s),
               "something was believed that was not sealed");
  return 0;
}
