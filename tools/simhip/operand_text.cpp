// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/operand_text.h"

#include <bit>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/modifier_text.h"

namespace sinter::sim {

namespace {

Error unknown(std::string_view what, std::string_view text) {
  return make_error(ErrorCode::kUnsupported, fmt::format("{} \"{}\" is not known to the simulator", what, text));
}

std::optional<Operand> read_named(std::string_view text) {
  struct Named {
    std::string_view name;
    std::uint16_t index;
    std::uint8_t dwords;
  };
  static constexpr Named kNamed[] = {{"vcc", kVcc, 2},
                                     {"vcc_lo", kVcc, 1},
                                     {"vcc_hi", kVcc + 1, 1},
                                     {"exec", kExec, 2},
                                     {"exec_lo", kExec, 1},
                                     {"exec_hi", kExec + 1, 1},
                                     {"m0", kM0, 1},
                                     {"flat_scratch", kFlatScratch, 2},
                                     {"flat_scratch_lo", kFlatScratch, 1},
                                     {"flat_scratch_hi", kFlatScratch + 1, 1},
                                     {"xnack_mask", kXnackMask, 2},
                                     {"xnack_mask_lo", kXnackMask, 1},
                                     {"xnack_mask_hi", kXnackMask + 1, 1},
                                     {"src_shared_base", kSharedBase, 2},
                                     {"src_shared_limit", kSharedLimit, 2},
                                     {"src_private_base", kPrivateBase, 2},
                                     {"src_private_limit", kPrivateLimit, 2}};
  for (const Named& named : kNamed) {
    if (text == named.name) {
      return Operand{.kind = OperandKind::kScalar, .dwords = named.dwords, .index = named.index};
    }
  }
  return std::nullopt;
}

/// "v7", "a[0:3]", "s[2:3]", "vcc", "m0".
std::optional<Operand> read_register(std::string_view text) {
  if (auto named = read_named(text)) {
    return named;
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
  const auto from = read_whole_number(first), to = read_whole_number(last);
  if (!from || !to || *from < 0 || *to < *from || *to >= limit) {
    return std::nullopt;
  }
  return Operand{.kind = file == 's' ? OperandKind::kScalar : OperandKind::kVector,
                 .dwords = static_cast<std::uint8_t>(*to - *from + 1),
                 .index = static_cast<std::uint16_t>(*from + (file == 'a' ? kAccumulators : 0))};
}

struct Constant {
  std::uint32_t bits = 0, high = 0;
};

bool is_one_of(char letter, std::string_view letters) { return letters.find(letter) != std::string_view::npos; }
bool is_constant_allowed(char letter) { return is_one_of(letter, "shfgpqSPcCkABGHI"); }
bool is_vector_allowed(char letter) { return is_one_of(letter, "vV3468ashfgpqSPMNRABGHIxw"); }
bool is_scalar_allowed(char letter) { return is_one_of(letter, "shfgpqSPdDQEFcCor"); }

/// The bits of "4", "0xff" or "-1.0" for an operand of that letter.
std::optional<Constant> read_constant(std::string_view text, char letter) {
  const bool is_double = letter == 'p', is_half = letter == 'g' || letter == 'q';
  if (text.starts_with("lit(") && text.ends_with(')')) {  // a literal where a shorter form would do
    text = text.substr(4, text.size() - 5);
  }
  if (const auto value = read_whole_number(text); value && *value >= -0x80000000LL && *value <= 0xffffffffLL) {
    const auto bits = static_cast<std::uint32_t>(*value);
    // A literal of a double is its high half; a small whole number is the bits of the low one.
    if (is_double && text.starts_with("0x")) {
      return Constant{0, bits};
    }
    // A 64-bit operation extends a 32-bit literal; no compiler was seen to leave the sign of one to that.
    const bool is_wide = letter == 'S' || letter == 'C';
    if (is_wide && bits > 0x7fffffffU && !text.starts_with('-')) {
      return std::nullopt;
    }
    return Constant{bits, *value < 0 ? ~0U : 0U};
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_integer_only = is_one_of(letter, "hk");
  if (error != std::errc() || end != text.data() + text.size() || is_integer_only) {
    return std::nullopt;
  }
  if (is_half) {
    return Constant{half_bits(value), 0};
  }
  const auto wide = std::bit_cast<std::uint64_t>(value);
  if (is_double || is_one_of(letter, "SCIG")) {
    return Constant{static_cast<std::uint32_t>(wide), static_cast<std::uint32_t>(wide >> 32)};
  }
  return Constant{std::bit_cast<std::uint32_t>(static_cast<float>(value)), 0};
}

unsigned dwords_of(char letter) {
  switch (letter) {
    case 'V': case 'S': case 'P': case 'D': case 'C': case 'o': case 'p': case 'I': return 2;
    case '3': return 3;
    case '4': case 'Q': case 'N': case 'B': return 4;
    case '6': return 6;
    case '8': case 'E': case 'G': return 8;
    case 'F': case 'M': case 'A': return 16;
    case 'R': case 'H': return 32;
    default: return 1;
  }
}

bool has_width(const Operand& operand, char letter) {
  if (letter == 'a' || letter == 'w') {
    return operand.dwords <= 2;
  }
  return letter == 'x' ? operand.dwords == 4 || operand.dwords == 6 || operand.dwords == 8
                       : operand.dwords == dwords_of(letter);
}

/// Takes -, |x| and sext() off an operand.
std::string_view take_signs(std::string_view text, char letter, Encoding encoding, Operand& operand, bool& is_signed) {
  if (encoding == Encoding::kSdwa && text.starts_with("sext(") && text.ends_with(')')) {
    is_signed = true;
    text = text.substr(5, text.size() - 6);
  }
  if (letter == 'f' || letter == 'g' || letter == 'p') {
    const bool is_sign = text.size() > 1 && text.front() == '-' && (text[1] < '0' || text[1] > '9');
    operand.negate = is_sign;
    text.remove_prefix(is_sign ? 1 : 0);
    operand.absolute = text.size() > 2 && text.starts_with('|') && text.ends_with('|');
    text = operand.absolute ? text.substr(1, text.size() - 2) : text;
  }
  return text;
}

/// "hwreg(HW_REG_MODE, 4, 2)" as number, offset and size in the encoding's places.
Result<Operand> read_hardware_register(std::string_view text) {
  static constexpr std::pair<std::string_view, std::uint32_t> kNames[] = {
      {"HW_REG_MODE", 1}, {"HW_REG_STATUS", 2}, {"HW_REG_HW_ID", 4}, {"HW_REG_GPR_ALLOC", 5},
      {"HW_REG_LDS_ALLOC", 6}, {"HW_REG_SH_MEM_BASES", 15}, {"HW_REG_XCC_ID", 20}};
  if (!text.starts_with("hwreg(") || !text.ends_with(')')) {
    return unknown("the operand", text);
  }
  std::string_view rest = text.substr(6, text.size() - 7);
  std::array<std::string_view, 3> words{rest.substr(0, rest.find(',')), "0", "32"};
  for (std::size_t word = 1; word < words.size() && rest.find(',') != std::string_view::npos; ++word) {
    rest = rest.substr(rest.find(',') + 1);
    words[word] = rest.substr(rest.find_first_not_of(' '));
    words[word] = words[word].substr(0, words[word].find(','));
  }
  const auto offset = read_whole_number(words[1]), size = read_whole_number(words[2]);
  for (const auto& [name, number] : kNames) {
    if (words[0] == name && offset && size && *offset >= 0 && *offset < 32 && *size > 0 && *size <= 32) {
      return Operand{.kind = OperandKind::kConstant,
                     .bits = number | static_cast<std::uint32_t>(*offset) << 6 |
                             static_cast<std::uint32_t>(*size - 1) << 11};
    }
  }
  return unknown("the hardware register", text);
}

/// "gpr_idx(SRC0,DST)": a bit for each operand.
Result<Operand> read_indexed_operands(std::string_view text) {
  Operand operand{.kind = OperandKind::kConstant};
  if (!text.starts_with("gpr_idx(") || !text.ends_with(')')) {
    return unknown("the operand", text);
  }
  static constexpr std::pair<std::string_view, std::uint32_t> kNames[] = {
      {"SRC0", 1}, {"SRC1", 2}, {"SRC2", 4}, {"DST", 8}};
  for (const auto& [name, bit] : kNames) {
    operand.bits |= text.find(name) != std::string_view::npos ? bit : 0;
  }
  return operand;
}

Result<Operand> read_operand(std::string_view whole_text, char letter, Encoding encoding, bool& is_signed) {
  if (letter == 'm') {
    return read_hardware_register(whole_text);
  }
  if (letter == 'n') {
    return read_indexed_operands(whole_text);
  }
  Operand operand;
  operand.is_half = letter == 'g' || letter == 'h';
  const std::string_view text = take_signs(whole_text, letter, encoding, operand, is_signed);
  if (text == "off" && is_one_of(letter, "orw")) {
    return operand;
  }
  if (const auto found = read_register(text)) {
    const bool is_vector = found->kind == OperandKind::kVector;
    if (!(is_vector ? is_vector_allowed(letter) : is_scalar_allowed(letter)) || !has_width(*found, letter)) {
      return unknown("here the operand", whole_text);
    }
    operand.kind = found->kind;
    operand.dwords = found->dwords;
    operand.index = found->index;
    return operand;
  }
  const auto constant = is_constant_allowed(letter) ? read_constant(text, letter) : std::nullopt;
  if (!constant) {
    return unknown("the operand", whole_text);
  }
  operand.kind = OperandKind::kConstant;
  operand.dwords = static_cast<std::uint8_t>(dwords_of(letter));
  operand.bits = constant->bits;
  operand.high = constant->high;
  return operand;
}

/// Words: operands end at a comma outside of brackets, and behind the last one modifiers are separated by spaces.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const char c = at < text.size() ? text[at] : ' ';
    depth += c == '[' || c == '(' ? 1 : c == ']' || c == ')' ? -1 : 0;
    if (((c == ',' || c == ' ') && depth == 0) || at == text.size()) {
      if (at > begin) {
        words.push_back(text.substr(begin, at - begin));
      }
      begin = at + 1;
    }
  }
  return words;
}

}  // namespace

std::optional<std::int64_t> read_whole_number(std::string_view text) {
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

Result<void> read_operands(std::string_view text, const Opcode& opcode, Encoding encoding, Instruction& instruction) {
  if (opcode.signature == "*") {
    return {};
  }
  const std::vector<std::string_view> words = split(text);
  const std::size_t count = opcode.signature.size();
  if (words.size() < count || count > instruction.operands.size()) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} operands are known, here are {}", count, words.size()));
  }
  Modifiers& modifiers = instruction.modifiers;
  modifiers.is_sdwa = encoding == Encoding::kSdwa;
  modifiers.lanes.is_used = encoding == Encoding::kDpp;
  modifiers.op_sel_hi = (opcode.modifiers & kMixed) != 0 ? 0 : 7;
  // With a mask beside the result, sources begin one later.
  const bool has_two_results = count > 2 && is_one_of(opcode.signature[0], "vV") && opcode.signature[1] == 'D';
  instruction.first_source = has_two_results ? 2 : 1;
  for (std::size_t i = 0; i < count; ++i) {
    SubDword& part = i == instruction.first_source ? modifiers.source0 : modifiers.source1;
    bool is_signed = false;
    SINTER_TRY(instruction.operands[i], read_operand(words[i], opcode.signature[i], encoding, is_signed));
    part.is_signed = part.is_signed || is_signed;
  }
  instruction.operand_count = static_cast<std::uint8_t>(count);
  for (std::size_t i = count; i < words.size(); ++i) {
    if (!read_modifier(words[i], opcode, encoding, modifiers)) {
      return unknown("the modifier", words[i]);
    }
  }
  const bool has_halves = (opcode.modifiers & kOpSel) != 0 && modifiers.op_sel != 0;
  instruction.is_special = modifiers.is_sdwa || modifiers.lanes.is_used || modifiers.output.is_used || has_halves;
  return {};
}

}  // namespace sinter::sim
