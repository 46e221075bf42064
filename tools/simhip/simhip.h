/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SINTER_SIMHIP_H
#define SINTER_SIMHIP_H

/* What libsinter-simhip.so exports besides HIP's functions: that it is no hardware, and what happened on it.
   Thread-safe. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** 1. Who finds this symbol marks results as simulated. */
extern const int sinter_simhip_simulated;

/** Makes the process's device the one of that name ("MI300X"), whatever SINTER_SIMHIP_DEVICE says. 0, or 1 with the
    reason in `problem`, cut to `bytes`: there is no such device, or the process has another one already. */
int sinter_simhip_select(const char* name, char* problem, uint64_t bytes);

/** Name and version of the kernel driver that is simulated: SINTER_SIMHIP_DRIVER, else "simhip 1". Under the name
    simhip-fixed no wave loses registers; under a real driver's name ("amdgpu 6.10.5") checks treat it like that one. */
const char* sinter_simhip_driver(void);

/** Of all launches so far. */
struct sinter_simhip_counters {
  uint64_t launches;
  uint64_t wave_instructions;
  uint64_t vector_memory_instructions; /**< Executed; an instruction that VSKIP skips is not. */
  uint64_t skipped_instructions;       /**< By VSKIP. */
  uint64_t preemptions;
};

void sinter_simhip_get_counters(struct sinter_simhip_counters* counters);

/** Copies what went wrong in a launch, or "": kernel, work-group, wave, instruction and address, and for memory
    the allocation and offset. Cut to `bytes`. The first fault stays until hipDeviceReset, as an AMD device's does. */
void sinter_simhip_get_fault(char* text, uint64_t bytes);

/** Whether a launch from now on fails when it reads local memory that its work-group never wrote. Otherwise such
    memory is NaN. Off at first: padding that is read and thrown away is no error. */
void sinter_simhip_fault_on_unwritten_lds(int on);

/** What hardware hides and a launch from now on fails for. A sum of these; SINTER_SIMHIP_CHECKS sets it at first, as a
    list of the names "waits,unwritten,states,lds,races" or "all", else 0. */
enum sinter_simhip_check {
  SINTER_SIMHIP_CHECK_WAITS = 1,         /**< A register or LDS word used before the s_waitcnt that it needs. */
  SINTER_SIMHIP_CHECK_UNWRITTEN = 2,     /**< A register read that nothing wrote. */
  SINTER_SIMHIP_CHECK_WAIT_STATES = 4,   /**< Too few instructions or s_nop where hardware does not wait. */
  SINTER_SIMHIP_CHECK_UNWRITTEN_LDS = 8, /**< sinter_simhip_fault_on_unwritten_lds. */
  SINTER_SIMHIP_CHECK_RACES = 16 /**< Local memory that two waves touch between barriers, one of them writing. */
};
void sinter_simhip_set_checks(uint32_t checks);

/** The instructions of a whole code object that the simulator does not know, one per line with the reason, cut to
    `bytes`. Returns how many there are; also those that no kernel would reach. Needs no device. */
uint64_t sinter_simhip_unknown_instructions(const void* image, char* text, uint64_t bytes);

/** The instructions that LLVM knows for an arch ("gfx942") and the simulator does not execute, one per line with the
    reason, cut to `bytes`. Returns how many there are, and in `known` how many it does execute. Needs no device. */
uint64_t sinter_simhip_missing_instructions(const char* arch, char* text, uint64_t bytes, uint64_t* known);

/** Preempts each wave of launches from now on at random, on average every `one_in` instructions, 0 for never: it is
    saved and put back as the amdgpu driver's trap handler does. `fixed_handler` 0: one that saves while the wave's
    VSKIP is set, and so loses its vector registers then. 1: one that clears VSKIP first. SINTER_SIMHIP_PREEMPT sets
    "one_in" or "one_in,seed" at first; the handler is then the fixed one if sinter_simhip_driver's name is
    simhip-fixed. */
void sinter_simhip_set_preemption(uint32_t one_in, uint32_t seed, int fixed_handler);

#ifdef __cplusplus
}
#endif
#endif
