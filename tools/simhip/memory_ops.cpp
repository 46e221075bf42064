// SPDX-License-Identifier: Apache-2.0

// Vector loads and stores in global memory. An address is a pair of vector registers, or a pair of scalar registers
// and a 32-bit offset per lane; every lane's access is checked against the device's allocations.

#include <array>
#include <atomic>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using Dwords = std::array<std::uint32_t, 4>;

/// The address in one lane; operand `vector` is per lane, operand 2 is the scalar base or off.
std::uint64_t address_of(const Wave& wave, const Instruction& i, unsigned vector, unsigned lane) {
  const Operand& base = i.operands[2];
  const auto offset = static_cast<std::uint64_t>(std::int64_t{i.modifiers.offset});
  return base.kind == OperandKind::kNone
             ? wave.source64(i.operands[vector], lane) + offset
             : wave.scalar64(base) + wave.vectors[i.operands[vector].index][lane] + offset;
}

/// Whether the per-lane operand is as wide as the form of the address needs.
bool has_valid_address(Wave& wave, const Instruction& i, unsigned vector) {
  const unsigned dwords = i.operands[2].kind == OperandKind::kNone ? 2 : 1;
  if (i.operands[vector].dwords != dwords) {
    wave.stop(FaultKind::kIllegalCode, "this form of address is not known to the simulator");
    return false;
  }
  return true;
}

bool check(Wave& wave, std::uint64_t address, unsigned bytes, Access access, unsigned lane) {
  if (wave.memory.allows(address, bytes, access)) {
    return true;
  }
  wave.stop(FaultKind::kIllegalAddress,
            fmt::format("{} of {} bytes at {:#x} by lane {}: {}", access == Access::kRead ? "read" : "write", bytes,
                        address, lane, wave.memory.describe(address, bytes)));
  return false;
}

/// `kBytes` below 4 are one register, extended by `kIsSigned`.
template <unsigned kBytes, bool kIsSigned = false>
void load(Wave& wave, const Instruction& i) {
  constexpr unsigned kDwords = (kBytes + 3) / 4;
  std::array<Lane, kDwords> loaded{};
  bool is_fine = has_valid_address(wave, i, 1);
  for_active_lanes(wave, [&](unsigned lane) {
    const std::uint64_t address = address_of(wave, i, 1, lane);
    is_fine = is_fine && check(wave, address, kBytes, Access::kRead, lane);
    if (!is_fine) {
      return;
    }
    Dwords dwords{};
    std::memcpy(dwords.data(), reinterpret_cast<const void*>(address), kBytes);
    if constexpr (kIsSigned) {
      constexpr unsigned kShift = 32 - 8 * kBytes;
      dwords[0] = static_cast<std::uint32_t>(static_cast<std::int32_t>(dwords[0] << kShift) >> kShift);
    }
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      loaded[dword][lane] = dwords[dword];
    }
  });
  for (unsigned dword = 0; dword < kDwords; ++dword) {
    wave.write(i.operands[0], loaded[dword], dword);
  }
}

template <unsigned kBytes>
void store(Wave& wave, const Instruction& i) {
  constexpr unsigned kDwords = (kBytes + 3) / 4;
  bool is_fine = has_valid_address(wave, i, 0);
  for_active_lanes(wave, [&](unsigned lane) {
    const std::uint64_t address = address_of(wave, i, 0, lane);
    is_fine = is_fine && check(wave, address, kBytes, Access::kWrite, lane);
    if (!is_fine) {
      return;
    }
    Dwords dwords{};
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      dwords[dword] = wave.vectors[i.operands[1].index + dword][lane];
    }
    std::memcpy(reinterpret_cast<void*>(address), dwords.data(), kBytes);
  });
}

