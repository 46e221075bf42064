// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/caps/findings.h"
#include "runtime/caps/validate.h"

namespace sinter {

namespace {

/// What the comparisons share, and where their results go.
class CodeCheck {
 public:
  CodeCheck(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code, const DeviceCaps& caps)
      : spec_(spec), plan_(plan), code_(code), facts_(code.facts), caps_(caps), arch_(*spec.arch) {}

  std::vector<Finding> run() {
    compare_target();
    compare_features();
    compare_entry();
    compare_threads();
    compare_registers();
    compare_shared_memory();
    compare_scratch();
    compare_wave_size();
    compare_arguments();
    compare_vskip();
    compare_matrix_instructions();
    return std::move(findings_);
  }

 private:
  void add(std::string_view subject, bool ok, std::string detail) {
    findings_.push_back({CheckStep::kCodeObject, subject, ok, std::move(detail)});
  }

  bool is_gpu() const { return arch_.vendor != Vendor::kHost; }

  // The file names its arch without the level on the host, and PTX may be named after its cubin.
  bool has_spec_target() const {
    const std::string_view name = arch_.name, target = facts_.target;
    if (arch_.vendor == Vendor::kHost) {
      return code_.format == arch_.format && !target.empty() && name.starts_with(target);
    }
    if (code_.format == CodeFormat::kPtx && arch_.vendor == Vendor::kNvidia) {
      return target.find('_') != std::string_view::npos &&
             target.substr(target.find('_') + 1) == name.substr(name.find('_') + 1);
    }
    return code_.format == arch_.format && target == name;
  }

  void compare_target() {
    if (facts_.target.empty()) {
      add("target", false,
          fmt::format("the {} does not say which arch it is for; needed to compare it with {}",
                      code_format_name(code_.format), caps_.name));
      return;
    }
    const bool of_spec = has_spec_target();
    const bool runs = caps_.arch != nullptr && runs_on(arch_, *caps_.arch);
    add("target", of_spec && runs,
        fmt::format(
            "{} code ({}) on {} ({}){}", facts_.target, code_format_name(code_.format), caps_.name,
            caps_.arch != nullptr ? caps_.arch->name : caps_.note,
            of_spec ? "" : fmt::format("; the spec is for {} ({})", arch_.name, code_format_name(arch_.format))));
  }

  // A code object that demands a setting of xnack or sramecc fails to load on a device with the other one.
  void compare_features() {
    if (!facts_.features.empty()) {
      const bool demands =
          facts_.features.find("=on") != std::string::npos || facts_.features.find("=off") != std::string::npos;
      add("features", !demands,
          fmt::format("{}; {}", facts_.features, demands ? "must run with any setting" : "runs with any setting"));
    }
  }

  void compare_entry() {
    const std::string name = spec_.name();
    const bool ok = facts_.entry == name && code_.entry == name;
    add("entry", ok,
        ok ? fmt::format("defines {}", name)
           : fmt::format("defines '{}' and is stored as '{}', the spec's symbol is '{}'", facts_.entry, code_.entry,
                         name));
  }

  void compare_threads() {
    if (facts_.max_threads_per_block != kUnknown) {
      add("threads", facts_.max_threads_per_block >= plan_.threads_per_block,
          fmt::format("compiled for at most {} {}, the plan launches {}", facts_.max_threads_per_block,
                      threads_words(arch_.vendor), plan_.threads_per_block));
    }
  }

  void compare_registers() {
    if (facts_.registers == kUnknown) {
      return;
    }
    if (plan_.exact_registers != 0) {
      add("registers", facts_.registers == plan_.exact_registers,
          fmt::format("has {} registers per thread, its warpgroups deal out {}", facts_.registers,
                      plan_.exact_registers));
    }
    if (caps_.registers_per_thread.value) {
      add("registers", facts_.registers <= *caps_.registers_per_thread.value,
          fmt::format("needs {} registers per thread, {} has {} ({})", facts_.registers, caps_.name,
                      *caps_.registers_per_thread.value, caps_.registers_per_thread.source));
    }
    if (caps_.registers_per_unit.value) {
      // Both vendors hand out at least 8 registers per thread at a time.
      const std::int64_t per_thread = (facts_.registers + 7) / 8 * 8;
      const std::int64_t needed = per_thread * plan_.threads_per_block;
      add("register file", needed <= *caps_.registers_per_unit.value,
          fmt::format("needs {} registers for {} threads, a unit of {} has {} ({})", needed, plan_.threads_per_block,
                      caps_.name, *caps_.registers_per_unit.value, caps_.registers_per_unit.source));
    }
  }

