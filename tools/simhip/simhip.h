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

/** Name and version of the kernel driver that is simulated: SINTER_SIMHIP_DRIVER, else "simhip 1". Under the name
    simhip-fixed no wave loses registers; under a real driver's name ("amdgpu 6.10.5") checks treat it like that one. */
const char* sinter_simhip_driver(void);

/** Of all launches so far. */
struct sinter_simhip_counters {
  uint64_t launches;
  uint64_t wave_instructions;
  uint64_t vector_memory_instructions; /**< Executed; an instruction that VSKIP skips is not. */
  uint64_t skipped_instructions;       /**< By VSKIP. */
};

void sinter_simhip_get_counters(struct sinter_simhip_counters* counters);

/** Copies what went wrong in a launch, or "": kernel, work-group, wave, instruction and address, and for memory
    the allocation and offset. Cut to `bytes`. The first fault stays until hipDeviceReset, as an AMD device's does. */
void sinter_simhip_get_fault(char* text, uint64_t bytes);

/** Whether a launch from now on fails when it reads local memory that its work-group never wrote. Otherwise such
    memory is NaN. Off at first: padding that is read and thrown away is no error. */
void sinter_simhip_fault_on_unwritten_lds(int on);

#ifdef __cplusplus
}
#endif
#endif
