// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <thread>

#include "cache/kernel_cache.h"
#include "cache/row_signature.h"
#include "tests/support/bundles.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

/// A cache without a local database and with these bundles.
CacheOptions only(std::vector<std::string> bundles) {
  CacheOptions options;
  options.bundles = std::move(bundles);
  return options;
}

bool has(const CacheOptions& options, int number) {
  return KernelCache(options, nullptr).lookup(key_of(number)).has_value();
}

/// A key pair on disk: the private key, and a directory that trusts it.
struct Signer {
  explicit Signer(const std::string& directory) : key(*SigningKey::generate()) {
    trusted = directory + "/trusted-" + to_hex(key.public_key().id());
    trust_key(trusted, key.public_key());
    file = directory + "/" + to_hex(key.public_key().id());
    const std::string pem = key.to_pem();
    write_file(file, {pem.begin(), pem.end()});
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  }

  SigningKey key;
  std::string trusted, file;
};

}  // namespace

TEST_CASE("a hit in a bundle fills memory and not the local database", "[layers]") {
  TempDir directory;
  Problems problems;
  CacheOptions options = only({make_bundle(directory / "b", {1, 2})});
  options.directory = directory / "cache";
  {
    KernelCache cache(options, problems.sink());
    const auto first = cache.lookup(key_of(1));
    REQUIRE(first.has_value());
    CHECK(first->layer == CacheLayer::kBundle);
    CHECK(cache.lookup(key_of(1))->layer == CacheLayer::kMemory);
    CHECK(cache.counters().bundle_hits == 1);
    CHECK(cache.counters().misses == 0);
  }
  options.bundles.clear();
  CHECK_FALSE(has(options, 1));
  CHECK(problems.all().empty());
}

TEST_CASE("the local database comes before the bundles, and these in their order", "[layers]") {
  TempDir directory;
  const auto marked_bundle = [&](const std::string& name, const std::string& mark) {
    std::vector<EntryRow> rows = rows_of({1});
    rows[0].backend = mark;
    reseal_entry(rows[0]);
    return write_bundle(source_of(rows), {.directory = directory / "b", .name = name, .arch = "sm_90a"})->path;
  };
  const std::string a = marked_bundle("a", "from a");
  const std::string b = marked_bundle("b", "from b");
  const auto backend = [&](const CacheOptions& options) { return KernelCache(options, nullptr).lookup(key_of(1))->code->backend; };
  CHECK(backend(only({a, b})) == "from a");
  CHECK(backend(only({b, a})) == "from b");
  CHECK(backend(only({directory / "b"})) == "from a");  // By name.
  CacheOptions options = only({a});
  options.directory = directory / "cache";
  KernelCache(options, nullptr).store(key_of(1), code_of(1));
  CHECK(backend(options) == "nvrtc");
}

TEST_CASE("keys of a spec come from the local database and from bundles of the arch", "[layers]") {
  TempDir directory;
  CacheOptions options = only({make_bundle(directory / "b", {1})});
  options.directory = directory / "cache";
  KernelCache cache(options, nullptr);
  const std::string spec(key_of(1).field(kSpecKeyField));
  CHECK(cache.keys_of_spec(spec, "sm_90a").size() == 1);
  CHECK(cache.keys_of_spec(spec, "gfx942").empty());
  CHECK(cache.bundle_keys_of_spec(spec, "sm_90a").size() == 1);
  cache.store(key_of(1), code_of(1));
  CHECK(cache.keys_of_spec(spec, "sm_90a").size() == 2);
}

TEST_CASE("bundles of other archs are not opened", "[layers]") {
  TempDir directory;
  fs::create_directories(directory / "b");
  make_bundle(directory / "b", {1});
  write_file(directory / "b/moe-gfx942.sinter", std::vector<char>(200, 'x'));
  Problems problems;
  KernelCache cache(only({directory / "b"}), problems.sink());
  CHECK(cache.lookup(key_of(1)).has_value());
  CHECK(problems.all().empty());
  write_file(directory / "b/renamed.sinter", std::vector<char>(200, 'x'));
  KernelCache curious(only({directory / "b"}), problems.sink());
  CHECK(curious.lookup(key_of(1)).has_value());
  CHECK(problems.texts().size() == 1);
}

