// SPDX-License-Identifier: Apache-2.0

// Instructions against the host: each piece of code is compiled by the host's compiler and by clang for the device, and
// has to compute the same bits. Run once per device.

#include <cmath>

#include "tests/support/device_twin.h"

namespace sinter {

using testing::differences;
using testing::SimulatedAmd;

// `in` and `out` are arrays of 64 words per number: word w of lane t is at 64 * w + t.

DEVICE_TWIN(
    whole_numbers, static void run(unsigned t, const unsigned* in, unsigned* out) {
      const unsigned a = in[t];
      const unsigned b = in[64 + t];
      const unsigned c = in[128 + t];
      const int x = static_cast<int>(a);
      const int y = static_cast<int>(b);
      const int nonzero = y == 0 || y == -1 ? 3 : y;
      unsigned w = 0;
      const auto put = [&](unsigned value) { out[64 * w++ + t] = value; };
      put(a * b + c);
      put(a / (b | 1));
      put(a % (b | 1));
      put(static_cast<unsigned>(x / nonzero));
      put(static_cast<unsigned>(x % nonzero));
      put(a << (b & 31));
      put(a >> (b & 31));
      put(static_cast<unsigned>(x >> (b & 31)));
      put(x < y ? a : c);
      put(a < b ? 1 : 2);
      put(static_cast<unsigned>(__builtin_popcount(a)));
      put(a == 0 ? 77 : static_cast<unsigned>(__builtin_clz(a)));
      put(a == 0 ? 77 : static_cast<unsigned>(__builtin_ctz(a)));
      put(a + b < a ? 0xffffffffU : a + b);
      put(a < b ? 0 : a - b);
      put((a & b) | (~a & c));
      put((a ^ b) + c);
      put(static_cast<unsigned>(x < 0 ? -x : x));
      put((a & 0xffffff) * (b & 0xffffff));
      put(static_cast<unsigned>(static_cast<signed char>(a)) + static_cast<unsigned>(static_cast<short>(b)));
      put((a >> 5 & 0x7ff) + (static_cast<unsigned>(x << 3 >> 20)));
      put(__builtin_bswap32(a));
      put((a >> 7 | a << 25) ^ c);
      put(x > y ? (x > static_cast<int>(c) ? a : c) : (y > static_cast<int>(c) ? b : c));
    });

TEST_CASE("whole numbers of 32 bits are computed as by the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, whole_numbers_text, whole_numbers::run, 3, 24) == "");
}

DEVICE_TWIN(
    wide_numbers, static void run(unsigned t, const unsigned* in, unsigned* out) {
      using u64 = unsigned long long;
      using i64 = long long;
      const u64 a = static_cast<u64>(in[t]) << 32 | in[64 + t];
      const u64 b = static_cast<u64>(in[128 + t]) << 32 | in[192 + t];
      const unsigned s = in[256 + t];
      unsigned w = 0;
      const auto put = [&](u64 value) {
        out[64 * w++ + t] = static_cast<unsigned>(value);
        out[64 * w++ + t] = static_cast<unsigned>(value >> 32);
      };
      put(a + b);
      put(a - b);
      put(a * b);
      put(a / (b >> (s & 31) | 1));
      put(a % (b >> (s & 63) | 1));
      put(static_cast<u64>(static_cast<i64>(a) / static_cast<i64>((b >> 20) | 1)));
      put(a << (s & 63));
      put(a >> (s & 63));
      put(static_cast<u64>(static_cast<i64>(a) >> (s & 63)));
      put(a < b ? a : b);
      put(static_cast<i64>(a) < static_cast<i64>(b) ? a : b);
      put(static_cast<u64>(__builtin_popcountll(a)));
      put(a == 0 ? 77 : static_cast<u64>(__builtin_clzll(a)));
      put(a == 0 ? 77 : static_cast<u64>(__builtin_ctzll(a)));
      put(static_cast<u64>(static_cast<i64>(static_cast<int>(s)) * static_cast<int>(in[t])) + b);
      put(static_cast<u64>(s) * in[t] + a);
      put((a & b) ^ ~(a | b));
    });

TEST_CASE("whole numbers of 64 bits are computed as by the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, wide_numbers_text, wide_numbers::run, 5, 34) == "");
}

DEVICE_TWIN(
    short_numbers, using pair = short __attribute__((vector_size(4))); using upair = unsigned short
    __attribute__((vector_size(4)));
    static void run(unsigned t, const unsigned* in, unsigned* out) {
      const auto a = static_cast<unsigned short>(in[t]);
      const auto b = static_cast<unsigned short>(in[64 + t]);
      const auto x = static_cast<short>(a);
      const auto y = static_cast<short>(b);
      unsigned w = 0;
      const auto put = [&](unsigned value) { out[64 * w++ + t] = value; };
      put(static_cast<unsigned short>(a + b));
      put(static_cast<unsigned short>(a - b));
      put(static_cast<unsigned short>(a * b + 3U));
      put(static_cast<unsigned short>(a << (b & 15)));
      put(static_cast<unsigned short>(a >> (b & 15)));
      put(static_cast<unsigned short>(x >> (b & 15)));
      put(x < y ? 1U : 2U);
      put(a < b ? 1U : 2U);
      put(static_cast<unsigned>(x < y ? x : y));
      put(a > b ? a : b);
      put(static_cast<unsigned>(x) * static_cast<unsigned>(y));
      put(static_cast<unsigned char>(in[t]) * static_cast<unsigned char>(in[64 + t] >> 8) + (in[t] >> 24));
      union {
        unsigned word;
        pair shorts;
        upair unsigneds;
      } p;
      union {
        unsigned word;
        pair shorts;
        upair unsigneds;
      } q;
      union {
        unsigned word;
        pair shorts;
        upair unsigneds;
      } r;
      p.word = in[t];
      q.word = in[64 + t];
      r.unsigneds = p.unsigneds + q.unsigneds;
      put(r.word);
      r.unsigneds = p.unsigneds - q.unsigneds;
      put(r.word);
      r.unsigneds = p.unsigneds * q.unsigneds + p.unsigneds;
      put(r.word);
      r.shorts = p.shorts < q.shorts ? p.shorts : q.shorts;
      put(r.word);
      r.unsigneds = p.unsigneds > q.unsigneds ? p.unsigneds : q.unsigneds;
      put(r.word);
      r.shorts = p.shorts >> (q.shorts & 15);
      put(r.word);
      r.unsigneds = p.unsigneds >> (q.unsigneds & 15);
      put(r.word);
    });

TEST_CASE("whole numbers of 8 and 16 bits, alone and in pairs, are computed as by the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, short_numbers_text, short_numbers::run, 2, 19) == "");
}

DEVICE_TWIN(
    floats, static float number(unsigned bits) {
      // Exponents from -30 to 33, never subnormal or NaN.
      return __builtin_bit_cast(float, (bits & 0x80ffffffU) | (97U + (bits >> 25 & 63U)) << 23);
    } static void run(unsigned t, const unsigned* in, unsigned* out) {
      const float a = number(in[t]);
      const float b = number(in[64 + t]);
      const float c = number(in[128 + t]);
      const int n = static_cast<int>(in[192 + t]);
      unsigned w = 0;
      const auto put = [&](unsigned value) { out[64 * w++ + t] = value; };
      const auto keep = [&](float value) { put(__builtin_bit_cast(unsigned, value)); };
      keep(a + b);
      keep(a - b);
      keep(a * b);
      keep(a / b);
      keep(__builtin_fmaf(a, b, c));
      keep(__builtin_fmaf(-a, __builtin_fabsf(b), c));
      keep(__builtin_fminf(a, b));
      keep(__builtin_fmaxf(a, b));
      keep(__builtin_floorf(a));
      keep(__builtin_ceilf(a));
      keep(__builtin_truncf(a));
      keep(__builtin_rintf(a));
      keep(__builtin_fabsf(a));
      keep(__builtin_copysignf(a, b));
      keep(static_cast<float>(n));
      keep(static_cast<float>(in[192 + t]));
      keep(static_cast<float>(in[192 + t] & 255U));
      put(static_cast<unsigned>(static_cast<int>(a / 64)));
      put(static_cast<unsigned>(__builtin_fabsf(a) / 64));
      put(a < b ? 1 : 2);
      put(!(a <= b) ? 1 : 2);
      put(__builtin_isinf(a * 1e30F * 1e10F) ? 1 : 2);
      keep(__builtin_ldexpf(a, n % 16));
      keep(a < 0 ? 0 : a > 1 ? 1 : a);
      keep(static_cast<float>(static_cast<double>(a) * 3));
    });

TEST_CASE("floats of 32 bits are computed as by the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, floats_text, floats::run, 4, 25) == "");
}

DEVICE_TWIN(
    doubles,
    static double number(unsigned high, unsigned low) {
      const auto bits =
          static_cast<unsigned long long>((high & 0x800fffffU) | (993U + (high >> 24 & 63U)) << 20) << 32 | low;
      return __builtin_bit_cast(double, bits);
    } static void run(unsigned t, const unsigned* in, unsigned* out) {
      const double a = number(in[t], in[64 + t]);
      const double b = number(in[128 + t], in[192 + t]);
      const int n = static_cast<int>(in[256 + t]);
      unsigned w = 0;
      const auto put = [&](unsigned value) { out[64 * w++ + t] = value; };
      const auto keep = [&](double value) {
        const auto bits = __builtin_bit_cast(unsigned long long, value);
        put(static_cast<unsigned>(bits));
        put(static_cast<unsigned>(bits >> 32));
      };
      keep(a + b);
      keep(a - b);
      keep(a * b);
      keep(a / b);
      keep(__builtin_fma(a, b, -a));
      keep(__builtin_sqrt(__builtin_fabs(a)));
      keep(__builtin_fmin(a, b));
      keep(__builtin_fmax(a, 1.5));
      keep(__builtin_floor(a));
      keep(__builtin_ceil(a));
      keep(__builtin_trunc(a));
      keep(__builtin_rint(a));
      keep(static_cast<double>(n));
      keep(static_cast<double>(in[256 + t]));
      keep(static_cast<double>(static_cast<long long>(a)));
      keep(static_cast<double>(static_cast<unsigned long long>(in[t]) << 32 | in[64 + t]));
      keep(__builtin_ldexp(a, n % 100));
      put(static_cast<unsigned>(static_cast<int>(a / 16)));
      put(static_cast<unsigned>(__builtin_fabs(a) / 16));
      put(__builtin_bit_cast(unsigned, static_cast<float>(a)));
      put(a < b ? 1 : 2);
      put(__builtin_isinf(a * 1e300 * 1e300) ? 1 : 2);
    });

TEST_CASE("floats of 64 bits are computed as by the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, doubles_text, doubles::run, 5, 39) == "");
}

DEVICE_TWIN(
    halves, using half = _Float16; static half number(unsigned bits) {
      return __builtin_bit_cast(half, static_cast<unsigned short>((bits & 0x83ffU) | (5U + (bits >> 16 & 15U)) << 10));
    } static unsigned bits_of(half value) { return __builtin_bit_cast(unsigned short, value); }
    static void run(unsigned t, const unsigned* in, unsigned* out) {
      const half a = number(in[t]);
      const half b = number(in[64 + t]);
      const auto x = static_cast<float>(a);
      const auto y = static_cast<float>(b);
      unsigned w = 0;
      const auto put = [&](unsigned value) { out[64 * w++ + t] = value; };
      const auto keep = [&](float value) { put(bits_of(static_cast<half>(value))); };
      // The device may do these in 16 bits at once; one rounding is one rounding.
      keep(static_cast<half>(x + y));
      keep(static_cast<half>(x - y));
      keep(static_cast<half>(x * y));
      keep(static_cast<half>(x / y));
      keep(__builtin_floorf(x));
      keep(__builtin_truncf(x));
      keep(__builtin_fabsf(x));
      keep(-x);
      keep(x < y ? x : y);
      keep(static_cast<float>(static_cast<short>(in[t])));
      put(static_cast<unsigned>(static_cast<int>(x)));
      put(__builtin_bit_cast(unsigned, x * y + 1.0F));
      put(a < b ? 1 : 2);
      put(bits_of(a) | bits_of(b) << 16);
    });

TEST_CASE("floats of 16 bits are computed as by the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, halves_text, halves::run, 2, 14) == "");
}

DEVICE_TWIN(
    memories, DEVICE_CONSTANT static const unsigned table[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
    __attribute__((noinline)) static unsigned leaf(unsigned x, unsigned* p) {
      p[x & 7] += x * 5;
      return p[(x + 1) & 7] ^ x;
    } __attribute__((noinline)) static unsigned depth(unsigned n, unsigned* p) {
      return n == 0 ? p[0] : leaf(n, p) + depth(n - 1, p) * 3;
    } static void run(unsigned t, const unsigned* in, unsigned* out) {
      unsigned words[40];
      for (unsigned i = 0; i < 40; ++i) {
        words[i] = in[64 * (i % 3) + t] + i;
      }
      unsigned char bytes[24];
      for (unsigned i = 0; i < 24; ++i) {
        bytes[i] = static_cast<unsigned char>(in[t] >> (i % 4 * 8));
      }
      unsigned short halves[8];
      for (unsigned i = 0; i < 8; ++i) {
        halves[i] = static_cast<unsigned short>(in[64 + t] >> i);
      }
      out[t] = words[in[t] % 40];
      out[64 + t] = bytes[in[64 + t] % 24] + static_cast<unsigned>(static_cast<signed char>(bytes[in[t] % 24]));
      out[128 + t] = halves[in[128 + t] % 8] + static_cast<unsigned>(static_cast<short>(halves[in[t] % 8]));
      out[192 + t] = table[in[t] % 16];
      out[256 + t] = leaf(in[t], words);
      out[320 + t] = depth(in[t] % 5, words + in[64 + t] % 8);
      // A pointer that may be to either.
      const unsigned* const p = (in[t] & 1) != 0 ? words : in;
      out[384 + t] = p[in[128 + t] % 40];
    });

TEST_CASE("scratch, calls, recursion, tables of constants and pointers to either memory work as on the host") {
  const SimulatedAmd amd;
  CHECK(differences(amd, memories_text, memories::run, 3, 7) == "");
}

TEST_CASE("without optimization all variables are in scratch, and results are the same") {
  const SimulatedAmd amd;
  const std::string begin = "#pragma clang optimize off\n";
  CHECK(differences(amd, (begin + whole_numbers_text).c_str(), whole_numbers::run, 3, 24) == "");
  CHECK(differences(amd, (begin + memories_text).c_str(), memories::run, 3, 7) == "");
  CHECK(differences(amd, (begin + wide_numbers_text).c_str(), wide_numbers::run, 5, 34) == "");
}

}  // namespace sinter
