// SPDX-License-Identifier: Apache-2.0
#pragma once

// The pages of a SQLite database file as values: numbers, B-tree pages, cells and record headers. Everything is
// bounds-checked, since the bytes may be anything.
//
// The format: https://www.sqlite.org/fileformat2.html, sections 1.5 to 2.1.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sinter::sqlite_page {

using Bytes = std::span<const std::byte>;

/// A big-endian number of up to 8 bytes.
std::uint64_t big_endian(Bytes bytes);

/// A number of 1 to 9 bytes, seven bits each, and how long it is.
struct Varint {
  std::uint64_t value = 0;
  std::size_t size = 0;
};
std::optional<Varint> read_varint(Bytes bytes);

enum class PageKind : std::uint8_t { kIndexInterior = 2, kTableInterior = 5, kIndexLeaf = 10, kTableLeaf = 13 };

struct Cell {
  std::uint32_t child = 0;          ///< Interior pages: the page of what comes before this cell.
  std::int64_t rowid = 0;           ///< Tables.
  std::uint64_t payload_bytes = 0;  ///< Of the whole payload; 0 in a table's interior page.
  Bytes local;                      ///< Its beginning.
  std::uint32_t overflow = 0;       ///< The page where it goes on; 0 if it is all here.
};

/// One page of a B-tree, a view of bytes that must live as long.
class BtreePage {
 public:
  /// `page` has the usable bytes of a page; its B-tree header begins at `header_at`, which is 100 in page 1 and else 0.
  static std::optional<BtreePage> parse(Bytes page, std::size_t header_at);

  PageKind kind() const { return kind_; }
  bool is_interior() const { return kind_ == PageKind::kIndexInterior || kind_ == PageKind::kTableInterior; }
  bool is_table() const { return kind_ == PageKind::kTableInterior || kind_ == PageKind::kTableLeaf; }
  std::size_t cell_count() const { return cell_count_; }
  std::uint32_t last_child() const { return last_child_; }  ///< Interior pages: what comes after the last cell.
  std::optional<Cell> cell(std::size_t index) const;

 private:
  Bytes page_;
  PageKind kind_ = PageKind::kTableLeaf;
  std::size_t cell_count_ = 0;
  std::size_t pointers_at_ = 0;
  std::uint32_t last_child_ = 0;
};

/// What precedes a record's values.
struct RecordHeader {
  std::size_t size = 0;              ///< The first value begins here.
  std::vector<std::uint64_t> types;  ///< Of the first columns.
};
/// nullopt if `payload` does not have the whole header, or if it has fewer than `columns`.
std::optional<RecordHeader> read_record_header(Bytes payload, std::size_t columns);

/// Bytes of a value of this type.
std::uint64_t value_size(std::uint64_t type);
inline bool is_text(std::uint64_t type) { return type >= 13 && type % 2 == 1; }
inline bool is_blob(std::uint64_t type) { return type >= 12 && type % 2 == 0; }
inline bool is_integer(std::uint64_t type) { return (type >= 1 && type <= 6) || type == 8 || type == 9; }
inline constexpr std::uint64_t kRealType = 7;

/// The integer of a value of this type. REQUIRES: is_integer(type) and value_size(type) bytes.
std::int64_t integer_of(std::uint64_t type, Bytes value);

}  // namespace sinter::sqlite_page
