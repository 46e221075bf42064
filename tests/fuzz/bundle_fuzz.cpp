// SPDX-License-Identifier: Apache-2.0

// A bundle and its manifest, damaged anywhere: every key gives the bytes that were put in, or a miss, or an error;
// under the policy `all` also where the damage makes its own digests. An input is a list of edits: which file, where,
// what.

#include <string>
#include <vector>

#include "base/digest.h"
#include "cache/bundle.h"
#include "cache/bundle_writer.h"
#include "tests/fuzz/damaged_file.h"
#include "tests/support/cache.h"
#include "tests/support/files.h"

using namespace sinter;

namespace {

constexpr int kRows = 40;  // more than one block of the manifest
constexpr std::size_t kCodeBytes = 200;
constexpr std::size_t kMostEdits = 8;

/// A signed bundle as it was written, and a place where damaged copies go.
class Original {
 public:
  Original() : key_(*SigningKey::generate()) {
    std::vector<EntryRow> rows;
    for (int number = 0; number < kRows; ++number) {
      rows.push_back(*seal_entry(testing::key_of(number), *testing::code_of(number, kCodeBytes), {.writer = "fuzzer"}));
    }
    std::ranges::sort(rows, {}, &EntryRow::key);
    auto next = rows.begin();
    const auto source = [&]() -> Result<std::optional<EntryRow>> {
      return next == rows.end() ? std::nullopt : std::optional(*next++);
    };
    const auto written =
        write_bundle(source, {.directory = directory_.path(), .name = "b", .arch = "sm_90a", .key = &key_});
    SINTER_CHECK(written, "the sample cannot be written");
    path_ = written->path;
    bundle_ = fuzz::content_of(path_);
    manifest_ = fuzz::content_of(manifest_path());
    keys_ = TrustedKeys({{key_.public_key(), "fuzzer"}});
  }

  const std::string& path() const { return path_; }
  std::string manifest_path() const { return path_ + std::string(kManifestExtension); }
  const std::string& bundle() const { return bundle_; }
  const std::string& manifest() const { return manifest_; }
  const TrustedKeys& keys() const { return keys_; }

 private:
  testing::TempDir directory_;
  SigningKey key_;
  TrustedKeys keys_;
  std::string path_, bundle_, manifest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Original original;
  fuzz::Input input(data, size);
  std::string bundle = original.bundle(), manifest = original.manifest();
  const bool all_signed = input.flag();
  for (std::size_t i = 0; i < kMostEdits && !input.empty(); ++i) {
    fuzz::edit(input.flag() ? manifest : bundle, input);
  }
  fuzz::write_file(original.path(), bundle);
  fuzz::write_file(original.manifest_path(), manifest);

  const BundleTrust trust{.policy = all_signed ? SignaturePolicy::kAll : SignaturePolicy::kNone,
                          .keys = &original.keys()};
  const auto opened = Bundle::open(original.path(), trust);
  if (!opened) {
    fuzz::check_refusal(opened.error(), {ErrorCode::kCacheError});
    SINTER_CHECK(bundle != original.bundle() || manifest != original.manifest(), "a whole bundle is refused");
    return 0;
  }
  const bool whole = bundle == original.bundle() && manifest == original.manifest();
  for (int number = 0; number < kRows; number += whole ? 1 : 3) {
    const CacheKey key = testing::key_of(number);
    const BundleAnswer answer = (*opened)->get(key, key_fields_to_json(key.fields));
    SINTER_CHECK((answer.kind == BundleAnswer::kHit) == (answer.code != nullptr), "a hit without code");
    SINTER_CHECK(!whole || answer.kind == BundleAnswer::kHit, "a whole bundle misses");
    if (answer.code != nullptr) {
      const auto expected = testing::code_of(number, kCodeBytes);
      SINTER_CHECK(answer.code->code == expected->code && answer.code->entry == expected->entry &&
                       answer.code->facts == expected->facts,
                   "wrong bytes");
    }
  }
  (void)(*opened)->keys_of_spec("grouped_gemm_none_bf16_n3");
  return 0;
}
