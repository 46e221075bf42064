// SPDX-License-Identifier: Apache-2.0
#include "cache/entry_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <compare>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/sqlite_page.h"

namespace sinter {
namespace {

using sqlite_page::BtreePage;
using sqlite_page::Bytes;
using sqlite_page::Cell;

constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr std::size_t kHeaderBytes = 100;

/// Deeper than any B-tree that fits into a file: 2^32 pages, four keys to a page.
constexpr int kMaxDepth = 20;

/// Columns of `entry` up to the code, in the order of CREATE TABLE.
constexpr std::size_t kColumnsToRead = 20;

/// The pages of one file through one buffer.
class Pages {
 public:
  Pages(int descriptor, std::uint32_t page_bytes) : descriptor_(descriptor), page_(std::span(buffer_).first(page_bytes)) {}

  /// The bytes of a page, until the next call; empty if it cannot be had.
  Bytes read(std::uint32_t number) {
    if (number == 0) {
      return {};
    }
    const off_t at = static_cast<off_t>(number - 1) * static_cast<off_t>(page_.size());
    ssize_t got = 0;
    do {
      got = pread(descriptor_, page_.data(), page_.size(), at);
    } while (got < 0 && errno == EINTR);
    return got == std::ssize(page_) ? Bytes(page_) : Bytes();
  }

 private:
  const int descriptor_;
  std::array<std::byte, std::max(schema::kPageBytes, schema::kBundlePageBytes)> buffer_;  // Not cleared: it is large.
  const std::span<std::byte> page_;
};

std::uint32_t number_at(Bytes bytes, std::size_t at, std::size_t size) {
  return static_cast<std::uint32_t>(sqlite_page::big_endian(bytes.subspan(at, size)));
}

/// A payload from its beginning on: what lies in the cell's page, then a chain of other pages.
class PayloadReader {
 public:
  PayloadReader(Pages& pages, const Cell& cell)
      : pages_(pages),
        left_(cell.payload_bytes),
        local_(cell.local.begin(), cell.local.end()),
        part_(local_),
        next_(cell.overflow) {}

  /// REQUIRES: that much lies in the cell's page.
  void skip(std::size_t size) {
    part_ = part_.subspan(size);
    left_ -= size;
  }
  std::uint64_t left() const { return left_; }

  bool read(std::span<std::byte> out) {
    if (out.size() > left_) {
      return false;
    }
    left_ -= out.size();
    while (!out.empty()) {
      if (part_.empty()) {
        const Bytes page = pages_.read(next_);
        if (page.empty()) {
          return false;
        }
        next_ = number_at(page, 0, 4);
        part_ = page.subspan(4);
      }
      const std::size_t size = std::min(out.size(), part_.size());
      std::memcpy(out.data(), part_.data(), size);
      out = out.subspan(size);
      part_ = part_.subspan(size);
    }
    return true;
  }

 private:
  Pages& pages_;
  std::uint64_t left_;
  std::vector<std::byte> local_;  // Copied, since the next page comes into the same buffer.
  Bytes part_;
  std::uint32_t next_;
};

/// The values of a record in their order. After one that is not what is asked for, all are left as they were.
class ValueReader {
 public:
  ValueReader(PayloadReader& payload, const std::vector<std::uint64_t>& types) : payload_(payload), types_(types) {}

  bool is_good() const { return is_good_; }

  void read(std::string& out) { read_bytes(out, sqlite_page::is_text(type())); }
  void read(std::vector<std::byte>& out) { read_bytes(out, sqlite_page::is_blob(type())); }
  void read(Digest& out) {
    expect(sqlite_page::is_blob(type()) && sqlite_page::value_size(type()) == out.bytes.size());
    read_into(std::as_writable_bytes(std::span(out.bytes)));
  }
  void read(std::int64_t& out) {
    expect(sqlite_page::is_integer(type()));
    std::byte bytes[8] = {};
    const auto value = std::span(bytes).first(is_good_ ? sqlite_page::value_size(type()) : 0);
    const std::uint64_t integer_type = type();
    read_into(value);
    if (is_good_) out = sqlite_page::integer_of(integer_type, value);
  }
  void read(double& out) {
    if (type() != sqlite_page::kRealType) {
      std::int64_t whole = 0;  // SQLite writes a whole number so.
      read(whole);
      if (is_good_) out = static_cast<double>(whole);
      return;
    }
    std::byte bytes[8] = {};
    read_into(bytes);
    if (is_good_) out = std::bit_cast<double>(sqlite_page::big_endian(bytes));
  }

