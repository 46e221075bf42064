// SPDX-License-Identifier: Apache-2.0
#pragma once

// EntryFile: one entry out of a database file, by reading the few pages it takes and nothing else. A first hit of a new
// process needs no locks, no log and no parsed schema: a row that passes its checks is right, whatever state the file is
// in. Whoever wants more than a hit opens the database with SQLite.
//
// The format of the file: https://www.sqlite.org/fileformat2.html, sections 1 and 2.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/digest.h"
#include "cache/entry_row.h"

namespace sinter {

/// Which database a file has to be.
enum class EntryFileKind : std::uint8_t { kLocal, kBundle };

/// Thread-safe: nothing changes after open().
class EntryFile {
 public:
  /// Opens the file at `path` if it is a database of this kind and schema; a link is none. Locks nothing and makes nothing.
  ///
  /// A file that SQLite has open with locks in this process must not be opened so, because closing it would end the
  /// locks: see Database::DirectRead.
  static std::optional<EntryFile> open(const std::string& path, EntryFileKind kind);

  EntryFile(EntryFile&& other) noexcept { *this = std::move(other); }
  EntryFile& operator=(EntryFile&& other) noexcept;
  ~EntryFile();

  /// The row of this key as RowPart::kRead has it, to be checked by open_entry(). nullopt if it is not there, if it is in
  /// the write-ahead log alone, or if somebody is writing just now: ask SQLite then.
  std::optional<EntryRow> find(const Digest& key) const;

  /// When the entry was last stamped as used; nullopt as above, and in a bundle.
  std::optional<std::int64_t> last_used(const Digest& key) const;

 private:
  EntryFile() = default;
  bool find_roots(std::span<const std::byte> first_page, EntryFileKind kind);

  int descriptor_ = -1;
  std::uint32_t page_bytes_ = 0;
  std::uint32_t table_root_ = 0;  // Page numbers; the first page is 1.
  std::uint32_t index_root_ = 0;
  std::uint32_t use_root_ = 0;
};

}  // namespace sinter
