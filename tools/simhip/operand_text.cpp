// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/operand_text.h"

#include <bit>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

Error unknown(std::string_view what, std::string_view text) {
  return make_error(ErrorCode::kUnsupported, fmt::format("{} \"{}\" is not known to the simulator", what, text));
}

/// A whole number, decimal or 0x.
std::optional<std::int64_t> whole(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  text.remove_prefix(is_negative ? 1 : 0);
  const bool is_hex = text.starts_with("0x");
  text.remove_prefix(is_hex ? 2 : 0);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, is_hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return is_negative ? -value : value;
}

/// "[1,0,1]" as bits, the first the lowest.
std::optional<std::uint8_t> bit_list(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']' || text.size() > 9) {
    return std::nullopt;
  }
  unsigned bits = 0;
  for (std::size_t at = 1, bit = 0; at + 1 < text.size(); at += 2, ++bit) {
    const bool is_separated = text[at + 1] == ',' || at + 2 == text.size();
    if ((text[at] != '0' && text[at] != '1') || !is_separated) {
      return std::nullopt;
    }
    bits |= static_cast<unsigned>(text[at] - '0') << bit;
  }
  return static_cast<std::uint8_t>(bits);
}

/// "v7", "a[0:3]", "s[2:3]", "vcc", "m0".
std::optional<Operand> read_register(std::string_view text) {
  struct Named {
    std::string_view name;
    std::uint16_t index;
    std::uint8_t dwords;
  };
  static constexpr Named kNamed[] = {{"vcc", kVcc, 2}, {"vcc_lo", kVcc, 1}, {"vcc_hi", kVcc + 1, 1},
                                     {"exec", kExec, 2}, {"exec_lo", kExec, 1}, {"exec_hi", kExec + 1, 1},
                                     {"m0", kM0, 1}};
  for (const Named& named : kNamed) {
    if (text == named.name) {
      return Operand{.kind = OperandKind::kScalar, .dwords = named.dwords, .index = named.index};
    }
  }
  const char file = text.empty() ? '\0' : text.front();
  if (text.size() < 2 || (file != 'v' && file != 'a' && file != 's')) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  std::string_view first = text, last = text;
  if (text.front() == '[') {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.back() != ']') {
      return std::nullopt;
    }
    first = text.substr(1, colon - 1);
    last = text.substr(colon + 1, text.size() - colon - 2);
  }
  const std::int64_t limit = file == 's' ? 102 : 256;
  const auto from = whole(first), to = whole(last);
  if (!from || !to || *from < 0 || *to < *from || *to >= limit) {
    return std::nullopt;
  }
  return Operand{.kind = file == 's' ? OperandKind::kScalar : OperandKind::kVector,
                 .dwords = static_cast<std::uint8_t>(*to - *from + 1),
                 .index = static_cast<std::uint16_t>(*from + (file == 'a' ? kAccumulators : 0))};
}

/// The bits of "4", "0xff" or "-1.0". `is_float` is set for the last kind.
std::optional<std::uint32_t> read_constant(std::string_view text, bool& is_float) {
  if (const auto value = whole(text); value && *value >= -0x80000000LL && *value <= 0xffffffffLL) {
    return static_cast<std::uint32_t>(*value);
  }
  is_float = true;
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole_text = error == std::errc() && end == text.data() + text.size();
  return is_whole_text ? std::optional(std::bit_cast<std::uint32_t>(value)) : std::nullopt;
}

bool is_one_of(char letter, std::string_view letters) { return letters.find(letter) != std::string_view::npos; }
bool is_constant_allowed(char letter) { return is_one_of(letter, "shfSPcCkAB"); }
bool is_vector_allowed(char letter) { return is_one_of(letter, "vV348ashfSPMNAB"); }
bool is_scalar_allowed(char letter) { return is_one_of(letter, "shfSPdDQEFcCo"); }

