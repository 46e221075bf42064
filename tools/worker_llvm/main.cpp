// SPDX-License-Identifier: Apache-2.0

// sinter-worker-llvm: compiles kernels with clang and lld for the process that started it.

#include "tools/worker_llvm/llvm_worker.h"

int main(int argc, char** argv) {
  sinter::LlvmWorker worker;
  return sinter::worker_main(argc, argv, worker);
}
