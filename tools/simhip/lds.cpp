// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/lds.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/simhip/wave_checks.h"

namespace sinter::sim {

namespace {
constexpr std::uint32_t kWordBytes = 4;
constexpr std::uint32_t kLost = 0xdeadbeef;
constexpr std::uint32_t kPoison = 0x7fc07fc0;  // NaN, as float and as bf16
}  // namespace

void Lds::reset(std::size_t bytes) {
  bytes_ = bytes;
  words_.resize(std::max(words_.size(), (bytes + kWordBytes - 1) / kWordBytes));
  first_epoch_ = ++epoch_;
}

void Lds::lose() {
  for (Word& word : words_) {
    word.value = kLost;
  }
}

bool Lds::check_range(Wave& wave, std::uint32_t address, unsigned bytes) {
  if (address % std::min(bytes, kWordBytes) != 0) {
    wave.stop(FaultKind::kIllegalCode,
              fmt::format("LDS access of {} bytes at {}, which is not aligned", bytes, address));
    return false;
  }
  if (address > bytes_ || bytes > bytes_ - address) {
    wave.stop(FaultKind::kIllegalAddress,
              fmt::format("LDS access of {} bytes at {}: the work-group has {} bytes", bytes, address, bytes_));
    return false;
  }
  return true;
}

bool Lds::note_read(Wave& wave, Word& word, std::uint32_t address) {
  if (word.write_epoch < first_epoch_) {
    word.value = kPoison;
  }
  if (word.write_epoch < first_epoch_ && unwritten_ == Unwritten::kIsFault) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("LDS word {} is read and was never written", address));
    return false;
  }
  if (word.write_epoch == epoch_ && word.writer != wave.index) {
    wave.stop(FaultKind::kIllegalCode,
              fmt::format("LDS race: word {} was written by wave {} since the last barrier", address, word.writer));
    return false;
  }
  // LDS serves a wave in order, but not its loads from memory, and not other waves.
  if (!waves_.empty() && word.write_epoch >= first_epoch_ && word.ticket != 0 &&
      (word.writer != wave.index || word.is_from_memory) &&
      !waves_[word.writer]->is_done(word.ticket)) {
    wave.stop(FaultKind::kIllegalCode,
              fmt::format("LDS word {} is read before wave {} waited for its write", address, word.writer));
    return false;
  }
  word.readers = (word.read_epoch == epoch_ ? word.readers : 0) | 1U << wave.index;
  word.read_epoch = epoch_;
  return true;
}

bool Lds::note_write(Wave& wave, Word& word, std::uint32_t address) {
  const bool is_written = word.write_epoch == epoch_ && word.writer != wave.index;
  const bool is_read = word.read_epoch == epoch_ && (word.readers & ~(1U << wave.index)) != 0;
  if (is_written || is_read) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("LDS race: word {} was {} by another wave since the last barrier",
                                                   address, is_written ? "written" : "read"));
    return false;
  }
  word.write_epoch = epoch_;
  word.writer = wave.index;
  word.ticket = wave.checks != nullptr ? wave.checks->ticket() : 0;
  word.is_from_memory = wave.lds_writes_are_loads;
  return true;
}

bool Lds::read(Wave& wave, std::uint32_t address, unsigned dwords, std::uint32_t* to) {
  if (!check_range(wave, address, dwords * kWordBytes)) {
    return false;
  }
  for (unsigned i = 0; i < dwords; ++i) {
    Word& word = words_[address / kWordBytes + i];
    if (!note_read(wave, word, address + i * kWordBytes)) {
      return false;
    }
    to[i] = word.value;
  }
  return true;
}

bool Lds::write(Wave& wave, std::uint32_t address, unsigned dwords, const std::uint32_t* from) {
  if (!check_range(wave, address, dwords * kWordBytes)) {
    return false;
  }
  for (unsigned i = 0; i < dwords; ++i) {
    Word& word = words_[address / kWordBytes + i];
    if (!note_write(wave, word, address + i * kWordBytes)) {
      return false;
    }
    word.value = from[i];
  }
  return true;
}

bool Lds::read_half(Wave& wave, std::uint32_t address, std::uint32_t& to) {
  if (!check_range(wave, address, 2)) {
    return false;
  }
  Word& word = words_[address / kWordBytes];
  const bool is_fine = note_read(wave, word, address);
  to = word.value >> (8 * (address % kWordBytes)) & 0xffff;
  return is_fine;
}

}  // namespace sinter::sim
