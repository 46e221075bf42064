// SPDX-License-Identifier: Apache-2.0
#include "runtime/explain/aiter_name.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter {

namespace {

constexpr std::string_view kMangling = "_ZN5aiter";
constexpr std::string_view kFileSuffix = ".co";

std::size_t index_of(AiterPart part) { return static_cast<std::size_t>(part); }

/// Characters that two texts have in common from their start.
std::size_t agreement(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

std::string spellings(const AiterPartInfo& info) {
  if (info.numbers == 0) {
    std::vector<std::string_view> texts;
    for (const AiterWord& word : info.words) {
      texts.push_back(word.text);
    }
    return fmt::format("{}", fmt::join(texts, ", "));
  }
  constexpr std::string_view kLetters[] = {"<N>", "<M>x<N>", "<M>x<N>x<K>", "<T>x<M>x<N>x<K>"};
  return fmt::format("{}{}{}", info.prefix, kLetters[info.numbers - 1], info.suffix);
}

/// Where a form of names failed on a text.
struct Failure {
  std::size_t position = 0;
  std::vector<std::string> expected;
  std::string problem;  ///< Instead of `expected`: what is wrong with what was read.
};

/// Reads one form of names from left to right. Parts end at an underscore or at the end.
class Reader {
 public:
  Reader(const AiterGrammar& grammar, std::string_view text) : grammar_(grammar), text_(text) {}

  bool read() {
    if (!text_.starts_with(grammar_.head)) {
      position_ = agreement(text_, grammar_.head);
      expected_.push_back(fmt::format("'{}'", grammar_.head));
      return false;
    }
    position_ = grammar_.head.size();
    name_.grammar = &grammar_;
    for (const AiterSlot& slot : grammar_.slots) {
      if (!read_slot(slot)) {
        return false;
      }
    }
    if (position_ <= text_.size()) {
      expected_.push_back("the end");
      return false;
    }
    return true;
  }

  AiterName&& name() && { return std::move(name_); }
  Failure failure() const { return {std::min(position_, text_.size()), expected_, problem_}; }

 private:
  bool read_slot(const AiterSlot& slot) {
    switch (slot.presence) {
      case AiterPresence::kOne: return take(slot.parts.front()) || fail(slot.parts.front());
      case AiterPresence::kOptional:
        if (!name_.has(slot.parts.front()) && !take(slot.parts.front())) {
          note(slot.parts.front());
        }
        return problem_.empty();
      case AiterPresence::kSome: return read_some(slot);
    }
    return false;
  }

  bool read_some(const AiterSlot& slot) {
    while (std::any_of(slot.parts.begin(), slot.parts.end(), [this](AiterPart part) { return take(part); })) {
    }
    if (!problem_.empty()) {
      return false;
    }
    for (const AiterPart part : slot.parts) {
      if (!name_.has(part)) {
        note(part);
      }
    }
    return slot.must == AiterPart::kCount || name_.has(slot.must) || only(slot.must);
  }

  void note(AiterPart part) {
    const AiterPartInfo& info = aiter_part_info(part);
    expected_.push_back(fmt::format("{} ({})", info.name, spellings(info)));
  }
  bool fail(AiterPart part) {
    if (problem_.empty()) {
      note(part);
    }
    return false;
  }
  bool only(AiterPart part) {
    expected_.clear();
    return fail(part);
  }

  // Takes the part if it stands here. Leaves a problem behind if it does but must not.
  bool take(AiterPart part) {
    if (position_ > text_.size() || !problem_.empty()) {
      return false;
    }
    const AiterPartInfo& info = aiter_part_info(part);
    std::array<std::int64_t, 4> numbers{};
    const AiterWord* word = nullptr;
    const std::size_t size = info.numbers == 0 ? match_word(info, word) : match_numbers(info, numbers);
    if (size == 0) {
      return false;
    }
    if (name_.has(part) && (info.numbers == 0 || name_.numbers[index_of(part)] != numbers)) {
      problem_ = fmt::format("{} was already given", info.name);
      return false;
    }
    if (name_.has(part) && part != AiterPart::kWorkgroups) {  // shipped names repeat that one
      problem_ = fmt::format("{} was already given", info.name);
      return false;
    }
    name_.order.push_back(part);
    name_.words[index_of(part)] = word;
    name_.numbers[index_of(part)] = numbers;
    position_ += size + 1;  // one behind the end if nothing follows
    expected_.clear();
    return true;
  }

  std::string_view rest() const { return text_.substr(position_); }
  bool ends_at(std::size_t size) const { return size == rest().size() || (size < rest().size() && rest()[size] == '_'); }

  // The longest spelling counts: "swiglu_oai" is no "swiglu".
  std::size_t match_word(const AiterPartInfo& info, const AiterWord*& found) const {
    std::size_t size = 0;
    for (const AiterWord& word : info.words) {
      if (word.text.size() > size && rest().starts_with(word.text) && ends_at(word.text.size())) {
        found = &word;
        size = word.text.size();
      }
    }
    return size;
  }

  // Decimal numbers without sign or leading zeros, so that every name has one spelling.
  std::size_t match_numbers(const AiterPartInfo& info, std::array<std::int64_t, 4>& numbers) const {
    const std::string_view text = rest();
    if (!text.starts_with(info.prefix)) {
      return 0;
    }
    std::size_t at = info.prefix.size();
    for (int i = 0; i < info.numbers; ++i) {
      if (i > 0 && (at >= text.size() || text[at++] != 'x')) {
        return 0;
      }
      std::int64_t value = 0;
      const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
      const auto digits = static_cast<std::size_t>(end - text.data()) - at;
      const bool canonical = digits == 1 || (digits > 1 && text[at] != '0');
      if (error != std::errc{} || text[at] == '-' || !canonical || value > info.max || value < (info.zero ? 0 : 1)) {
        return 0;
      }
      numbers[static_cast<std::size_t>(i)] = value;
      at += digits;
    }
    if (!text.substr(at).starts_with(info.suffix)) {
      return 0;
    }
    at += info.suffix.size();
    return ends_at(at) ? at : 0;
  }

  const AiterGrammar& grammar_;
  std::string_view text_;
  std::size_t position_ = 0;
  AiterName name_;
  std::vector<std::string> expected_;
  std::string problem_;
};

Error cannot_read(std::string_view symbol, std::size_t position, std::string_view why) {
  std::string_view found = symbol.substr(position);
  found = found.substr(0, found.find('_', 1));
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("'{}' cannot be read as a kernel name of AITER: position {}: {}, {}", symbol, position, why,
                                found.empty() ? std::string("the name ends there") : fmt::format("found '{}'", found)));
}

// Of all forms, the one that got furthest says what is wrong; where several did, what each expected.
Result<AiterName> read_plain(std::string_view symbol, std::string_view plain, std::size_t offset) {
  Failure furthest;
  for (const AiterGrammar& grammar : aiter_grammars()) {
    Reader reader(grammar, plain);
    if (reader.read()) {
      return std::move(reader).name();
    }
    Failure failure = reader.failure();
    if (failure.position > furthest.position) {
      furthest = std::move(failure);
    } else if (failure.position == furthest.position) {
      for (std::string& text : failure.expected) {
        if (std::find(furthest.expected.begin(), furthest.expected.end(), text) == furthest.expected.end()) {
          furthest.expected.push_back(std::move(text));
        }
      }
      furthest.problem = furthest.problem.empty() ? failure.problem : furthest.problem;
    }
  }
  const std::string why = !furthest.problem.empty() ? furthest.problem
                                                    : fmt::format("expected {}", fmt::join(furthest.expected, " or "));
  return cannot_read(symbol, offset + furthest.position, why);
}

Result<AiterName> read_mangled(std::string_view symbol) {
  const std::size_t start = kMangling.size();
  std::int64_t length = 0;
  const auto [end, error] = std::from_chars(symbol.data() + start, symbol.data() + symbol.size(), length);
  const auto digits = static_cast<std::size_t>(end - symbol.data()) - start;
  if (error != std::errc{} || digits == 0 || symbol[start] == '0' || symbol[start] == '-') {
    return cannot_read(symbol, start, "expected the length of the name, a decimal number");
  }
  if (!symbol.ends_with('E')) {
    return cannot_read(symbol, symbol.size(), "expected the 'E' that ends a mangled name");
  }
  const std::size_t first = start + digits;
  const std::string_view plain = symbol.substr(first, symbol.size() - 1 - first);
  const auto irregular = irregular_aiter_symbols();
  if (static_cast<std::int64_t>(plain.size()) != length &&
      std::find(irregular.begin(), irregular.end(), symbol) == irregular.end()) {
    return cannot_read(symbol, start,
                       fmt::format("the length says {}, the name up to the last 'E' has {} characters", length, plain.size()));
  }
  SINTER_TRY(AiterName name, read_plain(symbol, plain, first));
  name.mangled_length = length;
  return name;
}

std::string part_text(const AiterName& name, AiterPart part) {
  const AiterPartInfo& info = aiter_part_info(part);
  if (info.numbers == 0) {
    return std::string(name.words[index_of(part)]->text);
  }
  const auto& numbers = name.numbers[index_of(part)];
  return fmt::format("{}{}{}", info.prefix, fmt::join(numbers.begin(), numbers.begin() + info.numbers, "x"), info.suffix);
}

}  // namespace

