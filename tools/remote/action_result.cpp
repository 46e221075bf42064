// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/action_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace sinter::remote {
namespace {

// ActionResult.output_files, OutputFile.path and .digest, Digest.hash and .size_bytes.
constexpr std::uint64_t kOutputFiles = 2, kPath = 1, kDigest = 2, kHash = 1, kSizeBytes = 2;

enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

Error malformed(std::string_view why) {
  return make_error(ErrorCode::kInternal, fmt::format("what stands under /ac is no ActionResult: {}", why));
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    out.push_back(static_cast<char>(value | 0x80));
  }
  out.push_back(static_cast<char>(value));
}

void put_bytes(std::string& out, std::uint64_t field, std::string_view bytes) {
  put_varint(out, field << 3 | kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool is_at_end() const { return bytes_.empty(); }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    return std::nullopt;
  }

  std::optional<std::string_view> take(std::uint64_t size) {
    if (size > bytes_.size()) {
      return std::nullopt;
    }
    const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(static_cast<std::size_t>(size));
    return taken;
  }

 private:
  std::string_view bytes_;
};

/// Calls `see(field, bytes)` for each field of bytes and `see_number(field, value)` for each varint; false if malformed.
template <class See, class SeeNumber>
bool read_fields(std::string_view message, See see, SeeNumber see_number) {
  Reader reader(message);
  while (!reader.is_at_end()) {
    const auto tag = reader.varint();
    if (!tag) {
      return false;
    }
    const std::uint64_t wire_type = *tag & 7;
    if (wire_type == kVarint) {
      const auto value = reader.varint();
      if (!value) {
        return false;
      }
      see_number(*tag >> 3, *value);
      continue;
    }
    const auto size = wire_type == kBytes     ? reader.varint()
                      : wire_type == kFixed64 ? std::optional<std::uint64_t>(8)
                      : wire_type == kFixed32 ? std::optional<std::uint64_t>(4)
                                              : std::nullopt;
    const auto bytes = size ? reader.take(*size) : std::nullopt;
    if (!bytes) {
      return false;
    }
    if (wire_type == kBytes) {
      see(*tag >> 3, *bytes);
    }
  }
  return true;
}

}  // namespace

std::string encode_action_result(std::string_view file, const ContentName& contents) {
  std::string digest, output, result;
  put_bytes(digest, kHash, contents.sha256);
  put_varint(digest, kSizeBytes << 3 | kVarint);
  put_varint(digest, contents.size_bytes);
  put_bytes(output, kPath, file);
  put_bytes(output, kDigest, digest);
  put_bytes(result, kOutputFiles, output);
  return result;
}

Result<ContentName> decode_action_result(std::string_view bytes) {
  const auto ignore_number = [](std::uint64_t, std::uint64_t) {};
  std::optional<std::string_view> output, digest;
  const auto see_result = [&](std::uint64_t field, std::string_view value) {
    if (field == kOutputFiles && !output) {
      output = value;
    }
  };
  const auto see_output = [&](std::uint64_t field, std::string_view value) {
    if (field == kDigest) {
      digest = value;
    }
  };
  if (!read_fields(bytes, see_result, ignore_number)) {
    return malformed("it is cut off or damaged");
  }
  if (!output || !read_fields(*output, see_output, ignore_number) || !digest) {
    return malformed("it has no output file with a digest");
  }
  ContentName contents;
  const auto see_hash = [&](std::uint64_t field, std::string_view value) {
    if (field == kHash) {
      contents.sha256 = value;
    }
  };
  const auto see_size = [&](std::uint64_t field, std::uint64_t value) {
    if (field == kSizeBytes) {
      contents.size_bytes = value;
    }
  };
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!read_fields(*digest, see_hash, see_size) || contents.sha256.size() != 64 ||
      !std::ranges::all_of(contents.sha256, is_hex)) {
    return malformed("its digest is no SHA-256");
  }
  return contents;
}

}  // namespace sinter::remote
