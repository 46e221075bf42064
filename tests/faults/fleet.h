// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fleet of processes on one cache directory: writers, compilers, readers and an inspector. Each works for ever and
// tells the one that started it, through shared memory, what it does now and what it saw.

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <string>

#include "tests/faults/compiler_directory.h"

namespace sinter::faults {

enum class Role : std::uint8_t { kWriter, kCompiler, kReader, kInspector };

inline constexpr std::array kRoles = {Role::kWriter,   Role::kCompiler, Role::kReader,   Role::kWriter,  Role::kCompiler,
                                      Role::kReader,   Role::kCompiler, Role::kWriter,   Role::kInspector};
inline constexpr std::size_t kMembers = kRoles.size();

/// Counted over all that ever ran in one place of the fleet.
struct MemberState {
  std::atomic<pid_t> pid{0};
  /// When the operation under way began, in milliseconds of the steady clock; 0 between operations.
  std::atomic<std::int64_t> began_ms{0};
  std::atomic<bool> compiling{false};  ///< In a request that may wait for a compile.
  std::atomic<bool> waiting{false};    ///< Has a cache open that works.
  std::atomic<std::int64_t> operations{0}, hits{0}, misses{0}, stores{0}, compiles{0}, failures{0}, faults{0}, bad{0};
};

/// In memory that all share.
struct FleetState {
  std::array<MemberState, kMembers> members;
  /// Raised now and then, so that requests never run out of kernels that nobody has compiled.
  std::atomic<std::int64_t> generation{0};
  std::atomic<std::int64_t> wrong{0};  ///< Loads that gave other bytes than their key's.
  std::atomic<bool> has_note{false};
  std::array<char, 500> note{};  ///< The first thing that went wrong, in words.

  void complain(const std::string& text);
};

struct FleetPaths {
  std::string cache;
  std::string compilers;
  std::string run;  ///< SINTER_RUN_DIR.
  bool files_vanish = false;  ///< Somebody deletes files one by one: a database may be damaged by that.
};

std::int64_t steady_ms();

/// The life of one member; never returns by itself.
[[noreturn]] void run_member(std::size_t place, std::uint32_t seed, const FleetPaths& paths, FleetState& state);

}  // namespace sinter::faults