Result<AiterName> parse_aiter_name(std::string_view symbol) {
  if (symbol.starts_with(kMangling)) {
    return read_mangled(symbol);
  }
  if (symbol.starts_with("_Z")) {
    return cannot_read(symbol, agreement(symbol, kMangling), fmt::format("expected '{}'", kMangling));
  }
  if (!symbol.ends_with(kFileSuffix)) {
    return read_plain(symbol, symbol, 0);
  }
  SINTER_TRY(AiterName name, read_plain(symbol, symbol.substr(0, symbol.size() - kFileSuffix.size()), 0));
  name.has_file_suffix = true;
  return name;
}

std::string plain_name(const AiterName& name) {
  std::vector<std::string> parts;
  for (const AiterPart part : name.order) {
    parts.push_back(part_text(name, part));
  }
  return fmt::format("{}{}", name.grammar->head, fmt::join(parts, "_"));
}

std::string to_string(const AiterName& name) {
  const std::string plain = plain_name(name);
  if (name.mangled_length) {
    return fmt::format("{}{}{}E", kMangling, *name.mangled_length, plain);
  }
  return name.has_file_suffix ? plain + std::string(kFileSuffix) : plain;
}

bool AiterName::has(AiterPart part) const { return std::find(order.begin(), order.end(), part) != order.end(); }

