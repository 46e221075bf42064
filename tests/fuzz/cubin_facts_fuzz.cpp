// SPDX-License-Identifier: Apache-2.0

// Facts of NVIDIA machine code.

#include "tests/fuzz/facts.h"
#include "tools/worker/cubin_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sinter;
  fuzz::check_facts(read_cubin_facts(fuzz::bytes_of(data, size), fuzz::kSeedEntry));
  return 0;
}
