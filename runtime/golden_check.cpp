// SPDX-License-Identifier: Apache-2.0
#include "runtime/golden_check.h"

#include <cmath>
#include <ctime>
#include <mutex>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/time_text.h"
#include "runtime/golden_trial.h"
#include "runtime/version.h"

namespace sinter {

namespace {

constexpr std::chrono::seconds kAskAgain{30};

std::string finding_of(const ReferenceReport& report) {
  if (report.sampled == 0) {
    return report.first_wrong;
  }
  return fmt::format("{}{}relative error {:.2e} against float64, allowed {:.0e}, over {} elements", report.first_wrong,
                     report.first_wrong.empty() ? "" : "; ", report.relative_error, report.allowed_relative_error, report.sampled);
}

Error refusal(const std::string& name, const std::string& kernel, const Digest& key, const GoldenVerdict& verdict, bool is_new) {
  const std::string when = is_new ? "found just now" : fmt::format("found {} by {}", utc_text(verdict.checked_unix_s), verdict.writer);
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("golden check: {} is wrong on {} ({}, driver {}): {} ({}). It is not launched; another tile or compiler may be right. "
                                "`sinter cache forget {}` has it checked again, SINTER_GOLDEN_CHECK=off launches it unchecked",
                                kernel, name, verdict.place.device, verdict.place.driver.empty() ? "unknown" : verdict.place.driver,
                                verdict.finding, when, to_hex(key).substr(0, 16)));
}

std::string praise(const GoldenVerdict& verdict, bool is_new) {
  return fmt::format("right: {} elements compared, relative error {:.2e} (allowed {:.0e}), {}", verdict.compared, verdict.relative_error,
                     verdict.allowed_relative_error, is_new ? std::string("now") : utc_text(verdict.checked_unix_s));
}

}  // namespace

GoldenPlace golden_place(const DeviceProperties& properties) {
  return {properties.simulated ? properties.name + " (simulated)" : properties.name, properties.driver_version};
}

GoldenCheck::Subject GoldenCheck::subject_of(const Kernel& kernel, const Digest& key, const DeviceProperties& properties) {
  Subject subject{.key = key, .code = sha256(kernel.code().code), .place = golden_place(properties), .id = {}};
  DigestBuilder id;
  id.field("key", std::as_bytes(std::span(subject.key.bytes)));
  id.field("code", std::as_bytes(std::span(subject.code.bytes)));
  id.field("device", subject.place.device);
  id.field("driver", subject.place.driver);
  subject.id = id.finish();
  return subject;
}

Result<std::string> GoldenCheck::admit(const std::string& name, const DeviceProperties& properties, Driver& driver, const Kernel& kernel,
                                       const Digest& key) {
  const Subject subject = subject_of(kernel, key, properties);
  std::optional<GoldenVerdict> verdict = find(subject);
  bool is_new = false;
  std::string why;
  if (!verdict) {
    const auto settle = [&]() -> SingleFlight::Outcome {
      // A thread that was faster may have come to its verdict since.
      if (verdict = find(subject); !verdict) {
        is_new = true;
        verdict = try_now(subject, driver, properties.ordinal, kernel, why);
      }
      if (verdict && !verdict->passed) {
        return refusal(name, kernel.name(), key, *verdict, is_new);
      }
      return CompiledCode();
    };
    SINTER_TRY([[maybe_unused]] const auto settled, flights_.run(subject.id, settle));
  }
  if (verdict && !verdict->passed) {
    return refusal(name, kernel.name(), key, *verdict, is_new);
  }
  if (!why.empty()) {
    log_.warn(fmt::format("golden check: {} on {} is launched unchecked: {}", kernel.name(), name, why));
    return "left out: " + why;
  }
  return verdict ? praise(*verdict, is_new) : std::string("tried by another thread");
}

// A verdict about other code, or by another version of the check, is none.
std::optional<GoldenVerdict> GoldenCheck::find(const Subject& subject) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = failed_here_.find(subject.id); it != failed_here_.end()) {
      if (Clock::now() < it->second.until) {
        return it->second.verdict;
      }
      failed_here_.erase(it);
    }
  }
  auto stored = cache_.verdict(subject.key, subject.place);
  return stored && stored->code == subject.code && stored->version == kVersion ? stored : std::nullopt;
}

std::optional<GoldenVerdict> GoldenCheck::try_now(const Subject& subject, Driver& driver, int ordinal, const Kernel& kernel, std::string& why) {
  const GoldenProblem problem = golden_problem(kernel.spec());
  if (problem.bytes > kMostGoldenBytes) {
    ++left_out_;
    why = fmt::format("its smallest trial takes {} MiB of operands, and the limit is {}", problem.bytes >> 20, kMostGoldenBytes >> 20);
    return std::nullopt;
  }
  const auto tried = try_kernel(driver, ordinal, kernel, problem);
  if (!tried) {
    ++left_out_;
    why = tried.error().message;
    return std::nullopt;
  }
  GoldenVerdict verdict{.place = subject.place,
                        .code = subject.code,
                        .version = kVersion,
                        .passed = tried->ok,
                        .relative_error = std::isnan(tried->relative_error) ? HUGE_VAL : tried->relative_error,
                        .allowed_relative_error = tried->allowed_relative_error,
                        .compared = tried->sampled,
                        .checked_unix_s = static_cast<std::int64_t>(std::time(nullptr)),
                        .finding = tried->ok ? "" : finding_of(*tried),
                        .writer = fmt::format("sinter {}", sinter::kVersion)};
  ++(verdict.passed ? passed_ : failed_);
  remember(subject, verdict);
  return verdict;
}

void GoldenCheck::remember(const Subject& subject, const GoldenVerdict& verdict) {
  cache_.remember_verdict(subject.key, verdict);
  if (!verdict.passed) {
    const std::lock_guard lock(mutex_);
    failed_here_.insert_or_assign(subject.id, Failed{verdict, Clock::now() + kAskAgain});
  }
}

}  // namespace sinter
