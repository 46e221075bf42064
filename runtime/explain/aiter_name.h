// SPDX-License-Identifier: Apache-2.0
#pragma once

// AiterName: the fields of a kernel name of AITER, read by the tables of aiter_grammar.h. A pure parser: names are read
// as they are spelled, nothing is guessed, and what a name claims need not be true of the kernel that bears it.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/explain/aiter_grammar.h"

namespace sinter {

struct AiterName {
  const AiterGrammar* grammar = nullptr;
  /// As written between "_ZN5aiter" and the name; nullopt for a name that is not mangled.
  std::optional<std::int64_t> mangled_length;
  bool has_file_suffix = false;   ///< ".co": the name of a file in a manifest.
  std::vector<AiterPart> order;   ///< Of the parts, as spelled; a part that is repeated is there twice.
  std::array<const AiterWord*, kAiterParts> words{};            ///< By part; null: not in the name.
  std::array<std::array<std::int64_t, 4>, kAiterParts> numbers{};  ///< By part; valid where `order` has the part.

  bool has(AiterPart part) const;
  /// The value of a word, or empty.
  std::string_view value(AiterPart part) const;
  /// The first number of a part.
  std::optional<std::int64_t> number(AiterPart part) const;

  // What every form has, whichever part of it says so. nullopt and empty: the name does not say.
  std::string_view out() const;       ///< "bf16", "fp16", ...
  std::string quant() const;          ///< "blockscaleFp8"; FlyDSL: "a=fp8 w=fp4".
  std::optional<bool> vskip() const;  ///< As named; which instructions the kernel has only its code tells.
  std::optional<std::int64_t> workgroups_per_cu() const;  ///< 1 where a two-stage kernel of assembly leaves it out.
  bool persistent() const;
  std::optional<std::int64_t> tile_m() const, tile_n() const;
  std::optional<std::int64_t> prefetch() const;
  std::optional<std::int64_t> stage() const;  ///< 1 or 2 of two; nullopt: a kernel that does both.
};

/// Reads a symbol ("_ZN5aiter50fmoe_..E"), a name ("fmoe_..", "moe_ck2stages_..", "flydsl_moe1_..") or the name of a
/// file in a manifest ("fmoe_...co").
/// Errors: kInvalidRequest with the position, counted from 0 in `symbol`, what was found there and what was expected.
Result<AiterName> parse_aiter_name(std::string_view symbol);

/// The name from its fields; the inverse of parse_aiter_name.
std::string to_string(const AiterName& name);

/// The name without mangling and file suffix.
std::string plain_name(const AiterName& name);

}  // namespace sinter
