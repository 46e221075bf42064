// SPDX-License-Identifier: Apache-2.0
#pragma once

// The local memory of one work-group. Watched, it knows of every byte who touched it since the last barrier, and finds
// what a device hides: races between waves, bytes that are read and were never written (a tile's padding may be such
// bytes, if nothing that is kept comes from it), and writes that were not waited for. Accesses outside are always
// found.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tools/simhip/memory_map.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

/// What is watched for.
struct LdsWatch {
  bool races = false, unwritten = false, waits = false;

  bool is_on() const { return races || unwritten || waits; }
};

/// Used by one thread at a time; reused from work-group to work-group.
class Lds {
 public:
  explicit Lds(LdsWatch watch) : watch_(watch) {}
  /// Who may have writes in flight, by their numbers.
  void watch_waits_of(std::vector<const WaveChecks*> waves) { waves_ = std::move(waves); }

  /// A new work-group.
  void reset(std::size_t bytes);
  /// What a wave that saved nothing finds when it is put back.
  void lose();
  /// All waves of the work-group met.
  void pass_barrier() { ++epoch_; }

  /// The bytes at an address, which the wave reads or writes now. Atomic operations do not race with each other. Null:
  /// the wave was stopped with the reason.
  std::byte* access(Wave& wave, std::uint32_t address, unsigned bytes, Access access) {
    const bool is_inside = address <= bytes_ && bytes <= bytes_ - address;
    if (is_inside && !watch_.is_on()) {
      return values_.data() + address;
    }
    return is_inside ? watched(wave, address, bytes, access) : outside(wave, address, bytes);
  }

 private:
  /// Epochs count barriers over all work-groups, so that nothing has to be cleared between them.
  struct Byte {
    std::uint32_t write_epoch = 0, read_epoch = 0;
    std::uint32_t ticket = 0;  ///< The writer's operation.
    std::uint16_t readers = 0;  ///< A bit per wave, in read_epoch.
    std::uint8_t writer = 0;
    bool is_from_memory = false;
    bool is_atomic = false;
  };

  std::byte* watched(Wave& wave, std::uint32_t address, unsigned bytes, Access access);
  std::byte* outside(Wave& wave, std::uint32_t address, unsigned bytes) const;
  bool note_read(Wave& wave, Byte& byte, std::uint32_t address);
  bool note_write(Wave& wave, Byte& byte, std::uint32_t address);

  const LdsWatch watch_;
  std::vector<std::byte> values_;
  std::vector<Byte> watched_;
  std::vector<const WaveChecks*> waves_;
  std::size_t bytes_ = 0;
  std::uint32_t epoch_ = 0, first_epoch_ = 0;
};

}  // namespace sinter::sim
