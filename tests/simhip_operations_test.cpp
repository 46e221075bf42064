// SPDX-License-Identifier: Apache-2.0

// What clang has builtins for and hosts have not: lanes that read each other, local memory, atomic operations, buffers,
// loads past the registers, and memory instructions that VSKIP skips. Run once per device.

#include <numeric>

#include "tests/support/device_twin.h"

// The beginning of a kernel of 64 threads; its body follows.
#define KERNEL                                                                                                \
  "extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(64, 64))) void kernel(const unsigned* in, " \
  "unsigned* out) { const unsigned t = __builtin_amdgcn_workitem_id_x(); "

namespace sinter {
namespace {

using testing::SimulatedAmd;

std::vector<std::uint32_t> counted() {
  std::vector<std::uint32_t> in(64);
  std::iota(in.begin(), in.end(), 100U);
  return in;
}

/// What each lane ends with.
std::vector<std::uint32_t> lanes_of(const SimulatedAmd& amd, const std::string& body) {
  return testing::run_on_device(amd, KERNEL + body + " }", counted(), 64);
}

}  // namespace

TEST_CASE("DPP reads the lanes of its pattern, and keeps or clears those that have no source") {
  const SimulatedAmd amd;
  const auto dpp = [&amd](const std::string& control, const std::string& rest) {
    return lanes_of(amd, "out[t] = __builtin_amdgcn_update_dpp(7, in[t], " + control + ", " + rest + ");");
  };
  struct Case {
    std::string control;
    unsigned (*from)(unsigned lane);  // 64: nowhere
  };
  const Case cases[] = {
      {"0x1b", [](unsigned lane) { return lane ^ 3U; }},                                   // quad_perm:[3,2,1,0]
      {"0x101", [](unsigned lane) { return lane % 16 == 15 ? 64U : lane + 1; }},           // row_shl:1
      {"0x113", [](unsigned lane) { return lane % 16 < 3 ? 64U : lane - 3; }},             // row_shr:3
      {"0x122", [](unsigned lane) { return (lane & 48U) | ((lane - 2) & 15U); }},          // row_ror:2
      {"0x130", [](unsigned lane) { return lane + 1; }},                                   // wave_shl:1
      {"0x138", [](unsigned lane) { return lane == 0 ? 64U : lane - 1; }},                 // wave_shr:1
      {"0x13c", [](unsigned lane) { return (lane + 63) % 64; }},                           // wave_ror:1
      {"0x140", [](unsigned lane) { return lane ^ 15U; }},                                 // row_mirror
      {"0x141", [](unsigned lane) { return lane ^ 7U; }},                                  // row_half_mirror
      {"0x142", [](unsigned lane) { return lane < 16 ? 64U : (lane & 48U) - 1; }},         // row_bcast:15
      {"0x143", [](unsigned lane) { return lane < 32 ? 64U : 31U; }},                      // row_bcast:31
      {"0x155", [](unsigned lane) { return (lane & 48U) | 5U; }},                          // row_newbcast:5
  };
  for (const Case& one : cases) {
    CAPTURE(one.control);
    std::vector<std::uint32_t> kept(64), cleared(64), masked(64);
    for (unsigned lane = 0; lane < 64; ++lane) {
      const unsigned from = one.from(lane);
      kept[lane] = from < 64 ? 100 + from : 7;
      cleared[lane] = from < 64 ? 100 + from : 0;
      masked[lane] = lane / 16 % 2 == 1 && lane % 16 / 4 != 0 && from < 64 ? 100 + from : 7;
    }
    CHECK(dpp(one.control, "15, 15, false") == kept);
    CHECK(dpp(one.control, "15, 15, true") == cleared);
    CHECK(dpp(one.control, "10, 14, false") == masked);
  }
}

TEST_CASE("permutations, swizzles, ballots and lane reads exchange what they name") {
  const SimulatedAmd amd;
  const auto expect = [](auto value) {
    std::vector<std::uint32_t> lanes(64);
    for (unsigned lane = 0; lane < 64; ++lane) {
      lanes[lane] = value(lane);
    }
    return lanes;
  };
  CHECK(lanes_of(amd, "out[t] = __builtin_amdgcn_ds_bpermute((t * 5 + 3) * 4, in[t]);") ==
        expect([](unsigned lane) { return 100 + (lane * 5 + 3) % 64; }));
  CHECK(lanes_of(amd, "out[t] = __builtin_amdgcn_ds_permute((t ^ 9) * 4, in[t]);") ==
        expect([](unsigned lane) { return 100 + (lane ^ 9U); }));
  CHECK(lanes_of(amd, "out[t] = __builtin_amdgcn_ds_swizzle(in[t], 0x401f);") ==  // exchanges halves of 32
        expect([](unsigned lane) { return 100 + (lane ^ 16U); }));
  CHECK(lanes_of(amd, "out[t] = __builtin_amdgcn_ds_swizzle(in[t], 0x804e);") ==  // quads 2,3,0,1
        expect([](unsigned lane) { return 100 + (lane ^ 2U); }));
  CHECK(lanes_of(amd, "out[t] = __builtin_amdgcn_readlane(in[t], 17) + __builtin_amdgcn_readfirstlane(in[t] * 2);") ==
        expect([](unsigned) { return 117U + 200U; }));
  CHECK(lanes_of(amd, "const unsigned long long b = __builtin_amdgcn_ballot_w64(in[t] % 3 == 0); "
                      "out[t] = __builtin_popcountll(b & ((1ULL << t) - 1));") ==
        expect([](unsigned lane) { return (100 + lane - 1) / 3 - 33; }));
}

TEST_CASE("local memory of every width and atomic operations on it work as the program says") {
  const SimulatedAmd amd;
  const std::string shared = "static __attribute__((shared)) ";
  const std::vector<std::uint32_t> bytes =
      lanes_of(amd, shared + "unsigned char b[256]; " + shared +
                        "unsigned short h[64]; b[t * 3] = in[t]; h[t] = in[t] * 700; "
                        "__builtin_amdgcn_s_barrier(); out[t] = b[(63 - t) * 3] + ((short)h[t ^ 1] << 8);");
  const std::vector<std::uint32_t> sums = lanes_of(
      amd, shared + "unsigned sum; " + shared + "unsigned long long wide; " + shared + "float real; " + shared +
               "unsigned most; " + shared +
               "unsigned claims; if (t == 0) { sum = 5; wide = 1ULL << 40; real = 0.5f; most = 0; claims = 0; } "
               "__builtin_amdgcn_s_barrier(); __atomic_fetch_add(&sum, in[t], 0); __atomic_fetch_add(&wide, (unsigned "
               "long long)in[t], 0); "
               "__scoped_atomic_fetch_add(&real, (float)t, 0, 1); __atomic_fetch_max(&most, in[t], 0); "
               "const unsigned before = __atomic_fetch_add(&claims, 1u, 0); __builtin_amdgcn_s_barrier(); "
               "out[t] = t == 0 ? sum : t == 1 ? (unsigned)wide + (unsigned)(wide >> 32) : t == 2 ? (unsigned)real : t "
               "== 3 ? most : before;");
  for (unsigned lane = 0; lane < 64; ++lane) {
    CAPTURE(lane);
    const auto half = static_cast<std::int16_t>((100 + (lane ^ 1U)) * 700);
    CHECK(bytes[lane] == ((100 + 63 - lane) & 255U) + (static_cast<std::uint32_t>(half) << 8));
  }
  CHECK(sums[0] == 5 + 64 * 100 + 2016);
  CHECK(sums[1] == 64 * 100 + 2016 + 256);
  CHECK(sums[2] == 2016);
  CHECK(sums[3] == 163);
  CHECK(std::accumulate(sums.begin() + 4, sums.end(), 0U) == 2016 - 0 - 1 - 2 - 3);
}

TEST_CASE("atomic operations in memory return what was there and leave what they should") {
  const SimulatedAmd amd;
  const std::vector<std::uint32_t> out = testing::run_on_device(
      amd,
      KERNEL
      "if (t < 16) { out[t] = 0; } __builtin_amdgcn_fence(5, \"agent\"); "
      "const unsigned before = __atomic_fetch_add(out, in[t], 0); __atomic_fetch_or(out + 1, 1u << (t & 31), 0); "
      "__atomic_fetch_sub(out + 2, t, 0); __atomic_fetch_min((int*)out + 3, -(int)t, 0); "
      "unsigned expected = 0; __atomic_compare_exchange_n(out + 4, &expected, t + 1, false, 0, 0); "
      "__scoped_atomic_fetch_add((float*)out + 5, 1.5f, 0, 1); __scoped_atomic_fetch_add((double*)(out + 6), 0.25, 0, "
      "1); "
      "__atomic_fetch_add((unsigned long long*)(out + 8), 1ULL << 33, 0); "
      "__atomic_exchange_n(out + 10, 9u, 0); out[64 + t] = before; }",
      counted(), 128);
  CHECK(out[0] == 64 * 100 + 2016);
  CHECK(out[1] == 0xffffffffU);
  CHECK(out[2] == 0U - 2016);
  CHECK(out[3] == 0U - 63);
  CHECK(out[4] == 1);
  CHECK(std::bit_cast<float>(out[5]) == 96);
  CHECK(std::bit_cast<double>(std::uint64_t{out[7]} << 32 | out[6]) == 16);
  CHECK(out[9] == 128);
  CHECK(out[10] == 9);
  CHECK(out[64] == 0);
  CHECK(out[64 + 63] == 64 * 100 + 2016 - 163);
}

TEST_CASE("a pointer to either memory is read, written and changed atomically where it points") {
  const SimulatedAmd amd;
  const std::vector<std::uint32_t> out = lanes_of(
      amd,
      "static __attribute__((shared)) unsigned x[64]; unsigned mine[4] = {1, 2, 3, t}; x[t] = t * 2; out[t] = 1000; "
      "__builtin_amdgcn_s_barrier(); unsigned* p = t % 3 == 0 ? x + t : t % 3 == 1 ? mine + 3 : out + t; "
      "*(volatile unsigned*)p += 5; __atomic_fetch_add(p, 10u, 0); out[t] = *(volatile unsigned*)p;");
  for (unsigned lane = 0; lane < 64; ++lane) {
    const std::uint32_t before = lane % 3 == 0 ? lane * 2 : lane % 3 == 1 ? lane : 1000;
    CHECK(out[lane] == before + 15);
  }
}

TEST_CASE("buffers read 0 behind their end and write nothing there") {
  const SimulatedAmd amd;
  const std::vector<std::uint32_t> out =
      lanes_of(amd,
               "const auto from = __builtin_amdgcn_make_buffer_rsrc((void*)in, 0, 40 * 4, 0); "
               "const auto to = __builtin_amdgcn_make_buffer_rsrc((void*)out, 0, 60 * 4, 0); "
               "__builtin_amdgcn_raw_buffer_store_b32(__builtin_amdgcn_raw_buffer_load_b32(from, t * 4, 8, 0), to, t * "
               "4, 0, 0);");
  for (unsigned lane = 0; lane < 64; ++lane) {
    CHECK(out[lane] == (lane < 40 ? (lane < 62 ? 100 + lane + 2 : 0) : lane < 60 ? 0 : 0x5a5a5a5aU));
  }
}

TEST_CASE("loads to LDS past the registers arrive lane after lane, once waited for") {
  const SimulatedAmd amd;
  const std::vector<std::uint32_t> out = lanes_of(
      amd, "static __attribute__((shared)) unsigned x[64]; "
           "__builtin_amdgcn_global_load_lds((__attribute__((address_space(1))) void*)(in + (63 - t)), "
           "(__attribute__((address_space(3))) void*)x, 4, 0, 0); "
           "asm volatile(\"s_waitcnt vmcnt(0)\" ::: \"memory\"); out[t] = x[t];");
  for (unsigned lane = 0; lane < 64; ++lane) {
    CHECK(out[lane] == 163 - lane);
  }
}

TEST_CASE("memory instructions that VSKIP skips do nothing and are not waited for") {
  const SimulatedAmd amd;
  const auto before = testing::counters();
  const std::vector<std::uint32_t> out =
      lanes_of(amd,
               "unsigned v = 3; out[t] = 1; asm volatile(\"s_waitcnt vmcnt(0)\\ns_setvskip 1, 0\\nglobal_load_dword "
               "%0, %1, off\\n"
               "global_store_dword %1, %0, off\\nv_add_u32_e32 %0, 1, %0\\ns_setvskip 0, 0\\nv_add_u32_e32 %0, 5, %0\" "
               ": \"+v\"(v) : \"v\"(out + t) : \"memory\"); out[t] = v + out[t] * 10;");
  CHECK(out == std::vector<std::uint32_t>(64, 8 + 10));
  CHECK(testing::counters().skipped_instructions - before.skipped_instructions == 3);
}

TEST_CASE("a fault names the source line where line tables were asked for") {
  const SimulatedAmd amd;
  const std::string source = std::string("#line 7 \"wrong.cpp\"\n") +
                             "extern \"C\" __attribute__((global)) void kernel(unsigned* out) {\n"
                             "  out[1] = 5;\n  out[100000] = 7;\n}";
  CHECK_THAT(amd.fault_of_code(SimulatedAmd::compile(amd.device().properties.arch, source,
                                                     {"-debug-info-kind=line-tables-only", "-dwarf-version=5"})),
             Catch::Matchers::Contains("wrong.cpp:9]"));
  CHECK_THAT(amd.fault_of(source), !Catch::Matchers::Contains("wrong.cpp"));
}

}  // namespace sinter
