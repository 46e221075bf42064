#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A compile that failed is remembered with its log, across processes, and tried again once it is forgotten.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

fake=$build/tests/support/fake_worker
[ -x "$fake" ] || exit 77
mkdir workers
ln -s "$fake" workers/sinter-worker-llvm
export SINTER_WORKER_DIR=$work/workers SINTER_WORKER_LOG=$work/log
echo '{"kernels": [{"family": "grouped_gemm", "n": 64, "k": 64, "groups": 2}]}' >m.json
build_kernel() { "$sinter" prebuild --manifest m.json --arch x86-64-v3; }

expect 0 "$sinter" cache forget
out_has "0 failed compiles forgotten"

echo 'grouped_gemm refuse' >workers/behaviour
expect 1 build_kernel
out_has "it does not compile"
expect 1 build_kernel
out_has "remembered since"
out_has "kernel.hip:1:1: error"
[ "$(wc -l <log)" -eq 1 ] || die "compiled again: $(cat log)"

rm workers/behaviour
expect 1 build_kernel
expect 0 "$sinter" cache forget 0123456789abcdef0123456789abcdef
out_has "0 failed compiles forgotten"
expect 0 "$sinter" cache forget --json
[ "$(json 'd["forgotten"]')" = 1 ] || die "one was expected: $(cat out)"
expect 0 build_kernel
[ "$(wc -l <log)" -eq 2 ] || die "two compiles were expected: $(cat log)"

expect 2 "$sinter" cache forget not-hex
one_message
