// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/certificate.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json_guard.h"

namespace sinter {

namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;

Error invalid(std::string_view file, std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("{} is no certificate: {}", file, why));
}

std::string digest_of(const Certificate& certificate) {
  DigestBuilder digest;
  for (const CertificateField& field : certificate) {
    digest.field(field.name, field.value);
  }
  return to_hex(digest.finish());
}

const std::string* value_of(const Certificate& certificate, const std::string& name) {
  const auto it = std::ranges::find(certificate, name, &CertificateField::name);
  return it != certificate.end() ? &it->value : nullptr;
}

Result<Certificate> fields_of(const ordered_json& root, std::string_view file) {
  const auto fields = root.find("fields");
  if (fields == root.end() || !fields->is_object()) {
    return invalid(file, "it has no object 'fields'");
  }
  Certificate certificate;
  for (const auto& [name, value] : fields->items()) {
    if (!value.is_string()) {
      return invalid(file, fmt::format("the field {} is no text", name));
    }
    certificate.push_back({name, value.get<std::string>()});
  }
  return certificate;
}

}  // namespace

std::string certificate_text(const Certificate& certificate) {
  auto fields = ordered_json::object();
  for (const CertificateField& field : certificate) {
    fields[field.name] = field.value;
  }
  const ordered_json root{
      {"sinter_certificate", kVersion}, {"fields", std::move(fields)}, {"digest", digest_of(certificate)}};
  return root.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<Certificate> parse_certificate(std::string_view text, std::string_view file) {
  JsonGuard<ordered_json> guard;
  ordered_json root;
  try {
    root = ordered_json::parse(text, guard.callback());
  } catch (const ordered_json::exception& error) {
    return invalid(file, error.what());
  }
  if (!guard.problem().empty()) {
    return invalid(file, guard.problem());
  }
  if (!root.is_object() || !root.contains("sinter_certificate") || root["sinter_certificate"] != kVersion) {
    return invalid(file, fmt::format("it is not of version {}", kVersion));
  }
  SINTER_TRY(Certificate certificate, fields_of(root, file));
  if (!root.contains("digest") || root["digest"] != digest_of(certificate)) {
    return invalid(file, "its digest does not match its fields");
  }
  return certificate;
}

std::vector<std::string> certificate_differences(const Certificate& then, const Certificate& now) {
  std::vector<std::string> differences;
  for (const CertificateField& field : now) {
    const std::string* before = value_of(then, field.name);
    if (before == nullptr) {
      differences.push_back(fmt::format("{} is new: {}", field.name, field.value));
    } else if (*before != field.value) {
      differences.push_back(fmt::format("{} was {} and is {}", field.name, *before, field.value));
    }
  }
  for (const CertificateField& field : then) {
    if (value_of(now, field.name) == nullptr) {
      differences.push_back(fmt::format("{} is gone: {}", field.name, field.value));
    }
  }
  return differences;
}

Result<void> write_certificate(const std::string& path, const Certificate& certificate) {
  const std::string temporary = fmt::format("{}.unfinished-{}", path, ::getpid());
  const std::string text = certificate_text(certificate);
  const auto failed = [&] {
    const int error = errno;
    ::unlink(temporary.c_str());
    return make_error(ErrorCode::kCacheError, fmt::format("cannot write {}: {}", path, errno_text(error)));
  };
  {
    const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.is_open() || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.get()) != 0) {
      return failed();
    }
  }
  return std::rename(temporary.c_str(), path.c_str()) == 0 ? Result<void>() : failed();
}

}  // namespace sinter
