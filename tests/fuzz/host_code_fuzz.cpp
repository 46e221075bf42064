// SPDX-License-Identifier: Apache-2.0

// Host code objects before they are loaded: any bytes are judged without a read outside of them, and the verdict does
// not hang on bytes behind the file's end, which no segment has.

#include <vector>

#include "runtime/device/host_elf.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sinter;
  const auto file = fuzz::bytes_of(data, size);
  const auto checked = check_host_code(file);
  if (!checked) {
    fuzz::check_refusal(checked.error(), {ErrorCode::kUnsupported});
    return 0;
  }
  std::vector<std::byte> longer(file.begin(), file.end());
  longer.resize(longer.size() + 64, std::byte{0xff});
  SINTER_CHECK(check_host_code(longer), "bytes behind the end change the verdict");
  return 0;
}
