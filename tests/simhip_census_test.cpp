// SPDX-License-Identifier: Apache-2.0

// Which instructions of an arch the simulator does not execute, by LLVM's disassembler, and why each is left out.

#include <set>
#include <sstream>

#include "tests/support/simulated_amd.h"

namespace sinter {
namespace {

using testing::SimulatedAmd;

struct LeftOut {
  std::string_view part;  ///< Of the mnemonic.
  std::string_view reason;
};

constexpr LeftOut kLeftOut[] = {
    {"_format_", "typed buffers, of graphics"},
    {"v_cube", "textures"},
    {"v_screen_partition", "graphics"},
    {"ds_gws_", "global wave sync is not simulated"},
    {"s_atomic_", "scalar memory writes: no compiler emits them"},
    {"s_buffer_atomic_", "as above"},
    {"s_store_", "as above"},
    {"s_buffer_store_", "as above"},
    {"s_scratch_", "as above"},
    {"s_dcache_discard", "as above"},
    {"s_atc_probe", "address translation is not simulated"},
    {"_fork", "fork and join of branches: no compiler emits them"},
    {"s_cbranch_join", "as above"},
    {"s_cbranch_cdbg", "the debugger is not simulated"},
    {"s_sethalt", "as above"},
    {"s_setkill", "as above"},
    {"s_ttracedata", "as above"},
    {"s_rfe_", "the trap handler is not simulated"},
    {"s_endpgm_", "as above"},
    {"v_clrexcp", "floating-point exceptions are not simulated"},
    {"s_sendmsg", "messages to the host are not simulated"},
    {"_sr_", "stochastic rounding: which bits of the seed count is not published"},
    {"_legacy_f", "what earlier archs did; no compiler asks for it"},
    {"v_cvt_pkaccum_", "no compiler emits it"},
    {"buffer_store_lds_", "no compiler emits it"},
    {"scratch_load_lds_", "no compiler emits it"},
    {"global_load_lds_s", "no compiler emits it"},
    {"ds_cmpst_", "of floats; no compiler emits it"},
    {"ds_condxchg32_", "no compiler emits it"},
    {"ds_mskor_", "no compiler emits it"},
    {"ds_wrap_", "no compiler emits it"},
    {"ds_wrxchg2", "no compiler emits it"},
    {"_addtid_", "no compiler emits it"},
    {"qsad_", "differences of video blocks, by builtins alone"},
    {"v_trig_preop_", "2 / pi to 1200 bits, for the sine of large numbers of 64 bits"},
    {"v_mfma_ld_scale_", "half of v_mfma_scale, which is known"},
    {"f64_dpp", "64-bit sources from another lane, by builtins alone"},
    {"_f64_f32_dpp", "as above"},
    {"_f64_i32_dpp", "as above"},
    {"_f64_u32_dpp", "as above"},
};

std::string missing_instructions(const char* arch, std::uint64_t& known) {
  auto* const missing =
      testing::simulator_function<std::uint64_t(const char*, char*, std::uint64_t, std::uint64_t*)>(
          "sinter_simhip_missing_instructions");
  std::string text(1 << 18, '\0');
  missing(arch, text.data(), text.size(), &known);
  text.resize(text.find('\0'));
  return text;
}

}  // namespace

TEST_CASE("every instruction that LLVM knows for the device is executed or left out for a reason") {
  const SimulatedAmd amd;
  std::uint64_t known = 0;
  std::istringstream lines(missing_instructions(amd.device().properties.arch.c_str(), known));
  CHECK(known > 1600);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find(':'));
    const auto explains = [&name](const LeftOut& left_out) { return name.find(left_out.part) != std::string::npos; };
    CAPTURE(line);
    CHECK(std::ranges::any_of(kLeftOut, explains));
  }
}

TEST_CASE("no instruction is left out that the simulator executes") {
  const SimulatedAmd amd;
  if (amd.device().properties.arch != "gfx942") {
    return;  // one device asks for every arch
  }
  std::string all;
  for (const char* const arch : {"gfx90a", "gfx942", "gfx950"}) {
    std::uint64_t known = 0;
    all += missing_instructions(arch, known);
  }
  for (const LeftOut& left_out : kLeftOut) {
    CAPTURE(left_out.part);
    CHECK(all.find(left_out.part) != std::string::npos);
  }
}

}  // namespace sinter