  void compare_shared_memory() {
    if (facts_.static_shared_bytes == kUnknown) {
      return;
    }
    const std::string_view subject = arch_.vendor == Vendor::kAmd ? "lds" : "shared memory";
    const std::string_view words = shared_memory_words(arch_.vendor);
    const Limit limit = limit_of(caps_.shared_bytes_per_block, arch_.max_shared_memory_bytes, arch_);
    const std::int64_t needed = facts_.static_shared_bytes + plan_.dynamic_shared_bytes;
    add(subject, needed <= limit.value,
        fmt::format("needs {} {}, {} has {} ({})", needed, words, caps_.name, limit.value, limit.source));
    if (facts_.static_shared_bytes > plan_.static_shared_bytes) {
      add(subject, false,
          fmt::format("declares {} {}, the plan allows {}", facts_.static_shared_bytes, words,
                      plan_.static_shared_bytes));
    }
  }

  // No template of ours keeps data in memory per thread; a kernel that does has lost its registers and most of its
  // speed. The host's stack is not such memory.
  void compare_scratch() {
    if (!is_gpu() || (facts_.scratch_bytes == kUnknown && facts_.spilled_registers == kUnknown)) {
      return;
    }
    const std::int64_t scratch = std::max<std::int64_t>(facts_.scratch_bytes, 0);
    const std::int64_t spills = std::max<std::int64_t>(facts_.spilled_registers, 0);
    const bool ok = scratch == 0 && spills == 0;
    add("scratch", ok,
        fmt::format("uses {} bytes of scratch per thread and spills {} registers, 0 allowed{}", scratch, spills,
                    ok ? "" : "; choose a smaller tile"));
  }

  void compare_wave_size() {
    if (facts_.wave_size != kUnknown) {
      const Limit limit = limit_of(caps_.wave_size, arch_.wave_size, arch_);
      add("wave size", facts_.wave_size == limit.value,
          fmt::format("compiled for waves of {}, {} runs waves of {} ({})", facts_.wave_size, caps_.name, limit.value,
                      limit.source));
    }
  }

  void compare_arguments() {
    if (facts_.args_bytes != kUnknown) {
      const std::size_t maps = plan_.tensor_maps.size();
      const std::size_t expected = parameter_bytes(maps, spec_.family->args_bytes());
      add("arguments", std::cmp_equal(facts_.args_bytes, expected),
          fmt::format("takes {} bytes of arguments, the layout of {} has {}{}", facts_.args_bytes,
                      spec_.family->name(), expected,
                      maps == 0 ? "" : fmt::format(", {} tensor maps included", maps)));
    }
  }

  // A name or a table can lie about vskip; the disassembly cannot.
  void compare_vskip() {
    if (!arch_.has_setvskip) {
      return;
    }
    const int param = spec_.family->param_index("vskip");
    const bool on = param >= 0 && spec_[param] == kVskipOn;
    if (facts_.setvskip_count == kUnknown) {
      add("vskip", false,
          fmt::format("the spec says vskip {}, but the code object was not disassembled: whether it contains "
                      "s_setvskip is unknown",
                      on ? "on" : "off"));
      return;
    }
    add("vskip", on == (facts_.setvskip_count > 0),
        fmt::format("the spec says vskip {}, the disassembly has {} s_setvskip", on ? "on" : "off",
                    facts_.setvskip_count));
  }

  // Mnemonics are known where the code was disassembled, which then counted its instructions. NVIDIA's is not: its
  // instructions are counted by size.
  void compare_matrix_instructions() {
    const bool disassembled = facts_.instruction_count != kUnknown && arch_.vendor != Vendor::kNvidia;
    if (plan_.required_instructions.empty() || !disassembled) {
      return;
    }
    const auto& present = facts_.matrix_instructions;
    const bool ok = std::any_of(
        plan_.required_instructions.begin(), plan_.required_instructions.end(),
        [&](std::string_view name) { return std::find(present.begin(), present.end(), name) != present.end(); });
    add("matrix", ok,
        fmt::format("needs one of {}, the disassembly has {}", fmt::join(plan_.required_instructions, ", "),
                    present.empty() ? "none" : fmt::format("{}", fmt::join(present, ", "))));
  }

  const KernelSpec& spec_;
  const BodyPlan& plan_;
  const CodeObject& code_;
  const CodeFacts& facts_;
  const DeviceCaps& caps_;
  const Arch& arch_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> examine_code_object(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code,
                                         const DeviceCaps& caps) {
  return CodeCheck(spec, plan, code, caps).run();
}

Result<void> check_code_object(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code,
                               const DeviceCaps& caps) {
  return refusal(examine_code_object(spec, plan, code, caps), spec.name(), caps.name);
}

}  // namespace sinter
