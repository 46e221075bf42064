// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "runtime/caps/validate.h"

namespace sinter {

namespace {

void complete(std::int64_t& fact, std::int64_t reported) {
  if (fact == kUnknown) {
    fact = reported;
  }
}

Error contradiction(const KernelSpec& spec, const DeviceCaps& caps, std::string_view what, std::int64_t stored, std::int64_t reported) {
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("loaded kernel check: {} on {}: its code says {} {}, the driver that loaded it says {}; "
                                "the code is not what was stored",
                                spec.name(), caps.name, stored, what, reported));
}

}  // namespace

Result<void> check_loaded(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code, const LoadedAttributes& loaded,
                          const DeviceCaps& caps) {
  const CodeFacts& stored = code.facts;
  // HIP's numbers mean different things in different versions (docs/devices.md), so only CUDA's are held against the facts.
  if (spec.arch->vendor == Vendor::kNvidia) {
    if (stored.args_bytes != kUnknown && loaded.args_bytes != kUnknown && stored.args_bytes != loaded.args_bytes) {
      return contradiction(spec, caps, "bytes of arguments", stored.args_bytes, loaded.args_bytes);
    }
    if (stored.registers != kUnknown && loaded.registers != kUnknown && stored.registers != loaded.registers) {
      return contradiction(spec, caps, "registers per thread", stored.registers, loaded.registers);
    }
  }
  CodeObject completed;
  completed.format = code.format;
  completed.entry = code.entry;
  completed.facts = stored;
  complete(completed.facts.registers, loaded.registers);
  complete(completed.facts.static_shared_bytes, loaded.static_shared_bytes);
  complete(completed.facts.scratch_bytes, loaded.scratch_bytes);
  complete(completed.facts.max_threads_per_block, loaded.max_threads_per_block);
  complete(completed.facts.args_bytes, loaded.args_bytes);
  return check_code_object(spec, plan, completed, caps);
}

}  // namespace sinter
