// SPDX-License-Identifier: Apache-2.0
#include "cache/remote_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/cbor_message.h"
#include "base/cbor_shape.h"

namespace sinter {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFieldCount = 15;

Error bad(std::string_view why) { return make_error(ErrorCode::kCacheError, fmt::format("it is no entry: {}", why)); }

/// Copies fields out of the map; false if one is missing or of another type.
class Reader {
 public:
  explicit Reader(Json& map) : map_(map) {}

  bool read(const char* name, std::string& out) {
    Json* field = find(name);
    if (field == nullptr || !field->is_string()) {
      return false;
    }
    out = std::move(field->get_ref<std::string&>());
    return true;
  }
  bool read(const char* name, std::int64_t& out) {
    const Json* field = find(name);
    if (field == nullptr || !field->is_number_integer() ||
        (field->is_number_unsigned() && field->get<std::uint64_t>() > INT64_MAX)) {
      return false;
    }
    out = field->get<std::int64_t>();
    return true;
  }
  bool read(const char* name, double& out) {
    const Json* field = find(name);
    if (field == nullptr || !field->is_number_float()) {
      return false;
    }
    out = field->get<double>() + 0.0;  // A database keeps no negative zero.
    return std::isfinite(out) && out >= 0;
  }
  bool read(const char* name, std::vector<std::byte>& out) {
    const Json* field = find(name);
    if (field == nullptr || !field->is_binary()) {
      return false;
    }
    const auto& bytes = field->get_binary();
    out.resize(bytes.size());
    std::ranges::transform(bytes, out.begin(), [](std::uint8_t b) { return std::byte{b}; });
    return true;
  }

 private:
  Json* find(const char* name) {
    const auto it = map_.find(name);
    return it == map_.end() ? nullptr : &*it;
  }

  Json& map_;
};

Result<EntryRow> decode(const std::vector<std::byte>& blob) {
  if (auto shape = check_cbor_shape(blob); !shape) {
    return bad(shape.error().message);
  }
  Json map = Json::from_cbor(blob, /*strict=*/true, /*allow_exceptions=*/false);
  if (!map.is_object() || map.size() != kFieldCount) {
    return bad("it has other fields");
  }
  EntryRow row;
  std::int64_t version = 0;
  std::string sha256;
  Reader reader(map);
  const bool is_read = reader.read("version", version) && reader.read("key_fields", row.key_fields) &&
                       reader.read("format", row.format) && reader.read("entry", row.entry) &&
                       reader.read("facts", row.facts) && reader.read("backend", row.backend) &&
                       reader.read("compiler", row.compiler) && reader.read("compile_ms", row.compile_ms) &&
                       reader.read("created_unix_s", row.created_unix_s) && reader.read("sha256", sha256) &&
                       reader.read("signature", row.signature) && reader.read("code", row.code) &&
                       reader.read("writer", row.writer) && reader.read("log", row.log) &&
                       reader.read("source", row.source);
  const std::optional<Digest> digest = digest_from_hex(sha256);
  if (!is_read || version != kVersion || !digest) {
    return bad("a field is missing or of another type");
  }
  row.sha256 = *digest;
  return row;
}

}  // namespace

std::vector<std::byte> encode_remote_entry(const EntryRow& row) {
  const Json map = {{"version", kVersion},
                    {"key_fields", row.key_fields},
                    {"format", row.format},
                    {"entry", row.entry},
                    {"facts", row.facts},
                    {"backend", row.backend},
                    {"compiler", row.compiler},
                    {"compile_ms", row.compile_ms},
                    {"created_unix_s", row.created_unix_s},
                    {"sha256", to_hex(row.sha256)},
                    {"signature", cbor_binary(row.signature)},
                    {"code", cbor_binary(row.code)},
                    {"writer", row.writer},
                    {"log", row.log},
                    {"source", row.source}};
  return cbor_frame(map);
}

Result<EntryRow> open_remote_entry(const std::vector<std::byte>& blob, const CacheKey& key,
                                   const RowSignatures& signatures) {
  SINTER_TRY(EntryRow row, decode(blob));
  if (row.key_fields != key_fields_to_json(key.fields)) {
    return bad("it belongs to another key");
  }
  row.key = key.digest;
  row.spec = key.field(kSpecKeyField);
  row.family = key.field(kFamilyKeyField);
  row.arch = key.field(kArchKeyField);
  row.code_bytes = static_cast<std::int64_t>(row.code.size());
  reseal_entry(row);
  if (const std::string problem = check_whole_entry(row); !problem.empty()) {
    return bad(problem);
  }
  if (signatures.policy != SignaturePolicy::kNone && !is_row_signed(row, signatures.trusted)) {
    return make_error(ErrorCode::kCacheError,
                      fmt::format("{}, and SINTER_SIGNATURES is {}",
                                  row.signature.empty() ? "it is not signed" : "it is not signed by a trusted key",
                                  signature_policy_name(signatures.policy)));
  }
  return row;
}

}  // namespace sinter
