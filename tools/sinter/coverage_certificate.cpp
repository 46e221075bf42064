// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "cache/bundle.h"
#include "runtime/version.h"
#include "tools/sinter/coverage.h"

namespace sinter::cli {

namespace {

/// Every bundle that may hold a kernel of these archs, in the order in which they are asked.
std::vector<std::string> bundle_files(const Settings& settings, const std::set<std::string_view>& archs) {
  std::vector<std::string> files;
  for (const std::string& place : settings.bundles) {
    std::error_code error;
    std::vector<std::string> here;
    if (std::filesystem::is_directory(place, error)) {
      for (std::filesystem::directory_iterator it(place, error), end; !error && it != end; it.increment(error)) {
        if (it->path().extension() == kBundleExtension) {
          here.push_back(it->path().string());
        }
      }
      std::ranges::sort(here);
    } else {
      here.push_back(place);
    }
    for (std::string& file : here) {
      if (std::ranges::any_of(archs, [&](std::string_view arch) { return may_hold_arch(file, arch); })) {
        files.push_back(std::move(file));
      }
    }
  }
  return files;
}

/// Of all bytes of the file; "missing" where it cannot be read.
std::string file_digest(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Sha256 sha;
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return "missing";
    }
    if (size == 0) {
      return to_hex(sha.finish());
    }
    sha.add(std::span(buffer).first(static_cast<std::size_t>(size)));
  }
}

}  // namespace

Certificate certificate_of(const Coverage& coverage, const Selection& selection, const Settings& settings) {
  DigestBuilder declared, stored;
  std::set<std::string_view> archs;
  for (const Finding& finding : coverage.findings) {
    declared.field(finding.kernel->name, to_hex(finding.kernel->identity));
    stored.field(finding.kernel->name, to_hex(finding.stored));
    archs.insert(finding.kernel->spec.arch->name);
  }
  Certificate certificate{{"sinter", std::string(kVersion)},
                          {"kernels", fmt::format("{}", coverage.findings.size())},
                          {"declared", to_hex(declared.finish())},
                          {"stored", to_hex(stored.finish())},
                          {"signatures", std::string(signature_policy_name(settings.signatures))}};
  const std::vector<std::string> bundles = bundle_files(settings, archs);
  for (std::size_t i = 0; i < bundles.size(); ++i) {
    certificate.push_back(
        {fmt::format("bundle {}", i), fmt::format("{} with manifest {}", file_digest(bundles[i]),
                                                  file_digest(bundles[i] + std::string(kManifestExtension)))});
  }
  for (std::size_t i = 0; i < selection.targets.size(); ++i) {
    const DeviceCaps& caps = selection.targets[i].caps;
    const std::int64_t units = caps.unit_count.value.value_or(0);
    certificate.push_back(
        {fmt::format("device {}", i), fmt::format("{} ({}, {} units, {} bytes)", caps.name, caps.arch->name, units,
                                                  caps.memory_bytes.value.value_or(0))});
    certificate.push_back({fmt::format("driver of device {}", i), caps.driver_version});
  }
  return certificate;
}

}  // namespace sinter::cli
