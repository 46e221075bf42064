// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/modifier_text.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sinter::sim {

namespace {

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

std::optional<SubDword> read_sub_dword(std::string_view text) {
  if (text == "DWORD") {
    return SubDword{};
  }
  const bool is_byte = text.starts_with("BYTE_"), is_word = text.starts_with("WORD_");
  if ((!is_byte && !is_word) || text.size() != 6 || text[5] < '0' || text[5] > (is_byte ? '3' : '1')) {
    return std::nullopt;
  }
  const int width = is_byte ? 8 : 16;
  return SubDword{static_cast<std::uint8_t>((text[5] - '0') * width), is_byte ? 0xffU : 0xffffU, false};
}

bool read_part(std::string_view value, SubDword& part) {
  const auto read = read_sub_dword(value);
  if (read) {
    part.shift = read->shift;
    part.mask = read->mask;
  }
  return read.has_value();
}

bool read_sdwa(std::string_view name, std::string_view value, Modifiers& modifiers) {
  if (name == "dst_unused") {
    static constexpr std::pair<std::string_view, SubDwordRest> kRests[] = {
        {"UNUSED_PAD", SubDwordRest::kZero}, {"UNUSED_SEXT", SubDwordRest::kSignExtend},
        {"UNUSED_PRESERVE", SubDwordRest::kPreserve}};
    const auto found = std::ranges::find(kRests, value, &std::pair<std::string_view, SubDwordRest>::first);
    modifiers.rest = found != std::end(kRests) ? found->second : modifiers.rest;
    return found != std::end(kRests);
  }
  SubDword* const part = name == "dst_sel"    ? &modifiers.destination
                         : name == "src0_sel" ? &modifiers.source0
                         : name == "src1_sel" ? &modifiers.source1
                                              : nullptr;
  return part != nullptr && read_part(value, *part);
}

/// The four numbers of a quad permutation, "[0,3,2,1]".
bool read_quad(std::string_view value, LaneSelection& lanes) {
  if (value.size() != 9) {
    return false;
  }
  unsigned amount = 0;
  for (unsigned lane = 0; lane < 4; ++lane) {
    amount |= static_cast<unsigned>(value[1 + 2 * lane] - '0') << (2 * lane);
  }
  lanes.read = LaneRead::kQuadPermute;
  lanes.amount = static_cast<std::uint8_t>(amount);
  return amount < 256;
}

bool read_dpp(std::string_view name, std::string_view value, LaneSelection& lanes) {
  struct Form {
    std::string_view name;
    LaneRead read;
    std::int64_t least, most;
  };
  static constexpr Form kForms[] = {
      {"row_shl", LaneRead::kRowShiftLeft, 1, 15},     {"row_shr", LaneRead::kRowShiftRight, 1, 15},
      {"row_ror", LaneRead::kRowRotateRight, 1, 15},   {"row_newbcast", LaneRead::kRowLane, 0, 15},
      {"wave_shl", LaneRead::kWaveShiftLeft, 1, 1},    {"wave_rol", LaneRead::kWaveRotateLeft, 1, 1},
      {"wave_shr", LaneRead::kWaveShiftRight, 1, 1},   {"wave_ror", LaneRead::kWaveRotateRight, 1, 1},
      {"row_bcast", LaneRead::kRowBroadcast15, 15, 15}, {"row_bcast", LaneRead::kRowBroadcast31, 31, 31}};
  if (name == "quad_perm") {
    return read_quad(value, lanes);
  }
  if (name == "row_mirror" || name == "row_half_mirror") {
    lanes.read = name == "row_mirror" ? LaneRead::kRowMirror : LaneRead::kRowHalfMirror;
    return true;
  }
  const auto number = read_whole_number(value);
  if (!number) {
    return false;
  }
  if (name == "row_mask" || name == "bank_mask") {
    (name == "row_mask" ? lanes.row_mask : lanes.bank_mask) = static_cast<std::uint8_t>(*number & 15);
    return *number >= 0 && *number <= 15;
  }
  if (name == "bound_ctrl") {
    lanes.zero_from_nowhere = true;  // written where it is on, once as 0, now as 1
    return true;
  }
  for (const Form& form : kForms) {
    if (name == form.name && *number >= form.least && *number <= form.most) {
      lanes.read = form.read;
      lanes.amount = static_cast<std::uint8_t>(*number);
      return true;
    }
  }
  return false;
}

bool read_packed(std::string_view name, std::string_view value, Modifiers& modifiers) {
  std::uint8_t* const bits = name == "op_sel"      ? &modifiers.op_sel
                             : name == "op_sel_hi" ? &modifiers.op_sel_hi
                             : name == "neg_lo"    ? &modifiers.neg_lo
                             : name == "neg_hi"    ? &modifiers.neg_hi
                                                   : nullptr;
  const auto list = bit_list(value);
  if (bits == nullptr || !list) {
    return false;
  }
  *bits = *list;
  return true;
}

bool read_offset(std::string_view name, std::string_view value, std::uint32_t allowed, Modifiers& modifiers) {
  const auto number = read_whole_number(value);
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

bool read_matrix(std::string_view name, std::string_view value, Modifiers& modifiers) {
  if (name == "neg") {  // of a product of doubles: its signs are in the field of blgp
    const auto list = bit_list(value);
    modifiers.neg_lo = list.value_or(0);
    return list.has_value();
  }
  std::uint8_t* const field = name == "cbsz"   ? &modifiers.cbsz
                              : name == "abid" ? &modifiers.abid
                              : name == "blgp" ? &modifiers.blgp
                                               : nullptr;
  const auto number = read_whole_number(value);
  if (field == nullptr || !number || *number < 0 || *number > 15) {
    return false;
  }
  *field = static_cast<std::uint8_t>(*number);
  return true;
}

bool read_output(std::string_view text, OutputChange& output) {
  static constexpr std::pair<std::string_view, std::int8_t> kScales[] = {{"mul:2", 1}, {"mul:4", 2}, {"div:2", -1}};
  const auto scale = std::ranges::find(kScales, text, &std::pair<std::string_view, std::int8_t>::first);
  if (text == "clamp") {
    output.clamps = true;
  } else if (scale != std::end(kScales)) {
    output.scale_log2 = scale->second;
  } else {
    return false;
  }
  output.is_used = true;
  return true;
}

bool read_buffer(std::string_view text, BufferForm& form) {
  bool* const flag = text == "offen"   ? &form.has_offset
                     : text == "idxen" ? &form.has_index
                     : text == "lds"   ? &form.to_lds
                                       : nullptr;
  if (flag != nullptr) {
    *flag = true;
  }
  return flag != nullptr;
}

}  // namespace

bool read_modifier(std::string_view text, const Opcode& opcode, Encoding encoding, Modifiers& modifiers) {
  const std::uint32_t allowed = opcode.modifiers;
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if ((allowed & kFloatOutput) != 0 && read_output(text, modifiers.output)) {
    return true;
  }
  if (text == "clamp" && opcode.name.ends_with(" clamp")) {
    return true;
  }
  if (encoding == Encoding::kSdwa) {
    return read_sdwa(name, value, modifiers);
  }
  if (encoding == Encoding::kDpp) {
    return read_dpp(name, value, modifiers.lanes);
  }
  if ((allowed & (kCachePolicy | kAtomic)) != 0 &&
      (text == "glc" || text == "slc" || text == "sc0" || text == "sc1" || text == "nt")) {
    modifiers.returns_old = modifiers.returns_old || text == "glc" || text == "sc0";
    return true;
  }
  if ((allowed & kBuffer) != 0 && read_buffer(text, modifiers.buffer)) {
    return true;
  }
  if ((allowed & kMatrix) != 0 && read_matrix(name, value, modifiers)) {
    return true;
  }
  if (name == "bitop3" && (allowed & kTruthTable) != 0) {
    const auto number = read_whole_number(value);
    modifiers.truth_table = static_cast<std::uint8_t>(number.value_or(0));
    return number && *number >= 0 && *number < 256;
  }
  if ((allowed & (kPacked | kMixed)) != 0 || (name == "op_sel" && (allowed & kOpSel) != 0)) {
    return read_packed(name, value, modifiers);
  }
  return read_offset(name, value, allowed, modifiers);
}

}  // namespace sinter::sim