TEST_CASE("a bundle that cannot be used is said once, counted, and tried again later", "[layers]") {
  TempDir directory;
  Problems problems;
  const std::string path = directory / "b/moe-sm_90a.sinter";
  KernelCache cache(only({path}), problems.sink());
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  }
  CHECK(problems.texts().size() == 1);
  CHECK(cache.counters().storage_faults == 1);
  CHECK(cache.counters().misses == 10);
  make_bundle(directory / "b", {1});
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  CHECK(cache.lookup(key_of(1)).has_value());
}

TEST_CASE("a damaged row of a bundle is a miss, and the next bundle is asked", "[layers]") {
  TempDir directory;
  Problems problems;
  const std::string damaged = make_bundle(directory / "a", {1});
  const std::string whole = make_bundle(directory / "b", {1});
  REQUIRE(change_bundle(damaged, "UPDATE entry SET code = zeroblob(10)") == SQLITE_OK);
  KernelCache cache(only({damaged, whole}), problems.sink());
  CHECK(cache.lookup(key_of(1)).has_value());
  CHECK(cache.counters().bad_entries == 1);
  CHECK(problems.texts().size() == 1);
}

TEST_CASE("a bundle replaced while it is open is opened again when it no longer fits", "[layers]") {
  TempDir directory;
  Problems problems;
  const std::string path = make_bundle(directory / "b", {1});
  const auto later = make_bundle(directory / "later", {1, 2});
  // A reader that comes between the two renames of an update: the new bundle with the old manifest.
  fs::copy_file(later, path + ".new");
  fs::rename(path + ".new", path);
  REQUIRE(change_bundle(path, "UPDATE entry SET code = zeroblob(10) WHERE digest = x'" + to_hex(key_of(1).digest) + "'") ==
          SQLITE_OK);
  CacheOptions options = only({path});
  options.memory_bytes = 0;
  KernelCache cache(options, problems.sink());
  CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  CHECK_FALSE(cache.lookup(key_of(2)).has_value());
  fs::rename(later, path);
  fs::rename(manifest_of(later), manifest_of(path));
  CHECK(cache.lookup(key_of(1)).has_value());
  CHECK(cache.lookup(key_of(2)).has_value());
}

TEST_CASE("a bundle that moved is a bundle, under a relative path, too", "[layers]") {
  TempDir directory;
  make_bundle(directory / "b", {1});
  fs::rename(directory / "b", directory / "with %20 and # and ?");
  CHECK(has(only({directory / "with %20 and # and ?"}), 1));
  CHECK(run_child([&] {
          fs::current_path(directory.path());
          KernelCache cache(only({"with %20 and # and ?/moe-sm_90a.sinter"}), nullptr);
          fs::current_path("/");
          return cache.lookup(key_of(1)).has_value() ? 0 : 1;
        }) == 0);
}

