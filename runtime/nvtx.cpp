// SPDX-License-Identifier: Apache-2.0
#include "runtime/nvtx.h"

#include <array>
#include <string>

#include "base/dyn_lib.h"

namespace sinter {

Result<std::unique_ptr<const Nvtx>> Nvtx::open() {
  // The library of NVTX 3 for programs that do not include its headers, and the one of CUDA 12 and before.
  const std::array<std::string, 3> names = {"libnvtx3interop.so.1", "libnvtx3interop.so", "libnvToolsExt.so.1"};
  SINTER_TRY(const DynLib library, DynLib::open_first(names));
  std::unique_ptr<Nvtx> nvtx(new Nvtx);
  SINTER_TRY_VOID(library.bind({{"nvtxRangePushA", &nvtx->push_}, {"nvtxRangePop", &nvtx->pop_}}));
  return std::unique_ptr<const Nvtx>(std::move(nvtx));
}

}  // namespace sinter
