// SPDX-License-Identifier: Apache-2.0

// A database of the local cache, damaged anywhere, read page by page without SQLite: no crash, no endless walk, and a
// row that passes its checks is the one that was stored. An input is a list of edits.

#include <string>

#include "cache/entry_file.h"
#include "cache/entry_row.h"
#include "tests/fuzz/damaged_file.h"
#include "tests/support/cache.h"

using namespace sinter;

namespace {

constexpr int kRows = 30;  // More than one page of the table and of its index.
constexpr std::size_t kMostEdits = 8;

/// Small code lies in one page, large code in a chain of them.
std::size_t code_bytes(int number) { return number % 5 == 0 ? 9000 : 300; }

/// A database as it was written, and a place where damaged copies go.
class Original {
 public:
  Original() {
    {
      testing::Problems problems;
      SqliteStore store({.directory = directory_ / "cache"}, problems.sink());
      for (int number = 0; number < kRows; ++number) {
        SINTER_CHECK(store.put(testing::key_of(number), testing::code_of(number, code_bytes(number))),
                     "the sample cannot be written");
      }
    }
    content_ = fuzz::content_of(testing::database_in(directory_ / "cache"));
  }

  const std::string& content() const { return content_; }
  std::string damaged_path() const { return directory_ / "damaged.db"; }

 private:
  testing::TempDir directory_;
  std::string content_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Original original;
  fuzz::Input input(data, size);
  std::string content = original.content();
  for (std::size_t i = 0; i < kMostEdits && !input.empty(); ++i) {
    fuzz::edit(content, input);
  }
  fuzz::write_file(original.damaged_path(), content);

  const bool whole = content == original.content();
  const auto file = EntryFile::open(original.damaged_path(), EntryFileKind::kLocal);
  SINTER_CHECK(!whole || file.has_value(), "a whole database is refused");
  for (int number = 0; file.has_value() && number < kRows; ++number) {
    const CacheKey key = testing::key_of(number);
    (void)file->last_used(key.digest);
    auto row = file->find(key.digest);
    SINTER_CHECK(!whole || row.has_value(), "a whole database misses");
    if (!row) {
      continue;
    }
    const auto code = open_entry(std::move(*row), {key.digest, key_fields_to_json(key.fields)});
    SINTER_CHECK(!code || testing::same_code(*code, *testing::code_of(number, code_bytes(number))), "wrong bytes");
  }
  return 0;
}
