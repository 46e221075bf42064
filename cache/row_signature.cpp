// SPDX-License-Identifier: Apache-2.0
#include "cache/row_signature.h"

#include <cstring>
#include <span>

namespace sinter {
namespace {

static_assert(kSignatureBytes == sizeof(KeyId::bytes) + sizeof(Signature::bytes));

std::span<const std::byte> message_of(const Digest& row_sha256) { return std::as_bytes(std::span(row_sha256.bytes)); }

}  // namespace

void RowSignatures::sign(EntryRow& row) const {
  if (!key) {
    return;
  }
  const Signature signature = key->sign(message_of(row.sha256));
  row.signature.resize(kSignatureBytes);
  std::memcpy(row.signature.data(), signature.key.bytes.data(), signature.key.bytes.size());
  std::memcpy(row.signature.data() + signature.key.bytes.size(), signature.bytes.data(), signature.bytes.size());
  reseal_entry(row);
}

std::string RowSignatures::refusal(const EntryRow& row) const {
  if (policy != SignaturePolicy::kAll || is_row_signed(row, trusted)) {
    return {};
  }
  return row.signature.empty() ? "it is not signed" : "it is not signed by a trusted key";
}

bool is_row_signed(const EntryRow& row, const TrustedKeys& trusted) {
  if (row.signature.size() != kSignatureBytes) {
    return false;
  }
  Signature signature;
  std::memcpy(signature.key.bytes.data(), row.signature.data(), signature.key.bytes.size());
  std::memcpy(signature.bytes.data(), row.signature.data() + signature.key.bytes.size(), signature.bytes.size());
  return trusted.is_signed(message_of(row.sha256), signature);
}

}  // namespace sinter
