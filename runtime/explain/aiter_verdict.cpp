// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/explain/aiter_report.h"

namespace sinter {

namespace {

using Truth = AiterClaim::Truth;
using Answer = AiterVerdict::Answer;

constexpr std::int64_t kWavesPerWorkgroup = 4;  // of 64 threads, one on each SIMD of a compute unit

/// The numbers that the matrix instructions of a kernel work on, as far as its name tells.
enum class Operands { kUnknown, kBf16, kFp16, kInt8, kFp8, kFp4 };

Operands operands_of(const AiterName& name) {
  const std::string quant = name.quant();
  const auto has = [&quant](std::string_view word) { return quant.find(word) != std::string::npos; };
  if (name.has(AiterPart::kTypeA)) {
    const std::string_view type = name.value(AiterPart::kTypeA);
    return type == "fp8"    ? Operands::kFp8
           : type == "int8" ? Operands::kInt8
           : type == "fp4"  ? Operands::kFp4
           : type == "bf16" ? Operands::kBf16
           : type == "fp16" ? Operands::kFp16
                            : Operands::kUnknown;
  }
  if (has("fp4") || has("Fp4")) return Operands::kFp4;
  if (has("Fp8") || has("fp8") || quant == "blockscaleBf16") return Operands::kFp8;
  if (has("Int8") || has("int8")) return Operands::kInt8;
  if (has("noquantBf16")) return Operands::kBf16;
  if (has("noquantFp16")) return Operands::kFp16;
  return Operands::kUnknown;
}

std::string_view operand_words(Operands operands) {
  constexpr std::array kWords{"operands of unknown type", "bf16", "fp16", "int8", "fp8", "fp4"};
  return kWords[static_cast<std::size_t>(operands)];
}

// fp8 kernels on gfx950 use either fp8's own instructions or those for every small format.
bool is_instruction_for(std::string_view mnemonic, Operands operands) {
  const auto has = [mnemonic](std::string_view text) { return mnemonic.find(text) != std::string_view::npos; };
  switch (operands) {
    case Operands::kUnknown: return true;
    case Operands::kBf16: return has("bf16");
    case Operands::kFp16: return has("f16") && !has("bf16");
    case Operands::kInt8: return has("i8");
    case Operands::kFp8: return has("fp8") || has("bf8") || has("f8f6f4");
    case Operands::kFp4: return has("f8f6f4");
  }
  return false;
}

AiterClaim vskip_claim(const AiterName& name, const CodeFacts& facts) {
  if (facts.setvskip_count == kUnknown) {
    return {"vskip", Truth::kUnproven, "the binary could not be disassembled"};
  }
  const bool used = facts.setvskip_count > 0;
  const std::string found = used ? fmt::format("the binary contains {} s_setvskip", facts.setvskip_count)
                                 : std::string("the binary contains no s_setvskip");
  const std::string_view word = name.has(AiterPart::kSkip) ? name.words[static_cast<std::size_t>(AiterPart::kSkip)]->text : "";
  if (!name.vskip()) {
    return {"vskip", Truth::kTrue, "the name says nothing of vskip; " + found};
  }
  const bool agrees = *name.vskip() == used;
  return {"vskip", agrees ? Truth::kTrue : Truth::kFalse,
          fmt::format("the name says '{}'{} {}", word, agrees ? " and" : ", but", found)};
}

AiterClaim symbol_claim(const AiterName& name, const CodeFacts& facts) {
  const std::string plain = plain_name(name);
  if (facts.entry.empty()) {
    return {"symbol", Truth::kFalse, fmt::format("the binary defines no kernel '{}'", to_string(name))};
  }
  return {"symbol", Truth::kTrue, fmt::format("the binary defines '{}'", facts.entry)};
}

AiterClaim target_claim(const AiterName& name, const CodeFacts& facts) {
  const Arch* arch = find_arch(facts.target);
  if (arch == nullptr || arch->vendor != Vendor::kAmd) {
    return {"target", Truth::kFalse, fmt::format("the binary is for '{}'; AITER's kernels are for AMD's gfx942 and gfx950", facts.target)};
  }
  if (operands_of(name) == Operands::kFp4 && arch->fp8 != Fp8Hardware::kOcp) {
    return {"target", Truth::kFalse, fmt::format("the name says fp4, and {} has no fp4 matrix instructions", facts.target)};
  }
  return {"target", Truth::kTrue, fmt::format("the binary is for {} ({})", facts.target, facts.features)};
}

AiterClaim quant_claim(const AiterName& name, const CodeFacts& facts) {
  const Operands operands = operands_of(name);
  if (facts.matrix_instructions.empty()) {
    return {"quantization", Truth::kUnproven, "the binary has no matrix instructions"};
  }
  const bool agrees = std::any_of(facts.matrix_instructions.begin(), facts.matrix_instructions.end(),
                                  [operands](const std::string& mnemonic) { return is_instruction_for(mnemonic, operands); });
  return {"quantization", operands == Operands::kUnknown ? Truth::kUnproven : agrees ? Truth::kTrue : Truth::kFalse,
          fmt::format("the name says {}{} the binary multiplies by {}", operand_words(operands), agrees ? " and" : ", but",
                      fmt::join(facts.matrix_instructions, ", "))};
}

// How many workgroups fit is a fact of the binary: registers of one wave per SIMD, and LDS.
void add_occupancy_claim(const AiterName& name, const CodeFacts& facts, std::vector<AiterClaim>& claims) {
  const auto named = name.workgroups_per_cu();
  const Arch* arch = find_arch(facts.target);
  if (!named || facts.registers == kUnknown || arch == nullptr || arch->vendor != Vendor::kAmd) {
    return;
  }
  constexpr std::int64_t kRegisters = 512, kGranule = 8, kMost = 8;
  const std::int64_t allocated = std::max<std::int64_t>((facts.registers + kGranule - 1) / kGranule * kGranule, kGranule);
  const std::int64_t threads = facts.max_threads_per_block == kUnknown ? kWavesPerWorkgroup * 64 : facts.max_threads_per_block;
  const std::int64_t waves_per_simd = std::max<std::int64_t>(1, threads / 64 / kWavesPerWorkgroup);
  std::int64_t fit = std::min(kRegisters / allocated, kMost) / waves_per_simd;
  if (facts.static_shared_bytes > 0) {
    fit = std::min(fit, arch->max_shared_memory_bytes / facts.static_shared_bytes);
  }
  const bool holds = fit >= *named;
  claims.push_back({"workgroups per CU", holds ? Truth::kTrue : Truth::kFalse,
                    fmt::format("the name says {}{} {} fit: {} registers per thread and {} bytes of LDS, of {} and {}", *named,
                                holds ? " and" : ", but", fit, facts.registers, facts.static_shared_bytes, kRegisters,
                                arch->max_shared_memory_bytes)});
}

void refuse(AiterVerdict& verdict, std::string reason) {
  verdict.answer = Answer::kCannotRun;
  verdict.reasons.push_back(std::move(reason));
}

void judge_arch_by_name(const AiterName& name, const DeviceCaps& caps, AiterVerdict& verdict) {
  const Arch& arch = *caps.arch;
  const Operands operands = operands_of(name);
  const bool is_assembly = name.grammar->id.starts_with("asm");
  if (arch.wave_size != 64) {
    refuse(verdict, fmt::format("AITER's kernels work in waves of 64 with matrix cores; {} has neither", arch.name));
  } else if (is_assembly && arch.name != "gfx942" && arch.name != "gfx950") {
    refuse(verdict, fmt::format("AITER ships these kernels for gfx942 and gfx950; code for them does not run on {}", arch.name));
  } else if (operands == Operands::kFp4 && arch.fp8 != Fp8Hardware::kOcp) {
    refuse(verdict, fmt::format("{} has no fp4 matrix instructions", arch.name));
  } else if (operands == Operands::kFp8 && arch.fp8 == Fp8Hardware::kNone) {
    refuse(verdict, fmt::format("{} has no fp8 matrix instructions", arch.name));
  } else if (operands == Operands::kFp8 && arch.fp8 == Fp8Hardware::kFnuz) {
    verdict.reasons.push_back("fp8 is FNUZ here: OCP bytes are read as half their value");
  }
}

void judge_binary(const CodeFacts& facts, const DeviceCaps& caps, AiterVerdict& verdict) {
  const Arch& arch = *caps.arch;
  if (facts.target != arch.name) {
    refuse(verdict, fmt::format("the binary is for {}", facts.target));
  }
  const std::int64_t lds = caps.shared_bytes_per_block.value.value_or(arch.max_shared_memory_bytes);
  if (facts.static_shared_bytes > lds) {
    refuse(verdict, fmt::format("the binary needs {} bytes of LDS, a workgroup has {}", facts.static_shared_bytes, lds));
  }
  const std::int64_t registers = caps.registers_per_thread.value.value_or(512);
  if (facts.registers > registers) {
    refuse(verdict, fmt::format("the binary needs {} registers per thread, there are {}", facts.registers, registers));
  }
  if (facts.wave_size != kUnknown && facts.wave_size != arch.wave_size) {
    refuse(verdict, fmt::format("the binary works in waves of {}, the device in waves of {}", facts.wave_size, arch.wave_size));
  }
}

// The binary decides where there is one; the name is only believed without it.
void judge_vskip(const AiterName& name, const CodeFacts* facts, const DeviceCaps& caps, AiterVerdict& verdict) {
  const bool is_known = facts != nullptr && facts->setvskip_count != kUnknown;
  const std::optional<bool> uses = is_known ? std::optional(facts->setvskip_count > 0) : name.vskip();
  const std::string_view who = is_known ? "the binary" : "by its name the kernel";
  if (!uses) {
    verdict.answer = Answer::kUndecided;
    verdict.reasons.push_back("the name does not say whether the kernel uses s_setvskip; give its binary (--code-object)");
  } else if (!*uses) {
    verdict.reasons.push_back(fmt::format("{} does not use s_setvskip", who));
  } else if (!caps.has_setvskip.value.value_or(caps.arch->has_setvskip)) {
    refuse(verdict, fmt::format("{} uses s_setvskip, which {} does not have", who, caps.arch->name));
  } else if (is_vskip_safe(caps)) {
    verdict.reasons.push_back(fmt::format("{} uses s_setvskip; {}", who, explain_vskip_safety(caps)));
  } else {
    verdict.answer = Answer::kUnsafe;
    verdict.reasons.push_back(
        fmt::format("{} uses s_setvskip, and a wave that is preempted meanwhile may lose its registers: {}", who, explain_vskip_safety(caps)));
  }
}

}  // namespace

std::string_view truth_name(Truth truth) {
  constexpr std::array<std::string_view, 3> kNames{"true", "false", "unproven"};
  return kNames[static_cast<std::size_t>(truth)];
}

std::string_view answer_name(Answer answer) {
  constexpr std::array<std::string_view, 4> kNames{"can run", "undecided", "unsafe", "cannot run"};
  return kNames[static_cast<std::size_t>(answer)];
}

std::vector<AiterClaim> compare_with_binary(const AiterName& name, const CodeFacts& facts) {
  std::vector<AiterClaim> claims{symbol_claim(name, facts), target_claim(name, facts), vskip_claim(name, facts), quant_claim(name, facts)};
  add_occupancy_claim(name, facts, claims);
  return claims;
}

AiterVerdict judge_for_device(const AiterName& name, const CodeFacts* facts, const DeviceCaps& caps) {
  AiterVerdict verdict{caps.name, caps.arch != nullptr ? std::string(caps.arch->name) : "unknown", Answer::kCanRun, {}};
  if (caps.arch == nullptr || caps.arch->vendor != Vendor::kAmd) {
    refuse(verdict, "AITER's kernels are code for AMD GPUs");
    return verdict;
  }
  if (facts != nullptr) {
    judge_binary(*facts, caps, verdict);
  } else {
    judge_arch_by_name(name, caps, verdict);
  }
  if (verdict.answer != Answer::kCannotRun) {
    judge_vskip(name, facts, caps, verdict);
  }
  return verdict;
}

}  // namespace sinter