unsigned dwords_of(char letter) {
  switch (letter) {
    case 'V': case 'S': case 'P': case 'D': case 'C': case 'o': return 2;
    case '3': return 3;
    case '4': case 'Q': case 'N': case 'B': return 4;
    case '8': case 'E': return 8;
    case 'F': case 'M': case 'A': return 16;
    default: return 1;
  }
}

Result<Operand> read_operand(std::string_view text, char letter) {
  const std::string_view whole_text = text;
  bool negate = false, absolute = false;
  if (letter == 'f') {
    const bool is_sign = text.starts_with('-') && text.size() > 1 && (text[1] < '0' || text[1] > '9');
    negate = is_sign;
    text.remove_prefix(is_sign ? 1 : 0);
    absolute = text.size() > 2 && text.starts_with('|') && text.ends_with('|');
    text = absolute ? text.substr(1, text.size() - 2) : text;
  }
  if (letter == 'o' && text == "off") {
    return Operand{};
  }
  if (auto found = read_register(text)) {
    const bool is_vector = found->kind == OperandKind::kVector;
    const bool has_width = found->dwords == dwords_of(letter) || (letter == 'a' && found->dwords == 2);
    if (!(is_vector ? is_vector_allowed(letter) : is_scalar_allowed(letter)) || !has_width) {
      return unknown("here the operand", whole_text);
    }
    found->negate = negate;
    found->absolute = absolute;
    return *found;
  }
  bool is_float = false;
  const auto bits = read_constant(text, is_float);
  const bool is_integer_only = letter == 'h' || letter == 'S' || letter == 'c' || letter == 'C' || letter == 'k';
  // A 64-bit operation extends a 32-bit literal; no compiler was seen to leave the sign of one to that.
  const bool is_wide = letter == 'S' || letter == 'C';
  if (!bits || !is_constant_allowed(letter) || (is_float && is_integer_only) ||
      (is_wide && *bits > 0x7fffffffU && !text.starts_with('-'))) {
    return unknown("the operand", whole_text);
  }
  return Operand{.kind = OperandKind::kConstant, .dwords = static_cast<std::uint8_t>(dwords_of(letter)),
                 .negate = negate, .absolute = absolute, .bits = *bits};
}

std::optional<SubDword> read_sub_dword(std::string_view text) {
  if (text == "DWORD") {
    return SubDword{};
  }
  const bool is_byte = text.starts_with("BYTE_"), is_word = text.starts_with("WORD_");
  if ((!is_byte && !is_word) || text.size() != 6 || text[5] < '0' || text[5] > (is_byte ? '3' : '1')) {
    return std::nullopt;
  }
  const int width = is_byte ? 8 : 16;
  return SubDword{static_cast<std::uint8_t>((text[5] - '0') * width), is_byte ? 0xffU : 0xffffU};
}

template <class T>
bool assign(T& to, const std::optional<T>& from) {
  to = from.value_or(to);
  return from.has_value();
}

bool read_sdwa(std::string_view name, std::string_view value, Modifiers& modifiers) {
  modifiers.is_sdwa = true;
  if (name == "dst_unused") {
    modifiers.rest = value == "UNUSED_PRESERVE" ? SubDwordRest::kPreserve : SubDwordRest::kZero;
    return value == "UNUSED_PRESERVE" || value == "UNUSED_PAD";
  }
  SubDword* const part = name == "dst_sel"    ? &modifiers.destination
                         : name == "src0_sel" ? &modifiers.source0
                         : name == "src1_sel" ? &modifiers.source1
                                              : nullptr;
  return part != nullptr && assign(*part, read_sub_dword(value));
}