 private:
  std::uint64_t type() const { return column_ < types_.size() ? types_[column_] : 0; }
  void expect(bool condition) { is_good_ = is_good_ && condition; }

  void read_into(std::span<std::byte> out) {
    ++column_;
    expect(is_good_ && payload_.read(out));
  }

  template <class Container>
  void read_bytes(Container& out, bool is_right_type) {
    expect(is_right_type && sqlite_page::value_size(type()) <= payload_.left());
    if (is_good_) out.resize(static_cast<std::size_t>(sqlite_page::value_size(type())));
    read_into(std::as_writable_bytes(std::span(out)));
  }

  PayloadReader& payload_;
  const std::vector<std::uint64_t>& types_;
  std::size_t column_ = 0;
  bool is_good_ = true;
};

/// Goes from a root page to the leaf where a key is or would be, by binary search in each page. `compare` orders the key
/// and a cell; nullopt ends the search. Gives the cell that is equal, whose page is the last that was read.
template <class Compare>
std::optional<Cell> search(Pages& pages, std::uint32_t root, bool is_table, Compare compare) {
  std::uint32_t number = root;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const Bytes bytes = pages.read(number);
    const auto page = BtreePage::parse(bytes, 0);
    if (!page || page->is_table() != is_table) {
      return std::nullopt;
    }
    std::size_t low = 0;
    std::size_t high = page->cell_count();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      const auto cell = page->cell(middle);
      const std::optional<std::strong_ordering> order = cell ? compare(*cell) : std::nullopt;
      if (!order) {
        return std::nullopt;
      }
      // In a table's interior pages, a key is also in the page before it.
      if (*order == 0 && !(is_table && page->is_interior())) {
        return cell;
      }
      if (*order > 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (!page->is_interior()) {
      return std::nullopt;
    }
    if (low == page->cell_count()) {
      number = page->last_child();
    } else {
      number = page->cell(low)->child;
    }
  }
  return std::nullopt;
}

/// Of a tree of records that begin with a digest and an integer, the integer beside this digest.
std::optional<std::int64_t> number_behind(Pages& pages, std::uint32_t root, const Digest& key) {
  const std::size_t size = key.bytes.size();
  std::int64_t number = 0;
  const auto compare = [&](const Cell& cell) -> std::optional<std::strong_ordering> {
    const auto header = sqlite_page::read_record_header(cell.local, 2);
    if (!header || !sqlite_page::is_blob(header->types[0]) || sqlite_page::value_size(header->types[0]) != size ||
        !sqlite_page::is_integer(header->types[1])) {
      return std::nullopt;
    }
    const std::uint64_t number_size = sqlite_page::value_size(header->types[1]);
    if (header->size + size + number_size > cell.local.size()) {
      return std::nullopt;
    }
    number = sqlite_page::integer_of(header->types[1], cell.local.subspan(header->size + size, number_size));
    return std::memcmp(key.bytes.data(), cell.local.data() + header->size, size) <=> 0;
  };
  return search(pages, root, false, compare) ? std::optional(number) : std::nullopt;
}

std::string_view text_of(Bytes payload, const std::vector<std::uint64_t>& types, std::size_t header, std::size_t column) {
  std::uint64_t at = header;
  for (std::size_t i = 0; i < column; ++i) {
    at += std::min<std::uint64_t>(sqlite_page::value_size(types[i]), payload.size());
  }
  const std::uint64_t size = sqlite_page::value_size(types[column]);
  if (!sqlite_page::is_text(types[column]) || at > payload.size() || size > payload.size() - at) {
    return {};
  }
  return as_text(payload.subspan(at, size));
}

}  // namespace

EntryFile& EntryFile::operator=(EntryFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  page_bytes_ = other.page_bytes_;
  table_root_ = other.table_root_;
  index_root_ = other.index_root_;
  use_root_ = other.use_root_;
  return *this;
}

EntryFile::~EntryFile() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

std::optional<EntryFile> EntryFile::open(const std::string& path, EntryFileKind kind) {
  EntryFile file;
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat info {};
  if (file.descriptor_ < 0 || fstat(file.descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return std::nullopt;
  }
  const bool is_local = kind == EntryFileKind::kLocal;
  file.page_bytes_ = is_local ? schema::kPageBytes : schema::kBundlePageBytes;
  const std::int64_t application_id =
      is_local ? schema::application_id(schema::kVersion) : schema::bundle_application_id(schema::kVersion);
  Pages pages(file.descriptor_, file.page_bytes_);
  const Bytes first = pages.read(1);
  if (first.empty() || as_text(first.first(kMagic.size())) != kMagic ||
      number_at(first, 16, 2) != file.page_bytes_ || first[20] != std::byte{0} || number_at(first, 56, 4) != 1 ||
      number_at(first, 60, 4) != schema::kVersion ||
      number_at(first, 68, 4) != application_id || !file.find_roots(first, kind)) {
    return std::nullopt;
  }
  return file;
}

/// The tables are few, so their list is all in the first page.
bool EntryFile::find_roots(std::span<const std::byte> first_page, EntryFileKind kind) {
  constexpr std::size_t kType = 0, kName = 1, kRoot = 3, kSql = 4, kSchemaColumns = 5;
  const std::string_view entry_table = kind == EntryFileKind::kLocal ? schema::kEntryTable : schema::kBundleEntryTable;
  const auto page = BtreePage::parse(first_page, kHeaderBytes);
  if (!page || page->kind() != sqlite_page::PageKind::kTableLeaf) {
    return false;
  }
  for (std::size_t i = 0; i < page->cell_count(); ++i) {
    const auto cell = page->cell(i);
    const auto header = cell ? sqlite_page::read_record_header(cell->local, kSchemaColumns) : std::nullopt;
    if (!header) {
      return false;
    }
    const auto text = [&](std::size_t column) { return text_of(cell->local, header->types, header->size, column); };
    const auto root = [&]() -> std::uint32_t {
      const std::string_view before = text(kRoot - 1);
      const auto at = static_cast<std::size_t>(as_bytes(before).data() + before.size() - cell->local.data());
      const std::uint64_t size = sqlite_page::value_size(header->types[kRoot]);
      return before.empty() || at + size > cell->local.size() ? 0 : number_at(cell->local, at, size);
    };
    if (text(kName) == "entry" && text(kType) == "table" && text(kSql) == entry_table) {
      table_root_ = root();
    } else if (text(kName) == "sqlite_autoindex_entry_1" && text(kType) == "index") {
      index_root_ = root();
    } else if (text(kName) == "entry_use" && text(kType) == "table") {
      use_root_ = root();
    }
  }
  return table_root_ != 0 && index_root_ != 0;
}

std::optional<std::int64_t> EntryFile::last_used(const Digest& key) const {
  Pages pages(descriptor_, page_bytes_);
  return number_behind(pages, use_root_, key);
}

std::optional<EntryRow> EntryFile::find(const Digest& key) const {
  Pages pages(descriptor_, page_bytes_);
  const auto rowid = number_behind(pages, index_root_, key);
  if (!rowid) {
    return std::nullopt;
  }
  const auto cell = search(pages, table_root_, true, [&](const Cell& candidate) -> std::optional<std::strong_ordering> {
    return *rowid <=> candidate.rowid;
  });
  const auto header = cell ? sqlite_page::read_record_header(cell->local, kColumnsToRead) : std::nullopt;
  if (!header || cell->payload_bytes > static_cast<std::uint64_t>(Database::kMaxRowBytes)) {
    return std::nullopt;
  }
  PayloadReader payload(pages, *cell);
  payload.skip(header->size);
  ValueReader values(payload, header->types);
  EntryRow row;
  values.read(row.key);
  values.read(row.key_fields);
  values.read(row.spec);
  values.read(row.family);
  values.read(row.arch);
  values.read(row.format);
  values.read(row.entry);
  values.read(row.facts);
  values.read(row.backend);
  values.read(row.compiler);
  values.read(row.compile_ms);
  values.read(row.created_unix_s);
  values.read(row.writer);
  values.read(row.origin);
  values.read(row.code_bytes);
  values.read(row.sha256);
  values.read(row.signature);
  values.read(row.checksum);
  values.read(row.text_checksum);
  values.read(row.code);
  return values.is_good() ? std::optional(std::move(row)) : std::nullopt;
}

}  // namespace sinter
