#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Processes that start at once on one key are all right, and leave one entry.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

expect 0 "$sinter" sample 'a=bf16[40,96]' 'b=bf16[3,80,96]' 'row_offsets=lengths(30,0,10)' --output x.safetensors
pids=()
for i in 1 2 3 4; do
  "$sinter" run grouped_gemm --input x.safetensors --repeat 1 >"out$i" 2>&1 &
  pids+=($!)
done
for pid in "${pids[@]}"; do
  wait "$pid" || die "a process failed: $(cat out?)"
done
expect 0 "$sinter" cache list --json
[ "$(json 'len(d["entries"])')" = 1 ] || die "one entry was expected: $(cat out)"
expect 0 "$sinter" cache verify