/// Changes memory lane after lane, without giving back what was there.
template <class T, auto kOperation>
void atomic(Wave& wave, const Instruction& i) {
  bool is_fine = has_valid_address(wave, i, 0);
  for_active_lanes(wave, [&](unsigned lane) {
    const std::uint64_t address = address_of(wave, i, 0, lane);
    is_fine = is_fine && check(wave, address, sizeof(T), Access::kWrite, lane);
    if (is_fine && address % sizeof(T) != 0) {
      wave.stop(FaultKind::kIllegalAddress, fmt::format("atomic at {:#x}, which is not aligned", address));
      is_fine = false;
    }
    if (!is_fine) {
      return;
    }
    T operand{};
    std::array<std::uint32_t, sizeof(T) / 4> dwords{};
    for (unsigned dword = 0; dword < dwords.size(); ++dword) {
      dwords[dword] = wave.vectors[i.operands[1].index + dword][lane];
    }
    std::memcpy(&operand, dwords.data(), sizeof operand);
    // Work-groups run on several threads of the host.
    std::atomic_ref<T> cell(*reinterpret_cast<T*>(address));
    T before = cell.load();
    while (!cell.compare_exchange_weak(before, kOperation(before, operand))) {
    }
  });
}

void do_nothing(Wave&, const Instruction&) {}

constexpr std::uint32_t kGlobal = kOffset | kCachePolicy;

constexpr auto kAdd = [](auto a, auto b) { return a + b; };
constexpr auto kSubtract = [](auto a, auto b) { return a - b; };
constexpr auto kAnd = [](auto a, auto b) { return a & b; };
constexpr auto kOr = [](auto a, auto b) { return a | b; };
constexpr auto kXor = [](auto a, auto b) { return a ^ b; };
constexpr auto kMaximum = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kMinimum = [](auto a, auto b) { return a < b ? a : b; };

constexpr Opcode kAll[] = {
    {"global_load_ubyte", "vao", load<1>, kGlobal},
    {"global_load_sbyte", "vao", load<1, true>, kGlobal},
    {"global_load_ushort", "vao", load<2>, kGlobal},
    {"global_load_sshort", "vao", load<2, true>, kGlobal},
    {"global_load_dword", "vao", load<4>, kGlobal},
    {"global_load_dwordx2", "Vao", load<8>, kGlobal},
    {"global_load_dwordx3", "3ao", load<12>, kGlobal},
    {"global_load_dwordx4", "4ao", load<16>, kGlobal},
    {"global_atomic_add", "avo", atomic<std::uint32_t, kAdd>, kGlobal},
    {"global_atomic_sub", "avo", atomic<std::uint32_t, kSubtract>, kGlobal},
    {"global_atomic_and", "avo", atomic<std::uint32_t, kAnd>, kGlobal},
    {"global_atomic_or", "avo", atomic<std::uint32_t, kOr>, kGlobal},
    {"global_atomic_xor", "avo", atomic<std::uint32_t, kXor>, kGlobal},
    {"global_atomic_umax", "avo", atomic<std::uint32_t, kMaximum>, kGlobal},
    {"global_atomic_umin", "avo", atomic<std::uint32_t, kMinimum>, kGlobal},
    {"global_atomic_smax", "avo", atomic<std::int32_t, kMaximum>, kGlobal},
    {"global_atomic_smin", "avo", atomic<std::int32_t, kMinimum>, kGlobal},
    {"global_atomic_add_x2", "aVo", atomic<std::uint64_t, kAdd>, kGlobal},
    {"global_atomic_add_f32", "avo", atomic<float, kAdd>, kGlobal},
    {"global_atomic_add_f64", "aVo", atomic<double, kAdd>, kGlobal},
    {"global_store_byte", "avo", store<1>, kGlobal},
    {"global_store_short", "avo", store<2>, kGlobal},
    {"global_store_dword", "avo", store<4>, kGlobal},
    {"global_store_dwordx2", "aVo", store<8>, kGlobal},
    {"global_store_dwordx3", "a3o", store<12>, kGlobal},
    {"global_store_dwordx4", "a4o", store<16>, kGlobal},
    // Caches are not simulated: there is nothing to write back.
    {"buffer_wbl2", "*", do_nothing},
    {"buffer_inv", "*", do_nothing},
    {"buffer_wbinvl1", "*", do_nothing},
};

}  // namespace

std::span<const Opcode> memory_opcodes() { return kAll; }

}  // namespace sinter::sim
