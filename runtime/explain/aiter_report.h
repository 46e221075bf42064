// SPDX-License-Identifier: Apache-2.0
#pragma once

// What can be said of a kernel of AITER: its name's fields, whether a binary keeps what the name promises, and on which
// devices it can be launched. Pure functions; text and JSON are returned, nothing is printed.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/code_object.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"
#include "runtime/explain/aiter_name.h"

namespace sinter {

/// One promise of a name, held against a binary.
struct AiterClaim {
  enum class Truth : std::uint8_t { kTrue, kFalse, kUnproven };
  std::string_view subject;  ///< "symbol", "vskip", "workgroups per CU", "quantization".
  Truth truth = Truth::kTrue;
  std::string detail;
};
std::string_view truth_name(AiterClaim::Truth truth);  ///< "true", "false", "unproven".

/// Compares a name with the facts of a code object.
std::vector<AiterClaim> compare_with_binary(const AiterName& name, const CodeFacts& facts);

/// Whether a device can run the kernel. Without a binary this rests on the name, which may be wrong.
struct AiterVerdict {
  enum class Answer : std::uint8_t {
    kCanRun,     ///< Nothing that is known speaks against it.
    kUndecided,  ///< The name does not say whether the kernel uses s_setvskip; the binary would.
    kUnsafe,     ///< It runs, but may lose registers when it is preempted.
    kCannotRun,
  };
  std::string device, arch;
  Answer answer = Answer::kCanRun;
  std::vector<std::string> reasons;
};
std::string_view answer_name(AiterVerdict::Answer answer);  ///< "can run", "undecided", "unsafe", "cannot run".

/// `facts` may be null. Drivers are those of the rows (DeviceCaps::driver_version).
AiterVerdict judge_for_device(const AiterName& name, const CodeFacts* facts, const DeviceCaps& caps);

struct AiterReport {
  std::string symbol;  ///< As asked.
  AiterName name;
  const CodeFacts* facts = nullptr;
  std::vector<AiterClaim> claims;  ///< Empty without a binary.
  std::vector<AiterVerdict> verdicts;

  /// False if the binary breaks a promise of the name.
  bool is_honest() const;
};

/// Quirks whose patterns match the name are among the reasons; one that denies it on every shape makes it "cannot run".
AiterReport make_aiter_report(std::string_view symbol, AiterName name, const CodeFacts* facts, std::span<const DeviceCaps> devices,
                              std::span<const Quirk> quirks = {});
std::string to_text(const AiterReport& report);
/// {"symbol", "name", "form", "out", "quant", "gate", "vskip", "activation", "workgroups_per_cu", "persistent", "tile",
/// "prefetch", "stage", ..., "code_object", "claims", "devices"}; what a name does not say is null.
std::string to_json(const AiterReport& report);

}  // namespace sinter
