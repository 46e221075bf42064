// SPDX-License-Identifier: Apache-2.0
#pragma once

// The local memory of one work-group. It knows of every word who touched it since the last barrier, and finds what a
// device hides: accesses outside, races between waves, and if asked, words that are read and were never written. (A
// tile's padding may be such words, if nothing that is kept comes from it.)

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tools/simhip/wave.h"

namespace sinter::sim {

/// Used by one thread at a time; reused from work-group to work-group.
class Lds {
 public:
  enum class Unwritten : std::uint8_t { kIsPoison, kIsFault };

  explicit Lds(Unwritten unwritten) : unwritten_(unwritten) {}

  /// A new work-group.
  void reset(std::size_t bytes);
  /// Who may have writes in flight; empty without checks.
  void watch(std::vector<const WaveChecks*> waves) { waves_ = std::move(waves); }
  /// What a wave that saved nothing finds when it is put back.
  void lose();
  /// All waves of the work-group met.
  void pass_barrier() { ++epoch_; }

  /// Copies `dwords` words. False: the wave was stopped with the reason.
  bool read(Wave& wave, std::uint32_t address, unsigned dwords, std::uint32_t* to);
  bool write(Wave& wave, std::uint32_t address, unsigned dwords, const std::uint32_t* from);
  /// The 16 bits at an even address.
  bool read_half(Wave& wave, std::uint32_t address, std::uint32_t& to);

 private:
  /// Epochs count barriers over all work-groups, so that nothing has to be cleared between them.
  struct Word {
    std::uint64_t write_epoch = 0, read_epoch = 0;
    std::uint32_t writer = 0;
    std::uint32_t readers = 0;  ///< A bit per wave, in read_epoch.
    std::uint32_t value = 0;
    bool is_from_memory = false;
    std::uint32_t ticket = 0;  ///< The writer's operation.
  };

  bool check_range(Wave& wave, std::uint32_t address, unsigned bytes);
  bool note_read(Wave& wave, Word& word, std::uint32_t address);
  bool note_write(Wave& wave, Word& word, std::uint32_t address);

  const Unwritten unwritten_;
  std::vector<Word> words_;
  std::vector<const WaveChecks*> waves_;  // by their numbers
  std::size_t bytes_ = 0;
  std::uint64_t epoch_ = 0, first_epoch_ = 0;
};

}  // namespace sinter::sim
