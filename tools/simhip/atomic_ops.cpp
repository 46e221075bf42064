// SPDX-License-Identifier: Apache-2.0

// Atomic operations: global, flat, buffer and on LDS; with " rtn" behind the name the old value is given back.

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_memory.h"
#include "tools/simhip/lds.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

enum class Where : std::uint8_t { kGlobal, kFlat, kBuffer, kLds };
enum class Result : std::uint8_t { kNone, kOld };

/// The operands of a form: result, address and data.
struct Form {
  unsigned result = 0, data = 0;
  AddressOperands address;
};

constexpr Form form_of(Where where, Result result) {
  if (where == Where::kBuffer) {
    return {0, 0, {1, 2, 3}};
  }
  const unsigned first = result == Result::kOld ? 1 : 0;
  return {0, first + 1, {first, first + 2, 0}};
}

/// Two halves or brain floats at once.
template <class ToFloat, class FromFloat>
u32 add_pairs(u32 a, u32 b, const ToFloat& to_float, const FromFloat& from_float) {
  const u32 low = from_float(to_float(a & 0xffff) + to_float(b & 0xffff));
  const u32 high = from_float(to_float(a >> 16) + to_float(b >> 16));
  return low | high << 16;
}

template <class T>
T value_in(const Wave& wave, unsigned first, unsigned lane) {
  std::array<u32, sizeof(T) / 4> dwords{};
  for (unsigned dword = 0; dword < dwords.size(); ++dword) {
    dwords[dword] = wave.vectors[first + dword][lane];
  }
  T value{};
  std::memcpy(&value, dwords.data(), sizeof value);
  return value;
}

std::byte* place_of(Wave& wave, const Instruction& i, Where where, const AddressOperands& address, unsigned lane,
                    unsigned bytes) {
  std::byte* place = nullptr;
  if (where == Where::kLds) {
    const u32 at = wave.vectors[i.operands[address.lane].index][lane] + static_cast<u32>(i.modifiers.offset);
    place = wave.lds->access(wave, at, bytes, Access::kAtomic);
  } else {
    const Space space = where == Where::kGlobal ? Space::kGlobal
                        : where == Where::kFlat ? Space::kFlat
                                                : Space::kBuffer;
    place = locate(wave, i, space, address, lane, bytes, Access::kAtomic);
  }
  if (place != nullptr && reinterpret_cast<std::uintptr_t>(place) % bytes != 0) {
    wave.stop(FaultKind::kIllegalAddress, fmt::format("atomic at {}, which is not aligned", fmt::ptr(place)));
    return nullptr;
  }
  return place;
}

/// `kOperation(memory, data, compare)` is what memory becomes; `compare` is the data itself but of compare-and-swap.
template <Where kWhere, Result kResult, bool kCompares, class T, auto kOperation>
void change(Wave& wave, const Instruction& i) {
  constexpr Form kForm = form_of(kWhere, kResult);
  constexpr unsigned kDwords = sizeof(T) / 4;
  std::array<Lane, kDwords> old{};
  for_active_lanes_until_fault(wave, [&](unsigned lane) {
    std::byte* const place = place_of(wave, i, kWhere, kForm.address, lane, sizeof(T));
    if (place == nullptr) {
      return;
    }
    // In LDS the value to compare with is an operand of its own and first; elsewhere it follows the new one.
    const unsigned data = i.operands[kForm.data].index;
    const unsigned fresh = kCompares && kWhere == Where::kLds ? i.operands[kForm.data + 1].index : data;
    const unsigned compared = kCompares && kWhere != Where::kLds ? data + kDwords : data;
    const T operand = value_in<T>(wave, fresh, lane), compare = value_in<T>(wave, compared, lane);
    // Work-groups run on several threads of the host.
    std::atomic_ref<T> cell(*reinterpret_cast<T*>(place));
    T before = cell.load();
    while (!cell.compare_exchange_weak(before, kOperation(before, operand, compare))) {
    }
    std::array<u32, kDwords> dwords{};
    std::memcpy(dwords.data(), &before, sizeof before);
    for (unsigned dword = 0; dword < kDwords; ++dword) {
      old[dword][lane] = dwords[dword];
    }
  });
  const bool gives_old = kResult == Result::kOld || (kWhere == Where::kBuffer && i.modifiers.returns_old);
  for (unsigned dword = 0; gives_old && wave.state == WaveState::kRunning && dword < kDwords; ++dword) {
    wave.write(i.operands[kForm.result], old[dword], dword);
  }
}

