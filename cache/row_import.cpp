// SPDX-License-Identifier: Apache-2.0
#include "cache/row_import.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace sinter {

Result<RowImport> import_row(EntryRow row, std::string origin, const std::string& source,
                             const RowSignatures& signatures, SqliteStore& store) {
  row.origin = std::move(origin);
  signatures.sign(row);
  reseal_entry(row);
  if (const std::string refusal = signatures.refusal(row); !refusal.empty()) {
    return make_error(ErrorCode::kCacheError,
                      fmt::format("the row {} of {} would not be used, since {} and SINTER_SIGNATURES is all: sign it "
                                  "here with a trusted key, named by SINTER_SIGNING_KEY",
                                  to_hex(row.key), source, refusal));
  }
  SINTER_TRY(std::vector<KeyField> fields, key_fields_from_json(row.key_fields));
  const CacheKey key{row.key, std::move(fields)};
  SINTER_TRY(const auto present, store.get(key));
  if (present != nullptr) {
    SINTER_TRY(const EntryRow here, seal_entry(key, *present, {}));
    return here.sha256 == row.sha256 ? RowImport::kAlreadyThere : RowImport::kConflict;
  }
  SINTER_TRY_VOID(store.put_row(std::move(row)));
  return RowImport::kStored;
}

}  // namespace sinter