TEST_CASE("another user reads a bundle that nobody may write", "[layers][root]") {
  if (geteuid() != 0) {
    WARN("skipped: only root can become another user");
    return;
  }
  TempDir directory;
  const std::string path = make_bundle(directory / "opt", {1});
  fs::permissions(directory.path(), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  for (const std::string& file : {path, manifest_of(path), directory / "opt"}) {
    fs::permissions(file, fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write, fs::perm_options::remove);
  }
  const auto before = read_file(path);
  CHECK(run_child([&] {
          constexpr uid_t kNobody = 65534;
          umask(0777);
          if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return 1;
          KernelCache cache(only({path}), nullptr);
          const auto hit = cache.lookup(key_of(1));
          return hit && hit->layer == CacheLayer::kBundle ? 0 : 2;
        }) == 0);
  CHECK(read_file(path) == before);
  CHECK(count_files(directory / "opt", "") == 2);  // No journal, no shared memory.
  // What belongs to neither root nor the reader is not believed.
  REQUIRE(chown(path.c_str(), 12345, 12345) == 0);
  Problems problems;
  KernelCache cache(only({path}), problems.sink());
  CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  CHECK(problems.all().find("chown 0 " + path) != std::string::npos);
}

TEST_CASE("threads may use one bundle at once", "[layers][threads]") {
  TempDir directory;
  std::vector<int> numbers;
  for (int i = 0; i < 60; ++i) numbers.push_back(i);
  CacheOptions options = only({make_bundle(directory / "b", numbers), make_bundle(directory / "c", {100}, nullptr, "other")});
  options.memory_bytes = 0;
  Problems problems;
  KernelCache cache(options, problems.sink());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const int number = (i * 7 + t) % 61;
        const auto hit = cache.lookup(key_of(number == 60 ? 100 : number));
        if (!hit || hit->code->code != code_of(number == 60 ? 100 : number)->code) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(problems.all().empty());
}

TEST_CASE("a child of fork goes on reading the bundles that its parent had open", "[layers]") {
  TempDir directory;
  CacheOptions options = only({make_bundle(directory / "b", {1, 2})});
  Problems problems;
  KernelCache cache(options, problems.sink());
  REQUIRE(cache.lookup(key_of(1)).has_value());
  CHECK(run_child([&] {
          if (!cache.lookup(key_of(1)).has_value()) return 1;  // From memory.
          if (!cache.lookup(key_of(2)).has_value()) return 2;
          return problems.texts().empty() ? 0 : 3;
        }) == 0);
  CHECK(cache.lookup(key_of(2)).has_value());
}

// --- The policy, cell by cell: what must be signed, for a bundle and for a row of the local database ---

TEST_CASE("which bundles may be used follows the policy", "[policy]") {
  TempDir directory;
  const Signer trusted(directory.path());
  const Signer stranger(directory.path());
  const std::string plain = make_bundle(directory / "plain", {1});
  const std::string good = make_bundle(directory / "good", {1}, &trusted.key);
  const std::string foreign = make_bundle(directory / "foreign", {1}, &stranger.key);
  const std::string bare = make_bundle(directory / "bare", {1}, &trusted.key);
  fs::remove(manifest_of(bare));
  const std::string forged = make_bundle(directory / "forged", {1}, &stranger.key);
  {
    Manifest manifest = *read_manifest(forged);
    manifest.signatures[0].key = trusted.key.public_key().id();
    const std::string text = manifest_text(manifest);
    write_file(manifest_of(forged), {text.begin(), text.end()});
  }
  const auto usable = [&](const std::string& bundle, SignaturePolicy policy) {
    CacheOptions options = only({bundle});
    options.signatures = policy;
    options.trusted_keys = trusted.trusted;
    return has(options, 1);
  };
  for (const std::string& bundle : {plain, good, foreign, bare, forged}) {
    CHECK(usable(bundle, SignaturePolicy::kNone));
  }
  for (const SignaturePolicy policy : {SignaturePolicy::kSigned, SignaturePolicy::kAll}) {
    CHECK(usable(good, policy));
    for (const std::string& bundle : {plain, foreign, bare, forged}) {
      CHECK_FALSE(usable(bundle, policy));
    }
  }
}

TEST_CASE("a signed manifest with a changed line or header is worth nothing", "[policy]") {
  TempDir directory;
  const Signer signer(directory.path());
  CacheOptions options = only({make_bundle(directory / "b", {1}, &signer.key)});
  options.signatures = SignaturePolicy::kSigned;
  options.trusted_keys = signer.trusted;
  REQUIRE(has(options, 1));
  const std::string path = manifest_of(options.bundles[0]);
  const std::size_t bits = read_file(path).size() * 8;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    flip_bit(path, bit);
    if (has(options, 1)) FAIL("bit " << bit << " of the manifest does not count");
    flip_bit(path, bit);
  }
  CHECK(has(options, 1));
}