constexpr auto kAdd = [](auto a, auto b, auto) { return a + b; };
constexpr auto kSubtract = [](auto a, auto b, auto) { return a - b; };
constexpr auto kReverseSubtract = [](auto a, auto b, auto) { return b - a; };
constexpr auto kAnd = [](auto a, auto b, auto) { return a & b; };
constexpr auto kOr = [](auto a, auto b, auto) { return a | b; };
constexpr auto kXor = [](auto a, auto b, auto) { return a ^ b; };
constexpr auto kMaximum = [](auto a, auto b, auto) { return a > b ? a : b; };
constexpr auto kMinimum = [](auto a, auto b, auto) { return a < b ? a : b; };
constexpr auto kSwap = [](auto, auto b, auto) { return b; };
constexpr auto kCompareSwap = [](auto a, auto b, auto compare) { return a == compare ? b : a; };
/// Up to the operand and then 0; down to 0 and then the operand.
constexpr auto kIncrement = [](auto a, auto b, auto) { return a >= b ? decltype(a){0} : a + 1; };
constexpr auto kDecrement = [](auto a, auto b, auto) { return a == 0 || a > b ? b : a - 1; };
constexpr auto kFloatMaximum = [](auto a, auto b, auto) { return std::fmax(a, b); };
constexpr auto kFloatMinimum = [](auto a, auto b, auto) { return std::fmin(a, b); };
constexpr auto kAddHalves = [](u32 a, u32 b, u32) {
  return add_pairs(a, b, [](u32 x) { return static_cast<float>(as_half(x)); }, [](float x) { return half_bits(x); });
};
constexpr auto kAddBrainFloats = [](u32 a, u32 b, u32) {
  return add_pairs(a, b, [](u32 x) { return as_float(x << 16); }, brain_float);
};

template <Where kWhere, Result kResult, class T, auto kOperation, bool kCompares = false>
constexpr Handler kChange = change<kWhere, kResult, kCompares, T, kOperation>;

constexpr auto kGlobal = Where::kGlobal;
constexpr auto kFlat = Where::kFlat;
constexpr auto kInBuffer = Where::kBuffer;
constexpr auto kLds = Where::kLds;
constexpr auto kNone = Result::kNone;
constexpr auto kOld = Result::kOld;
constexpr std::uint32_t kMemory = kOffset | kCachePolicy;
constexpr std::uint32_t kOfBuffer = kOffset | kAtomic | kBuffer;

