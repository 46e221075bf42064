// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/ptx_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace sinter {
namespace {

/// Above any size, alignment or thread count in PTX; products of three fit in 64 bits.
constexpr std::int64_t kMaxNumber = 1 << 20;

/// Splits PTX into words and the punctuation that ends them; comments and white space vanish.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  /// The next token; empty at the end.
  std::string_view next() {
    if (!unread_.empty()) {
      return std::exchange(unread_, {});
    }
    skip_space();
    const std::size_t start = at_;
    if (at_ < text_.size() && is_punctuation(text_[at_])) {
      ++at_;
    } else {
      while (at_ < text_.size() && !is_space(text_[at_]) && !is_punctuation(text_[at_]) && !at_comment()) {
        ++at_;
      }
    }
    return text_.substr(start, at_ - start);
  }

  /// Makes `token` the next one again.
  void unread(std::string_view token) { unread_ = token; }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0'; }
  static bool is_punctuation(char c) { return std::string_view("()[]{},;").find(c) != std::string_view::npos; }
  bool at_comment() const { return text_.substr(at_, 2) == "//" || text_.substr(at_, 2) == "/*"; }

  void skip_space() {
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) {
        ++at_;
      }
      if (!at_comment()) {
        return;
      }
      const std::string_view end = text_[at_ + 1] == '/' ? "\n" : "*/";
      const std::size_t found = text_.find(end, at_ + 2);
      at_ = found == std::string_view::npos ? text_.size() : found + end.size();
    }
  }

  std::string_view text_;
  std::string_view unread_;
  std::size_t at_ = 0;
};

std::optional<std::int64_t> parse_number(std::string_view token) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size() || value < 0 || value > kMaxNumber) {
    return std::nullopt;
  }
  return value;
}

/// Bytes of a fundamental type: 4 for ".f32"; nothing for other words.
std::optional<std::int64_t> type_bytes(std::string_view token) {
  if (token.size() < 3 || token[0] != '.' || std::string_view("busf").find(token[1]) == std::string_view::npos) {
    return std::nullopt;
  }
  const auto bits = parse_number(token.substr(2));
  return bits && *bits % 8 == 0 ? std::optional(*bits / 8) : std::nullopt;
}

/// Lays out variables one after another, as ptxas does with the parameters.
class Layout {
 public:
  void add(std::int64_t bytes, std::int64_t alignment) {
    alignment = std::max<std::int64_t>(alignment, 1);
    bytes_ = (bytes_ + alignment - 1) / alignment * alignment + bytes;
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::int64_t bytes_ = 0;
};

class Reader {
 public:
  Reader(std::string_view text, std::string_view entry) : tokens_(text), entry_(entry) {}

  Result<CodeFacts> run() {
    for (std::string_view token = tokens_.next(); !token.empty(); token = tokens_.next()) {
      read(token);
    }
    if (target_.empty()) {
      return make_error(ErrorCode::kInvalidRequest, "not PTX: it has no .target");
    }
    if (!found_) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("the PTX has no kernel '{}'", entry_));
    }
    CodeFacts facts;
    facts.target = target_;
    facts.entry = entry_;
    facts.static_shared_bytes = shared_.bytes();
    facts.args_bytes = arguments_.bytes();
    facts.max_threads_per_block = max_threads_;
    facts.wave_size = 32;
    facts.matrix_instructions = std::move(matrix_);
    return facts;
  }

 private:
  void read(std::string_view token) {
    if (token == ".target") {
      read_target();
    } else if (token == ".entry" || token == ".func") {
      in_entry_ = token == ".entry" && tokens_.next() == entry_;
      in_function_ = true;
      found_ = found_ || in_entry_;
    } else if (token == "{") {
      ++depth_;
    } else if (token == "}") {
      depth_ = std::max(depth_ - 1, 0);
      leave_function();
    } else if (token == ".extern") {
      is_extern_ = true;
    } else if (token == ";") {
      is_extern_ = false;
      leave_function();
    } else if (token == ".maxntid" && in_entry_) {
      read_max_threads();
    } else if (token == ".param" && in_entry_ && depth_ == 0) {
      read_variable(arguments_);
    } else if (token == ".shared" && !is_extern_ && (in_entry_ || !in_function_)) {
      read_variable(shared_);
    } else if (in_entry_ && depth_ > 0) {
      read_instruction(token);
    }
  }

  /// At the end of a body, and of a declaration without one.
  void leave_function() {
    in_function_ = in_function_ && depth_ > 0;
    in_entry_ = in_entry_ && in_function_;
  }

  void read_target() {
    constexpr std::string_view kPrefix = "sm_";
    const std::string_view name = tokens_.next();
    if (target_.empty() && name.substr(0, kPrefix.size()) == kPrefix) {
      target_ = "compute_" + std::string(name.substr(kPrefix.size()));
    }
  }

  /// ".maxntid 256" or ".maxntid 16, 16, 1"; the number of threads is the product.
  void read_max_threads() {
    std::int64_t product = 1;
    std::string_view token;
    int dimension = 0;
    do {
      product *= parse_number(tokens_.next()).value_or(0);
      token = tokens_.next();
    } while (token == "," && ++dimension < 3);
    max_threads_ = product > 0 ? product : kUnknown;
    tokens_.unread(token);
  }

  /// ".align 16 .b8 name[64]" behind .param or .shared, up to what ends it.
  void read_variable(Layout& layout) {
    std::int64_t alignment = 1;
    std::int64_t bytes = 0;
    std::string_view token = tokens_.next();
    const auto is_end = [](std::string_view t) { return t.empty() || std::string_view(",;){}").find(t[0]) != t.npos; };
    for (; !is_end(token); token = tokens_.next()) {
      if (token == ".align") {
        alignment = parse_number(tokens_.next()).value_or(1);
      } else if (token == "[") {
        bytes = std::min(bytes * parse_number(tokens_.next()).value_or(0), kMaxNumber);
      } else if (const auto size = type_bytes(token)) {
        bytes = *size;
        alignment = std::max(alignment, *size);
      }
    }
    layout.add(bytes, alignment);
    tokens_.unread(token);
  }

  void read_instruction(std::string_view token) {
    constexpr std::string_view kMatrix[] = {"mma.", "wmma.mma.", "wgmma.mma_async.", "tcgen05.mma."};
    const bool is_matrix = std::any_of(std::begin(kMatrix), std::end(kMatrix), [&](std::string_view prefix) {
      return token.substr(0, prefix.size()) == prefix;
    });
    const auto place = std::lower_bound(matrix_.begin(), matrix_.end(), token);
    if (is_matrix && (place == matrix_.end() || *place != token)) {
      matrix_.emplace(place, token);
    }
  }

  Tokens tokens_;
  std::string_view entry_;
  std::string target_;
  Layout arguments_, shared_;
  std::int64_t max_threads_ = kUnknown;
  std::vector<std::string> matrix_;  // sorted
  bool found_ = false;
  bool in_entry_ = false;     // between the entry's name and the end of its body
  bool in_function_ = false;  // the same for any function
  bool is_extern_ = false;    // the declaration that is being read
  int depth_ = 0;
};

}  // namespace

Result<CodeFacts> read_ptx_facts(std::span<const std::byte> code, std::string_view entry) {
  return Reader(as_text(code), entry).run();
}

}  // namespace sinter
