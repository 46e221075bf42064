// SPDX-License-Identifier: Apache-2.0

// Key files: a key that is read is written as one that reads the same, and a private key signs for its public one.

#include "cache/signing_key.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view pem = fuzz::text_of(data, size);
  if (const auto key = public_key_from_pem(pem)) {
    const auto again = public_key_from_pem(to_pem(*key));
    SINTER_CHECK(again && *again == *key, "a public key changes between writing and reading");
  } else {
    fuzz::check_refusal(key.error(), {ErrorCode::kInvalidRequest});
  }
  if (const auto key = SigningKey::from_pem(pem)) {
    const auto again = SigningKey::from_pem(key->to_pem());
    SINTER_CHECK(again && again->public_key() == key->public_key(),
                 "a private key changes between writing and reading");
    const auto message = fuzz::bytes_of(data, std::min<std::size_t>(size, 32));
    SINTER_CHECK(verify_signature(key->public_key(), message, again->sign(message)), "a signature that does not hold");
  } else {
    fuzz::check_refusal(key.error(), {ErrorCode::kInvalidRequest});
  }
  return 0;
}