constexpr Opcode kMemoryAtomics[] = {
    {"global_atomic_add", "avo", kChange<kGlobal, kNone, u32, kAdd>, kMemory},
    {"global_atomic_add rtn", "vavo", kChange<kGlobal, kOld, u32, kAdd>, kMemory},
    {"flat_atomic_add", "av", kChange<kFlat, kNone, u32, kAdd>, kMemory},
    {"flat_atomic_add rtn", "vav", kChange<kFlat, kOld, u32, kAdd>, kMemory},
    {"buffer_atomic_add", "vwQc", kChange<kInBuffer, kNone, u32, kAdd>, kOfBuffer},
    {"global_atomic_add_x2", "aVo", kChange<kGlobal, kNone, u64, kAdd>, kMemory},
    {"global_atomic_add_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kAdd>, kMemory},
    {"flat_atomic_add_x2", "aV", kChange<kFlat, kNone, u64, kAdd>, kMemory},
    {"flat_atomic_add_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kAdd>, kMemory},
    {"buffer_atomic_add_x2", "VwQc", kChange<kInBuffer, kNone, u64, kAdd>, kOfBuffer},
    {"global_atomic_sub", "avo", kChange<kGlobal, kNone, u32, kSubtract>, kMemory},
    {"global_atomic_sub rtn", "vavo", kChange<kGlobal, kOld, u32, kSubtract>, kMemory},
    {"flat_atomic_sub", "av", kChange<kFlat, kNone, u32, kSubtract>, kMemory},
    {"flat_atomic_sub rtn", "vav", kChange<kFlat, kOld, u32, kSubtract>, kMemory},
    {"buffer_atomic_sub", "vwQc", kChange<kInBuffer, kNone, u32, kSubtract>, kOfBuffer},
    {"global_atomic_sub_x2", "aVo", kChange<kGlobal, kNone, u64, kSubtract>, kMemory},
    {"global_atomic_sub_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kSubtract>, kMemory},
    {"flat_atomic_sub_x2", "aV", kChange<kFlat, kNone, u64, kSubtract>, kMemory},
    {"flat_atomic_sub_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kSubtract>, kMemory},
    {"buffer_atomic_sub_x2", "VwQc", kChange<kInBuffer, kNone, u64, kSubtract>, kOfBuffer},
    {"global_atomic_smin", "avo", kChange<kGlobal, kNone, i32, kMinimum>, kMemory},
    {"global_atomic_smin rtn", "vavo", kChange<kGlobal, kOld, i32, kMinimum>, kMemory},
    {"flat_atomic_smin", "av", kChange<kFlat, kNone, i32, kMinimum>, kMemory},
    {"flat_atomic_smin rtn", "vav", kChange<kFlat, kOld, i32, kMinimum>, kMemory},
    {"buffer_atomic_smin", "vwQc", kChange<kInBuffer, kNone, i32, kMinimum>, kOfBuffer},
    {"global_atomic_smin_x2", "aVo", kChange<kGlobal, kNone, i64, kMinimum>, kMemory},
    {"global_atomic_smin_x2 rtn", "VaVo", kChange<kGlobal, kOld, i64, kMinimum>, kMemory},
    {"flat_atomic_smin_x2", "aV", kChange<kFlat, kNone, i64, kMinimum>, kMemory},
    {"flat_atomic_smin_x2 rtn", "VaV", kChange<kFlat, kOld, i64, kMinimum>, kMemory},
    {"buffer_atomic_smin_x2", "VwQc", kChange<kInBuffer, kNone, i64, kMinimum>, kOfBuffer},
    {"global_atomic_umin", "avo", kChange<kGlobal, kNone, u32, kMinimum>, kMemory},
    {"global_atomic_umin rtn", "vavo", kChange<kGlobal, kOld, u32, kMinimum>, kMemory},
    {"flat_atomic_umin", "av", kChange<kFlat, kNone, u32, kMinimum>, kMemory},
    {"flat_atomic_umin rtn", "vav", kChange<kFlat, kOld, u32, kMinimum>, kMemory},
    {"buffer_atomic_umin", "vwQc", kChange<kInBuffer, kNone, u32, kMinimum>, kOfBuffer},
    {"global_atomic_umin_x2", "aVo", kChange<kGlobal, kNone, u64, kMinimum>, kMemory},
    {"global_atomic_umin_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kMinimum>, kMemory},
    {"flat_atomic_umin_x2", "aV", kChange<kFlat, kNone, u64, kMinimum>, kMemory},
    {"flat_atomic_umin_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kMinimum>, kMemory},
    {"buffer_atomic_umin_x2", "VwQc", kChange<kInBuffer, kNone, u64, kMinimum>, kOfBuffer},
    {"global_atomic_smax", "avo", kChange<kGlobal, kNone, i32, kMaximum>, kMemory},
    {"global_atomic_smax rtn", "vavo", kChange<kGlobal, kOld, i32, kMaximum>, kMemory},
    {"flat_atomic_smax", "av", kChange<kFlat, kNone, i32, kMaximum>, kMemory},
    {"flat_atomic_smax rtn", "vav", kChange<kFlat, kOld, i32, kMaximum>, kMemory},
    {"buffer_atomic_smax", "vwQc", kChange<kInBuffer, kNone, i32, kMaximum>, kOfBuffer},
    {"global_atomic_smax_x2", "aVo", kChange<kGlobal, kNone, i64, kMaximum>, kMemory},
    {"global_atomic_smax_x2 rtn", "VaVo", kChange<kGlobal, kOld, i64, kMaximum>, kMemory},
    {"flat_atomic_smax_x2", "aV", kChange<kFlat, kNone, i64, kMaximum>, kMemory},
    {"flat_atomic_smax_x2 rtn", "VaV", kChange<kFlat, kOld, i64, kMaximum>, kMemory},
    {"buffer_atomic_smax_x2", "VwQc", kChange<kInBuffer, kNone, i64, kMaximum>, kOfBuffer},
    {"global_atomic_umax", "avo", kChange<kGlobal, kNone, u32, kMaximum>, kMemory},
    {"global_atomic_umax rtn", "vavo", kChange<kGlobal, kOld, u32, kMaximum>, kMemory},
    {"flat_atomic_umax", "av", kChange<kFlat, kNone, u32, kMaximum>, kMemory},
    {"flat_atomic_umax rtn", "vav", kChange<kFlat, kOld, u32, kMaximum>, kMemory},
    {"buffer_atomic_umax", "vwQc", kChange<kInBuffer, kNone, u32, kMaximum>, kOfBuffer},
    {"global_atomic_umax_x2", "aVo", kChange<kGlobal, kNone, u64, kMaximum>, kMemory},
    {"global_atomic_umax_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kMaximum>, kMemory},
    {"flat_atomic_umax_x2", "aV", kChange<kFlat, kNone, u64, kMaximum>, kMemory},
    {"flat_atomic_umax_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kMaximum>, kMemory},
    {"buffer_atomic_umax_x2", "VwQc", kChange<kInBuffer, kNone, u64, kMaximum>, kOfBuffer},
    {"global_atomic_and", "avo", kChange<kGlobal, kNone, u32, kAnd>, kMemory},
    {"global_atomic_and rtn", "vavo", kChange<kGlobal, kOld, u32, kAnd>, kMemory},
    {"flat_atomic_and", "av", kChange<kFlat, kNone, u32, kAnd>, kMemory},
    {"flat_atomic_and rtn", "vav", kChange<kFlat, kOld, u32, kAnd>, kMemory},
    {"buffer_atomic_and", "vwQc", kChange<kInBuffer, kNone, u32, kAnd>, kOfBuffer},
    {"global_atomic_and_x2", "aVo", kChange<kGlobal, kNone, u64, kAnd>, kMemory},
    {"global_atomic_and_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kAnd>, kMemory},
    {"flat_atomic_and_x2", "aV", kChange<kFlat, kNone, u64, kAnd>, kMemory},
    {"flat_atomic_and_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kAnd>, kMemory},
    {"buffer_atomic_and_x2", "VwQc", kChange<kInBuffer, kNone, u64, kAnd>, kOfBuffer},
    {"global_atomic_or", "avo", kChange<kGlobal, kNone, u32, kOr>, kMemory},
    {"global_atomic_or rtn", "vavo", kChange<kGlobal, kOld, u32, kOr>, kMemory},
    {"flat_atomic_or", "av", kChange<kFlat, kNone, u32, kOr>, kMemory},
    {"flat_atomic_or rtn", "vav", kChange<kFlat, kOld, u32, kOr>, kMemory},
    {"buffer_atomic_or", "vwQc", kChange<kInBuffer, kNone, u32, kOr>, kOfBuffer},
    {"global_atomic_or_x2", "aVo", kChange<kGlobal, kNone, u64, kOr>, kMemory},
    {"global_atomic_or_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kOr>, kMemory},
    {"flat_atomic_or_x2", "aV", kChange<kFlat, kNone, u64, kOr>, kMemory},
    {"flat_atomic_or_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kOr>, kMemory},
    {"buffer_atomic_or_x2", "VwQc", kChange<kInBuffer, kNone, u64, kOr>, kOfBuffer},
    {"global_atomic_xor", "avo", kChange<kGlobal, kNone, u32, kXor>, kMemory},
    {"global_atomic_xor rtn", "vavo", kChange<kGlobal, kOld, u32, kXor>, kMemory},
    {"flat_atomic_xor", "av", kChange<kFlat, kNone, u32, kXor>, kMemory},
    {"flat_atomic_xor rtn", "vav", kChange<kFlat, kOld, u32, kXor>, kMemory},
    {"buffer_atomic_xor", "vwQc", kChange<kInBuffer, kNone, u32, kXor>, kOfBuffer},
    {"global_atomic_xor_x2", "aVo", kChange<kGlobal, kNone, u64, kXor>, kMemory},
    {"global_atomic_xor_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kXor>, kMemory},
    {"flat_atomic_xor_x2", "aV", kChange<kFlat, kNone, u64, kXor>, kMemory},
    {"flat_atomic_xor_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kXor>, kMemory},
    {"buffer_atomic_xor_x2", "VwQc", kChange<kInBuffer, kNone, u64, kXor>, kOfBuffer},
    {"global_atomic_swap", "avo", kChange<kGlobal, kNone, u32, kSwap>, kMemory},
    {"global_atomic_swap rtn", "vavo", kChange<kGlobal, kOld, u32, kSwap>, kMemory},
    {"flat_atomic_swap", "av", kChange<kFlat, kNone, u32, kSwap>, kMemory},
    {"flat_atomic_swap rtn", "vav", kChange<kFlat, kOld, u32, kSwap>, kMemory},
    {"buffer_atomic_swap", "vwQc", kChange<kInBuffer, kNone, u32, kSwap>, kOfBuffer},
    {"global_atomic_swap_x2", "aVo", kChange<kGlobal, kNone, u64, kSwap>, kMemory},
    {"global_atomic_swap_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kSwap>, kMemory},
    {"flat_atomic_swap_x2", "aV", kChange<kFlat, kNone, u64, kSwap>, kMemory},
    {"flat_atomic_swap_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kSwap>, kMemory},
    {"buffer_atomic_swap_x2", "VwQc", kChange<kInBuffer, kNone, u64, kSwap>, kOfBuffer},
    {"global_atomic_inc", "avo", kChange<kGlobal, kNone, u32, kIncrement>, kMemory},
    {"global_atomic_inc rtn", "vavo", kChange<kGlobal, kOld, u32, kIncrement>, kMemory},
    {"flat_atomic_inc", "av", kChange<kFlat, kNone, u32, kIncrement>, kMemory},
    {"flat_atomic_inc rtn", "vav", kChange<kFlat, kOld, u32, kIncrement>, kMemory},
    {"buffer_atomic_inc", "vwQc", kChange<kInBuffer, kNone, u32, kIncrement>, kOfBuffer},
    {"global_atomic_inc_x2", "aVo", kChange<kGlobal, kNone, u64, kIncrement>, kMemory},
    {"global_atomic_inc_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kIncrement>, kMemory},
    {"flat_atomic_inc_x2", "aV", kChange<kFlat, kNone, u64, kIncrement>, kMemory},
    {"flat_atomic_inc_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kIncrement>, kMemory},
    {"buffer_atomic_inc_x2", "VwQc", kChange<kInBuffer, kNone, u64, kIncrement>, kOfBuffer},
    {"global_atomic_dec", "avo", kChange<kGlobal, kNone, u32, kDecrement>, kMemory},
    {"global_atomic_dec rtn", "vavo", kChange<kGlobal, kOld, u32, kDecrement>, kMemory},
    {"flat_atomic_dec", "av", kChange<kFlat, kNone, u32, kDecrement>, kMemory},
    {"flat_atomic_dec rtn", "vav", kChange<kFlat, kOld, u32, kDecrement>, kMemory},
    {"buffer_atomic_dec", "vwQc", kChange<kInBuffer, kNone, u32, kDecrement>, kOfBuffer},
    {"global_atomic_dec_x2", "aVo", kChange<kGlobal, kNone, u64, kDecrement>, kMemory},
    {"global_atomic_dec_x2 rtn", "VaVo", kChange<kGlobal, kOld, u64, kDecrement>, kMemory},
    {"flat_atomic_dec_x2", "aV", kChange<kFlat, kNone, u64, kDecrement>, kMemory},
    {"flat_atomic_dec_x2 rtn", "VaV", kChange<kFlat, kOld, u64, kDecrement>, kMemory},
    {"buffer_atomic_dec_x2", "VwQc", kChange<kInBuffer, kNone, u64, kDecrement>, kOfBuffer},
    {"global_atomic_cmpswap", "aVo", kChange<kGlobal, kNone, u32, kCompareSwap, true>, kMemory},
    {"global_atomic_cmpswap rtn", "vaVo", kChange<kGlobal, kOld, u32, kCompareSwap, true>, kMemory},
    {"flat_atomic_cmpswap", "aV", kChange<kFlat, kNone, u32, kCompareSwap, true>, kMemory},
    {"flat_atomic_cmpswap rtn", "vaV", kChange<kFlat, kOld, u32, kCompareSwap, true>, kMemory},
    {"buffer_atomic_cmpswap", "VwQc", kChange<kInBuffer, kNone, u32, kCompareSwap, true>, kOfBuffer},
    {"global_atomic_cmpswap_x2", "a4o", kChange<kGlobal, kNone, u64, kCompareSwap, true>, kMemory},
    {"global_atomic_cmpswap_x2 rtn", "Va4o", kChange<kGlobal, kOld, u64, kCompareSwap, true>, kMemory},
    {"flat_atomic_cmpswap_x2", "a4", kChange<kFlat, kNone, u64, kCompareSwap, true>, kMemory},
    {"flat_atomic_cmpswap_x2 rtn", "Va4", kChange<kFlat, kOld, u64, kCompareSwap, true>, kMemory},
    {"buffer_atomic_cmpswap_x2", "4wQc", kChange<kInBuffer, kNone, u64, kCompareSwap, true>, kOfBuffer},
    {"global_atomic_add_f32", "avo", kChange<kGlobal, kNone, float, kAdd>, kMemory},
    {"global_atomic_add_f32 rtn", "vavo", kChange<kGlobal, kOld, float, kAdd>, kMemory},
    {"flat_atomic_add_f32", "av", kChange<kFlat, kNone, float, kAdd>, kMemory},
    {"flat_atomic_add_f32 rtn", "vav", kChange<kFlat, kOld, float, kAdd>, kMemory},
    {"buffer_atomic_add_f32", "vwQc", kChange<kInBuffer, kNone, float, kAdd>, kOfBuffer},
    {"global_atomic_add_f64", "aVo", kChange<kGlobal, kNone, double, kAdd>, kMemory},
    {"global_atomic_add_f64 rtn", "VaVo", kChange<kGlobal, kOld, double, kAdd>, kMemory},
    {"flat_atomic_add_f64", "aV", kChange<kFlat, kNone, double, kAdd>, kMemory},
    {"flat_atomic_add_f64 rtn", "VaV", kChange<kFlat, kOld, double, kAdd>, kMemory},
    {"buffer_atomic_add_f64", "VwQc", kChange<kInBuffer, kNone, double, kAdd>, kOfBuffer},
    {"global_atomic_min_f64", "aVo", kChange<kGlobal, kNone, double, kFloatMinimum>, kMemory},
    {"global_atomic_min_f64 rtn", "VaVo", kChange<kGlobal, kOld, double, kFloatMinimum>, kMemory},
    {"flat_atomic_min_f64", "aV", kChange<kFlat, kNone, double, kFloatMinimum>, kMemory},
    {"flat_atomic_min_f64 rtn", "VaV", kChange<kFlat, kOld, double, kFloatMinimum>, kMemory},
    {"buffer_atomic_min_f64", "VwQc", kChange<kInBuffer, kNone, double, kFloatMinimum>, kOfBuffer},
    {"global_atomic_max_f64", "aVo", kChange<kGlobal, kNone, double, kFloatMaximum>, kMemory},
    {"global_atomic_max_f64 rtn", "VaVo", kChange<kGlobal, kOld, double, kFloatMaximum>, kMemory},
    {"flat_atomic_max_f64", "aV", kChange<kFlat, kNone, double, kFloatMaximum>, kMemory},
    {"flat_atomic_max_f64 rtn", "VaV", kChange<kFlat, kOld, double, kFloatMaximum>, kMemory},
    {"buffer_atomic_max_f64", "VwQc", kChange<kInBuffer, kNone, double, kFloatMaximum>, kOfBuffer},
    {"global_atomic_pk_add_f16", "avo", kChange<kGlobal, kNone, u32, kAddHalves>, kMemory},
    {"global_atomic_pk_add_f16 rtn", "vavo", kChange<kGlobal, kOld, u32, kAddHalves>, kMemory},
    {"flat_atomic_pk_add_f16", "av", kChange<kFlat, kNone, u32, kAddHalves>, kMemory},
    {"flat_atomic_pk_add_f16 rtn", "vav", kChange<kFlat, kOld, u32, kAddHalves>, kMemory},
    {"buffer_atomic_pk_add_f16", "vwQc", kChange<kInBuffer, kNone, u32, kAddHalves>, kOfBuffer},
    {"global_atomic_pk_add_bf16", "avo", kChange<kGlobal, kNone, u32, kAddBrainFloats>, kMemory},
    {"global_atomic_pk_add_bf16 rtn", "vavo", kChange<kGlobal, kOld, u32, kAddBrainFloats>, kMemory},
    {"flat_atomic_pk_add_bf16", "av", kChange<kFlat, kNone, u32, kAddBrainFloats>, kMemory},
    {"flat_atomic_pk_add_bf16 rtn", "vav", kChange<kFlat, kOld, u32, kAddBrainFloats>, kMemory},
    {"buffer_atomic_pk_add_bf16", "vwQc", kChange<kInBuffer, kNone, u32, kAddBrainFloats>, kOfBuffer},
};

constexpr Opcode kLdsAtomics[] = {
    {"ds_add_u32", "vv", kChange<kLds, kNone, u32, kAdd>, kOffset},
    {"ds_add_rtn_u32", "vvv", kChange<kLds, kOld, u32, kAdd>, kOffset},
    {"ds_add_u64", "vV", kChange<kLds, kNone, u64, kAdd>, kOffset},
    {"ds_add_rtn_u64", "VvV", kChange<kLds, kOld, u64, kAdd>, kOffset},
    {"ds_sub_u32", "vv", kChange<kLds, kNone, u32, kSubtract>, kOffset},
    {"ds_sub_rtn_u32", "vvv", kChange<kLds, kOld, u32, kSubtract>, kOffset},
    {"ds_sub_u64", "vV", kChange<kLds, kNone, u64, kSubtract>, kOffset},
    {"ds_sub_rtn_u64", "VvV", kChange<kLds, kOld, u64, kSubtract>, kOffset},
    {"ds_rsub_u32", "vv", kChange<kLds, kNone, u32, kReverseSubtract>, kOffset},
    {"ds_rsub_rtn_u32", "vvv", kChange<kLds, kOld, u32, kReverseSubtract>, kOffset},
    {"ds_rsub_u64", "vV", kChange<kLds, kNone, u64, kReverseSubtract>, kOffset},
    {"ds_rsub_rtn_u64", "VvV", kChange<kLds, kOld, u64, kReverseSubtract>, kOffset},
    {"ds_inc_u32", "vv", kChange<kLds, kNone, u32, kIncrement>, kOffset},
    {"ds_inc_rtn_u32", "vvv", kChange<kLds, kOld, u32, kIncrement>, kOffset},
    {"ds_inc_u64", "vV", kChange<kLds, kNone, u64, kIncrement>, kOffset},
    {"ds_inc_rtn_u64", "VvV", kChange<kLds, kOld, u64, kIncrement>, kOffset},
    {"ds_dec_u32", "vv", kChange<kLds, kNone, u32, kDecrement>, kOffset},
    {"ds_dec_rtn_u32", "vvv", kChange<kLds, kOld, u32, kDecrement>, kOffset},
    {"ds_dec_u64", "vV", kChange<kLds, kNone, u64, kDecrement>, kOffset},
    {"ds_dec_rtn_u64", "VvV", kChange<kLds, kOld, u64, kDecrement>, kOffset},
    {"ds_min_i32", "vv", kChange<kLds, kNone, i32, kMinimum>, kOffset},
    {"ds_min_rtn_i32", "vvv", kChange<kLds, kOld, i32, kMinimum>, kOffset},
    {"ds_min_i64", "vV", kChange<kLds, kNone, i64, kMinimum>, kOffset},
    {"ds_min_rtn_i64", "VvV", kChange<kLds, kOld, i64, kMinimum>, kOffset},
    {"ds_max_i32", "vv", kChange<kLds, kNone, i32, kMaximum>, kOffset},
    {"ds_max_rtn_i32", "vvv", kChange<kLds, kOld, i32, kMaximum>, kOffset},
    {"ds_max_i64", "vV", kChange<kLds, kNone, i64, kMaximum>, kOffset},
    {"ds_max_rtn_i64", "VvV", kChange<kLds, kOld, i64, kMaximum>, kOffset},
    {"ds_min_u32", "vv", kChange<kLds, kNone, u32, kMinimum>, kOffset},
    {"ds_min_rtn_u32", "vvv", kChange<kLds, kOld, u32, kMinimum>, kOffset},
    {"ds_min_u64", "vV", kChange<kLds, kNone, u64, kMinimum>, kOffset},
    {"ds_min_rtn_u64", "VvV", kChange<kLds, kOld, u64, kMinimum>, kOffset},
    {"ds_max_u32", "vv", kChange<kLds, kNone, u32, kMaximum>, kOffset},
    {"ds_max_rtn_u32", "vvv", kChange<kLds, kOld, u32, kMaximum>, kOffset},
    {"ds_max_u64", "vV", kChange<kLds, kNone, u64, kMaximum>, kOffset},
    {"ds_max_rtn_u64", "VvV", kChange<kLds, kOld, u64, kMaximum>, kOffset},
    {"ds_and_b32", "vv", kChange<kLds, kNone, u32, kAnd>, kOffset},
    {"ds_and_rtn_b32", "vvv", kChange<kLds, kOld, u32, kAnd>, kOffset},
    {"ds_and_b64", "vV", kChange<kLds, kNone, u64, kAnd>, kOffset},
    {"ds_and_rtn_b64", "VvV", kChange<kLds, kOld, u64, kAnd>, kOffset},
    {"ds_or_b32", "vv", kChange<kLds, kNone, u32, kOr>, kOffset},
    {"ds_or_rtn_b32", "vvv", kChange<kLds, kOld, u32, kOr>, kOffset},
    {"ds_or_b64", "vV", kChange<kLds, kNone, u64, kOr>, kOffset},
    {"ds_or_rtn_b64", "VvV", kChange<kLds, kOld, u64, kOr>, kOffset},
    {"ds_xor_b32", "vv", kChange<kLds, kNone, u32, kXor>, kOffset},
    {"ds_xor_rtn_b32", "vvv", kChange<kLds, kOld, u32, kXor>, kOffset},
    {"ds_xor_b64", "vV", kChange<kLds, kNone, u64, kXor>, kOffset},
    {"ds_xor_rtn_b64", "VvV", kChange<kLds, kOld, u64, kXor>, kOffset},
    {"ds_cmpst_b32", "vvv", kChange<kLds, kNone, u32, kCompareSwap, true>, kOffset},
    {"ds_cmpst_rtn_b32", "vvvv", kChange<kLds, kOld, u32, kCompareSwap, true>, kOffset},
    {"ds_wrxchg_rtn_b32", "vvv", kChange<kLds, kOld, u32, kSwap>, kOffset},
    {"ds_cmpst_b64", "vVV", kChange<kLds, kNone, u64, kCompareSwap, true>, kOffset},
    {"ds_cmpst_rtn_b64", "VvVV", kChange<kLds, kOld, u64, kCompareSwap, true>, kOffset},
    {"ds_wrxchg_rtn_b64", "VvV", kChange<kLds, kOld, u64, kSwap>, kOffset},
    {"ds_add_f32", "vv", kChange<kLds, kNone, float, kAdd>, kOffset},
    {"ds_add_rtn_f32", "vvv", kChange<kLds, kOld, float, kAdd>, kOffset},
    {"ds_add_f64", "vV", kChange<kLds, kNone, double, kAdd>, kOffset},
    {"ds_add_rtn_f64", "VvV", kChange<kLds, kOld, double, kAdd>, kOffset},
    {"ds_min_f32", "vv", kChange<kLds, kNone, float, kFloatMinimum>, kOffset},
    {"ds_min_rtn_f32", "vvv", kChange<kLds, kOld, float, kFloatMinimum>, kOffset},
    {"ds_min_f64", "vV", kChange<kLds, kNone, double, kFloatMinimum>, kOffset},
    {"ds_min_rtn_f64", "VvV", kChange<kLds, kOld, double, kFloatMinimum>, kOffset},
    {"ds_max_f32", "vv", kChange<kLds, kNone, float, kFloatMaximum>, kOffset},
    {"ds_max_rtn_f32", "vvv", kChange<kLds, kOld, float, kFloatMaximum>, kOffset},
    {"ds_max_f64", "vV", kChange<kLds, kNone, double, kFloatMaximum>, kOffset},
    {"ds_max_rtn_f64", "VvV", kChange<kLds, kOld, double, kFloatMaximum>, kOffset},
    {"ds_pk_add_f16", "vv", kChange<kLds, kNone, u32, kAddHalves>, kOffset},
    {"ds_pk_add_rtn_f16", "vvv", kChange<kLds, kOld, u32, kAddHalves>, kOffset},
    {"ds_pk_add_bf16", "vv", kChange<kLds, kNone, u32, kAddBrainFloats>, kOffset},
    {"ds_pk_add_rtn_bf16", "vvv", kChange<kLds, kOld, u32, kAddBrainFloats>, kOffset},
};

constexpr auto kAll = [] {
  std::array<Opcode, std::size(kMemoryAtomics) + std::size(kLdsAtomics)> all{};
  std::ranges::copy(kLdsAtomics, std::ranges::copy(kMemoryAtomics, all.begin()).out);
  return all;
}();

}  // namespace

std::span<const Opcode> atomic_opcodes() { return kAll; }

}  // namespace sinter::sim
