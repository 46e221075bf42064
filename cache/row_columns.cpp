// SPDX-License-Identifier: Apache-2.0
#include "cache/row_columns.h"

#include <fmt/format.h>

#include <cstring>

namespace sinter {

void ColumnReader::read(std::string& out) {
  if (expect(ColumnType::kText)) out = statement_.column_text(column_);
  ++column_;
}

void ColumnReader::read(std::int64_t& out) {
  if (expect(ColumnType::kInteger)) out = statement_.column_integer(column_);
  ++column_;
}

void ColumnReader::read(double& out) {
  if (expect(ColumnType::kReal)) out = statement_.column_real(column_);
  ++column_;
}

void ColumnReader::read(std::vector<std::byte>& out) {
  if (expect(ColumnType::kBlob)) {
    const auto bytes = statement_.column_bytes(column_);
    out.assign(bytes.begin(), bytes.end());
  }
  ++column_;
}

void ColumnReader::read(Digest& out) {
  if (expect(ColumnType::kBlob)) {
    const auto bytes = statement_.column_bytes(column_);
    if (bytes.size() == out.bytes.size()) {
      std::memcpy(out.bytes.data(), bytes.data(), bytes.size());
    } else if (first_bad_ < 0) {
      first_bad_ = column_;
    }
  }
  ++column_;
}

std::string ColumnReader::problem() const {
  return first_bad_ < 0 ? std::string()
                        : fmt::format("column '{}' has the wrong type or size", statement_.column_name(first_bad_));
}

bool ColumnReader::expect(ColumnType type) {
  const bool right = statement_.column_type(column_) == type;
  if (!right && first_bad_ < 0) {
    first_bad_ = column_;
  }
  return right;
}

void RowChecksum::add(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) {
    buffer_.push_back(static_cast<char>(value >> shift));
  }
}

void RowChecksum::add(std::string_view text) {
  add(text.size());
  buffer_.append(text);
}

void RowChecksum::add_large(std::span<const std::byte> bytes) {
  add(bytes.size());
  add(checksum64(bytes));
}

std::int64_t RowChecksum::finish() const { return static_cast<std::int64_t>(checksum64(as_bytes(buffer_))); }

}  // namespace sinter
