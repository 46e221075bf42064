#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A worker that is killed in the middle of a compile costs a retry, not the kernel.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

echo '{"kernels": [{"family": "grouped_gemm", "quant": "fp8_block", "n": 272, "k": 400, "groups": 3}]}' >m.json
"$sinter" prebuild --manifest m.json --arch gfx90a -j 1 --json >out 2>err &
run=$!
killed=0
while kill -0 "$run" 2>/dev/null; do
  # Of this run alone: workers are children of the process that asked for them.
  for worker in $(pgrep -P "$run"); do
    # Ticks of 10 ms in user mode and in the kernel. Starting takes about 10 of them, this compile about 50.
    { read -r -a stat <"/proc/$worker/stat"; } 2>/dev/null || continue
    if [ "$killed" -eq 0 ] && [ $((stat[13] + stat[14])) -ge 20 ]; then
      kill -9 "$worker" && killed=1
    fi
  done
  sleep 0.01
done
wait "$run" || die "the run failed: $(cat err)"
[ "$killed" -eq 1 ] || die "no worker was caught while it compiled"
[ "$(json 'd["kernels"][0]["ok"]')" = True ] || die "not built: $(cat out)"
expect 0 "$sinter" cache verify
out_has "1 entries checked, 0 damaged"