std::string_view AiterName::value(AiterPart part) const {
  const AiterWord* word = words[index_of(part)];
  return word != nullptr ? word->value : std::string_view();
}

std::optional<std::int64_t> AiterName::number(AiterPart part) const {
  return has(part) ? std::optional(numbers[index_of(part)][0]) : std::nullopt;
}

std::string_view AiterName::out() const {
  for (const AiterPart part : {AiterPart::kOut, AiterPart::kStageOut, AiterPart::kTypeC, AiterPart::kPlain}) {
    if (has(part)) {
      return value(part);
    }
  }
  return {};
}

std::string AiterName::quant() const {
  for (const AiterPart part : {AiterPart::kQuant, AiterPart::kLegacyQuant, AiterPart::kQuantType}) {
    if (has(part)) {
      return std::string(value(part));
    }
  }
  return has(AiterPart::kActivations)
             ? fmt::format("a={} w={}", value(AiterPart::kActivations), value(AiterPart::kWeights))
             : std::string();
}

std::optional<bool> AiterName::vskip() const {
  return has(AiterPart::kSkip) ? std::optional(value(AiterPart::kSkip) == "true") : std::nullopt;
}

std::optional<std::int64_t> AiterName::workgroups_per_cu() const {
  const bool is_one = grammar->head.starts_with("fmoe_stage");
  return has(AiterPart::kWorkgroups) || !is_one ? number(AiterPart::kWorkgroups) : std::optional<std::int64_t>(1);
}

bool AiterName::persistent() const {
  return has(AiterPart::kPersistent) || has(AiterPart::kPersistentLoop) || value(AiterPart::kRouting) == "emsort";
}

std::optional<std::int64_t> AiterName::tile_m() const {
  if (has(AiterPart::kBlockTile)) {
    return numbers[index_of(AiterPart::kBlockTile)][1];
  }
  return has(AiterPart::kTile) ? number(AiterPart::kTile) : number(AiterPart::kTileK);
}

std::optional<std::int64_t> AiterName::tile_n() const {
  if (has(AiterPart::kBlockTile)) {
    return numbers[index_of(AiterPart::kBlockTile)][2];
  }
  for (const AiterPart part : {AiterPart::kTile, AiterPart::kTileK}) {
    if (has(part)) {
      return numbers[index_of(part)][1];
    }
  }
  return number(AiterPart::kTileN);
}

std::optional<std::int64_t> AiterName::prefetch() const { return number(AiterPart::kPrefetch); }

std::optional<std::int64_t> AiterName::stage() const {
  return grammar->stage != 0 ? std::optional<std::int64_t>(grammar->stage) : std::nullopt;
}

}  // namespace sinter