TEST_CASE("which local rows may be used follows the policy", "[policy]") {
  TempDir directory;
  const Signer trusted(directory.path());
  const Signer stranger(directory.path());
  const auto stored_with = [&](const std::string& name, const std::string& signing_key) {
    CacheOptions options;
    options.directory = directory / name;
    options.signing_key = signing_key;
    KernelCache(options, nullptr).store(key_of(1), code_of(1));
    return options.directory;
  };
  const std::string plain = stored_with("plain", "");
  const std::string good = stored_with("good", trusted.file);
  const std::string foreign = stored_with("foreign", stranger.file);
  const auto usable = [&](const std::string& cache_directory, SignaturePolicy policy) {
    CacheOptions options;
    options.directory = cache_directory;
    options.signatures = policy;
    options.trusted_keys = trusted.trusted;
    return has(options, 1);
  };
  for (const SignaturePolicy policy : {SignaturePolicy::kNone, SignaturePolicy::kSigned}) {
    for (const std::string& cache : {plain, good, foreign}) {
      CHECK(usable(cache, policy));
    }
  }
  CHECK(usable(good, SignaturePolicy::kAll));
  CHECK_FALSE(usable(plain, SignaturePolicy::kAll));
  CHECK_FALSE(usable(foreign, SignaturePolicy::kAll));
  // Refused, not damaged: another policy still finds them.
  CHECK(usable(plain, SignaturePolicy::kNone));
  CHECK(usable(foreign, SignaturePolicy::kSigned));
}

TEST_CASE("rows that the policy refuses are said once, whatever their number", "[policy]") {
  TempDir directory;
  CacheOptions options;
  options.directory = directory / "cache";
  {
    KernelCache cache(options, nullptr);
    for (int i = 0; i < 5; ++i) cache.store(key_of(i), code_of(i));
  }
  Problems problems;
  options.signatures = SignaturePolicy::kAll;
  KernelCache cache(options, problems.sink());
  for (int i = 0; i < 5; ++i) CHECK_FALSE(cache.lookup(key_of(i)).has_value());
  CHECK(problems.texts().size() == 1);
  CHECK(cache.counters().bad_entries == 0);
}

TEST_CASE("a signature of another row, or with a flipped bit, does not count", "[policy]") {
  TempDir directory;
  const Signer signer(directory.path());
  CacheOptions options;
  options.directory = directory / "cache";
  options.signing_key = signer.file;
  options.signatures = SignaturePolicy::kAll;
  options.trusted_keys = signer.trusted;
  RowSignatures signatures;
  signatures.key = std::move(*SigningKey::load(signer.file));
  signatures.policy = SignaturePolicy::kAll;
  signatures.trusted = std::move(*TrustedKeys::load(signer.trusted));
  std::vector<EntryRow> rows = rows_of({1, 2});
  for (EntryRow& row : rows) signatures.sign(row);
  CHECK(signatures.refusal(rows[0]).empty());
  CHECK(check_whole_entry(rows[0]).empty());
  std::swap(rows[0].signature, rows[1].signature);
  CHECK_FALSE(signatures.refusal(rows[0]).empty());
  std::swap(rows[0].signature, rows[1].signature);
  for (std::size_t bit = 0; bit < rows[0].signature.size() * 8; ++bit) {
    EntryRow flipped = rows[0];
    flipped.signature[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    CHECK_FALSE(signatures.refusal(flipped).empty());
  }
}

TEST_CASE("keys that cannot be read are said, and nothing is trusted or signed", "[policy]") {
  TempDir directory;
  const Signer signer(directory.path());
  fs::permissions(signer.trusted, fs::perms::others_write, fs::perm_options::add);
  CacheOptions options = only({make_bundle(directory / "b", {1}, &signer.key)});
  options.directory = directory / "cache";
  options.signatures = SignaturePolicy::kSigned;
  options.trusted_keys = signer.trusted;
  options.signing_key = directory / "missing";
  Problems problems;
  KernelCache cache(options, problems.sink());
  CHECK(problems.all().find("no key is trusted") != std::string::npos);
  CHECK(problems.all().find("nothing is signed") != std::string::npos);
  CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  cache.store(key_of(2), code_of(2));
  CHECK(cache.counters().stores == 1);
}
