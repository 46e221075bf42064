// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/lds.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/wave_checks.h"

namespace sinter::sim {

namespace {

constexpr std::uint32_t kWordBytes = 4;
constexpr std::uint32_t kLost = 0xdeadbeef;
constexpr std::uint32_t kPoison = 0x7fc07fc0;  // NaN, as float and as bf16

void fill_words(std::vector<std::byte>& bytes, std::uint32_t word) {
  for (std::size_t at = 0; at < bytes.size(); at += kWordBytes) {
    std::memcpy(bytes.data() + at, &word, kWordBytes);
  }
}

std::uint32_t word_of(std::uint32_t address) { return address / kWordBytes * kWordBytes; }

}  // namespace

void Lds::reset(std::size_t bytes) {
  bytes_ = bytes;
  values_.resize((bytes + kWordBytes - 1) / kWordBytes * kWordBytes);
  fill_words(values_, kPoison);
  if (watch_.is_on()) {
    watched_.resize(values_.size());
  }
  first_epoch_ = ++epoch_;
}

void Lds::lose() { fill_words(values_, kLost); }

std::byte* Lds::outside(Wave& wave, std::uint32_t address, unsigned bytes) const {
  wave.stop(FaultKind::kIllegalAddress,
            fmt::format("LDS access of {} bytes at {}: the work-group has {} bytes", bytes, address, bytes_));
  return nullptr;
}

bool Lds::note_read(Wave& wave, Byte& byte, std::uint32_t address) {
  const bool is_written = byte.write_epoch >= first_epoch_;
  if (watch_.unwritten && !is_written) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("LDS word {} is read and was never written", word_of(address)));
    return false;
  }
  if (watch_.races && byte.write_epoch == epoch_ && byte.writer != wave.index) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("LDS race: word {} was written by wave {} since the last barrier",
                                                   word_of(address), byte.writer));
    return false;
  }
  // LDS serves a wave in order, but not its loads from memory, and not other waves.
  if (!waves_.empty() && is_written && byte.ticket != 0 && (byte.writer != wave.index || byte.is_from_memory) &&
      !waves_[byte.writer]->is_done(byte.ticket)) {
    wave.stop(FaultKind::kIllegalCode,
              fmt::format("LDS word {} is read before wave {} waited for its write", word_of(address), byte.writer));
    return false;
  }
  byte.readers = static_cast<std::uint16_t>((byte.read_epoch == epoch_ ? byte.readers : 0U) | 1U << wave.index);
  byte.read_epoch = epoch_;
  return true;
}

bool Lds::note_write(Wave& wave, Byte& byte, std::uint32_t address) {
  const bool is_written = byte.write_epoch == epoch_ && byte.writer != wave.index;
  const bool is_read = byte.read_epoch == epoch_ && (byte.readers & ~(1U << wave.index)) != 0;
  if (watch_.races && (is_written || is_read)) {
    wave.stop(FaultKind::kIllegalCode, fmt::format("LDS race: word {} was {} by another wave since the last barrier",
                                                   word_of(address), is_written ? "written" : "read"));
    return false;
  }
  byte.write_epoch = epoch_;
  byte.writer = static_cast<std::uint8_t>(wave.index);
  byte.ticket = wave.checks != nullptr ? wave.checks->ticket() : 0;
  byte.is_from_memory = wave.lds_writes_are_loads;
  byte.is_atomic = false;
  return true;
}

std::byte* Lds::watched(Wave& wave, std::uint32_t address, unsigned bytes, Access access) {
  for (std::uint32_t at = address; at < address + bytes; ++at) {
    Byte& byte = watched_[at];
    const bool follows_atomic = access == Access::kAtomic && byte.is_atomic && byte.write_epoch == epoch_;
    const bool reads = access != Access::kWrite, writes = access != Access::kRead;
    if (!follows_atomic && ((reads && !note_read(wave, byte, at)) || (writes && !note_write(wave, byte, at)))) {
      return nullptr;
    }
    byte.is_atomic = byte.is_atomic || access == Access::kAtomic;
  }
  return values_.data() + address;
}

}  // namespace sinter::sim