bool read_dpp(std::string_view name, std::string_view value, Modifiers& modifiers) {
  if (name == "row_mask" || name == "bank_mask") {
    return value == "0xf";
  }
  if (name == "bound_ctrl") {
    return true;  // no row read that is known here leaves its row
  }
  const auto number = whole(value);
  if (name == "row_ror" && number && *number > 0 && *number < 16) {
    modifiers.row_read = RowRead::kRotateRight;
    modifiers.row_amount = static_cast<std::uint8_t>(*number);
    return true;
  }
  if (name == "quad_perm" && value.size() == 9) {
    unsigned amount = 0;
    for (unsigned lane = 0; lane < 4; ++lane) {
      amount |= static_cast<unsigned>(value[1 + 2 * lane] - '0') << (2 * lane);
    }
    modifiers.row_read = RowRead::kQuadPermute;
    modifiers.row_amount = static_cast<std::uint8_t>(amount);
    return amount < 256;
  }
  if (name == "row_mirror" || name == "row_half_mirror") {
    modifiers.row_read = name == "row_mirror" ? RowRead::kMirror : RowRead::kHalfMirror;
    return true;
  }
  return false;
}

bool read_packed(std::string_view name, std::string_view value, Modifiers& modifiers) {
  std::uint8_t* const bits = name == "op_sel"      ? &modifiers.op_sel
                             : name == "op_sel_hi" ? &modifiers.op_sel_hi
                             : name == "neg_lo"    ? &modifiers.neg_lo
                             : name == "neg_hi"    ? &modifiers.neg_hi
                                                   : nullptr;
  return bits != nullptr && assign(*bits, bit_list(value));
}

bool read_offset(std::string_view name, std::string_view value, std::uint32_t allowed, Modifiers& modifiers) {
  const auto number = whole(value);
  if (!number) {
    return false;
  }
  if (name == "offset" && (allowed & kOffset) != 0) {
    modifiers.offset = static_cast<std::int32_t>(*number);
    return true;
  }
  if ((name == "offset0" || name == "offset1") && (allowed & kOffsetPair) != 0 && *number >= 0 && *number < 256) {
    modifiers.offsets[name == "offset1" ? 1 : 0] = static_cast<std::uint8_t>(*number);
    return true;
  }
  return false;
}

bool read_modifier(std::string_view text, std::uint32_t allowed, Encoding encoding, Modifiers& modifiers) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (encoding == Encoding::kSdwa) {
    return read_sdwa(name, value, modifiers);
  }
  if (encoding == Encoding::kDpp) {
    return read_dpp(name, value, modifiers);
  }
  if ((allowed & kCachePolicy) != 0 &&
      (text == "glc" || text == "slc" || text == "sc0" || text == "sc1" || text == "nt")) {
    return true;
  }
  if (name == "bitop3" && (allowed & kTruthTable) != 0) {
    const auto number = whole(value);
    modifiers.truth_table = static_cast<std::uint8_t>(number.value_or(0));
    return number && *number >= 0 && *number < 256;
  }
  if ((allowed & kPacked) != 0 || (name == "op_sel" && (allowed & kOpSel) != 0)) {
    return read_packed(name, value, modifiers);
  }
  return read_offset(name, value, allowed, modifiers);
}

/// Words: operands end at a comma outside of brackets, and behind the last one modifiers are separated by spaces.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  bool is_bracketed = false;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const char c = at < text.size() ? text[at] : ' ';
    is_bracketed = (is_bracketed || c == '[') && c != ']';
    if ((c == ',' && !is_bracketed) || c == ' ') {
      if (at > begin) {
        words.push_back(text.substr(begin, at - begin));
      }
      begin = at + 1;
    }
  }
  return words;
}

}  // namespace

Result<void> read_operands(std::string_view text, const Opcode& opcode, Encoding encoding, Instruction& instruction) {
  if (opcode.signature == "*") {
    return {};
  }
  const std::vector<std::string_view> words = split(text);
  const std::size_t count = opcode.signature.size();
  if (words.size() < count || count > instruction.operands.size()) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} operands are known, here are {}", count, words.size()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    SINTER_TRY(instruction.operands[i], read_operand(words[i], opcode.signature[i]));
  }
  instruction.operand_count = static_cast<std::uint8_t>(count);
  for (std::size_t i = count; i < words.size(); ++i) {
    if (!read_modifier(words[i], opcode.modifiers, encoding, instruction.modifiers)) {
      return unknown("the modifier", words[i]);
    }
  }
  return {};
}

}  // namespace sinter::sim
