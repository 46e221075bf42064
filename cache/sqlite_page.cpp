// SPDX-License-Identifier: Apache-2.0
#include "cache/sqlite_page.h"

#include <algorithm>

namespace sinter::sqlite_page {
namespace {

std::optional<PageKind> page_kind(std::byte value) {
  for (const PageKind kind :
       {PageKind::kIndexInterior, PageKind::kTableInterior, PageKind::kIndexLeaf, PageKind::kTableLeaf}) {
    if (std::to_integer<std::uint8_t>(value) == static_cast<std::uint8_t>(kind)) {
      return kind;
    }
  }
  return std::nullopt;
}

/// How much of a payload lies in its cell (section 1.6 of the format).
std::uint64_t local_size(std::uint64_t payload, std::uint64_t usable, bool is_table_leaf) {
  const std::uint64_t most = is_table_leaf ? usable - 35 : (usable - 12) * 64 / 255 - 23;
  if (payload <= most) {
    return payload;
  }
  const std::uint64_t least = (usable - 12) * 32 / 255 - 23;
  const std::uint64_t fitting = least + (payload - least) % (usable - 4);
  return fitting <= most ? fitting : least;
}

}  // namespace

std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes) {
    value = value << 8 | std::to_integer<std::uint64_t>(byte);
  }
  return value;
}

std::optional<Varint> read_varint(Bytes bytes) {
  Varint number;
  while (number.size < bytes.size() && number.size < 9) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[number.size++]);
    if (number.size == 9) {
      number.value = number.value << 8 | byte;  // The ninth has eight bits.
      return number;
    }
    number.value = number.value << 7 | (byte & 0x7f);
    if (byte < 0x80) {
      return number;
    }
  }
  return std::nullopt;
}

std::optional<BtreePage> BtreePage::parse(Bytes page, std::size_t header_at) {
  constexpr std::size_t kLeafHeader = 8;
  constexpr std::size_t kInteriorHeader = 12;
  if (page.size() < header_at + kInteriorHeader) {
    return std::nullopt;
  }
  const auto kind = page_kind(page[header_at]);
  if (!kind) {
    return std::nullopt;
  }
  BtreePage parsed;
  parsed.page_ = page;
  parsed.kind_ = *kind;
  parsed.cell_count_ = big_endian(page.subspan(header_at + 3, 2));
  parsed.pointers_at_ = header_at + (parsed.is_interior() ? kInteriorHeader : kLeafHeader);
  if (parsed.is_interior()) {
    parsed.last_child_ = static_cast<std::uint32_t>(big_endian(page.subspan(header_at + 8, 4)));
  }
  if (parsed.pointers_at_ + 2 * parsed.cell_count_ > page.size()) {
    return std::nullopt;
  }
  return parsed;
}

std::optional<Cell> BtreePage::cell(std::size_t index) const {
  if (index >= cell_count_) {
    return std::nullopt;
  }
  const std::size_t at = big_endian(page_.subspan(pointers_at_ + 2 * index, 2));
  if (at >= page_.size()) {
    return std::nullopt;
  }
  Bytes rest = page_.subspan(at);
  Cell cell;
  if (is_interior()) {
    if (rest.size() < 4) return std::nullopt;
    cell.child = static_cast<std::uint32_t>(big_endian(rest.first(4)));
    rest = rest.subspan(4);
  }
  if (kind_ != PageKind::kTableInterior) {
    const auto payload = read_varint(rest);
    if (!payload) return std::nullopt;
    cell.payload_bytes = payload->value;
    rest = rest.subspan(payload->size);
  }
  if (is_table()) {
    const auto rowid = read_varint(rest);
    if (!rowid) return std::nullopt;
    cell.rowid = static_cast<std::int64_t>(rowid->value);
    rest = rest.subspan(rowid->size);
  }
  const std::uint64_t local = local_size(cell.payload_bytes, page_.size(), kind_ == PageKind::kTableLeaf);
  const bool overflows = local < cell.payload_bytes;
  if (local + (overflows ? 4 : 0) > rest.size()) {
    return std::nullopt;
  }
  cell.local = rest.first(local);
  if (overflows) {
    cell.overflow = static_cast<std::uint32_t>(big_endian(rest.subspan(local, 4)));
  }
  return cell;
}

std::optional<RecordHeader> read_record_header(Bytes payload, std::size_t columns) {
  const auto size = read_varint(payload);
  if (!size || size->value > payload.size()) {
    return std::nullopt;
  }
  RecordHeader header;
  header.size = size->value;
  header.types.reserve(columns);
  for (std::size_t at = size->size; header.types.size() < columns;) {
    const auto type = at < header.size ? read_varint(payload.subspan(at, header.size - at)) : std::nullopt;
    if (!type) {
      return std::nullopt;
    }
    header.types.push_back(type->value);
    at += type->size;
  }
  return header;
}

std::uint64_t value_size(std::uint64_t type) {
  constexpr std::uint64_t kSizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};
  return type < std::size(kSizes) ? kSizes[type] : (type - 12) / 2;
}

std::int64_t integer_of(std::uint64_t type, Bytes value) {
  if (type == 8 || type == 9) {
    return static_cast<std::int64_t>(type) - 8;
  }
  const std::size_t unused = 64 - 8 * value.size();
  return static_cast<std::int64_t>(big_endian(value) << unused) >> unused;  // Keeps the sign.
}

}  // namespace sinter::sqlite_page
