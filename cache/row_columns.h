// SPDX-License-Identifier: Apache-2.0
#pragma once

// How rows are read and protected: columns copied with their type checked, and a checksum over their values. Every table
// whose rows can be damaged one by one uses both.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "cache/sqlite_db.h"

namespace sinter {

inline std::span<const std::byte> bytes_of(const Digest& digest) { return std::as_bytes(std::span(digest.bytes)); }

/// Reads columns in order and remembers the first that is not what it should be.
class ColumnReader {
 public:
  explicit ColumnReader(const Statement& statement) : statement_(statement) {}

  void read(std::string& out);
  void read(std::int64_t& out);
  void read(double& out);
  void read(std::vector<std::byte>& out);
  void read(Digest& out);  ///< A blob of 32 bytes.

  /// Empty if every column was right; else what to say of the first that was not.
  std::string problem() const;

 private:
  bool expect(ColumnType type);

  const Statement& statement_;
  int column_ = 0;
  int first_bad_ = -1;
};

/// XXH3-64 over values in their order: texts with their length before them, so that none can move into its neighbour.
/// Large ones enter by length and checksum of their own, so that they are not copied.
class RowChecksum {
 public:
  void add(std::uint64_t value);
  void add(std::string_view text);
  void add_large(std::span<const std::byte> bytes);
  std::int64_t finish() const;

 private:
  std::string buffer_;
};

}  // namespace sinter
