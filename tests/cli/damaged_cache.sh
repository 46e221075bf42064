#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A flipped byte in the stored code is found, never run, and healed by compiling again.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

expect 0 "$sinter" sample 'a=bf16[40,96]' 'b=bf16[3,80,96]' 'row_offsets=lengths(30,0,10)' --output x.safetensors
expect 0 "$sinter" run grouped_gemm --input x.safetensors --repeat 1
python3 - <<'PY'
import glob
# The row is in the write-ahead log until a checkpoint, in the database after it.
flipped = 0
for path in glob.glob('cache/*.db') + glob.glob('cache/*.db-wal'):
    data = bytearray(open(path, 'rb').read())
    at = data.find(b'\x7fELF')
    while at >= 0:
        data[at + 200] ^= 0x10
        flipped += 1
        at = data.find(b'\x7fELF', at + 1)
    open(path, 'r+b').write(data)
assert flipped
PY
expect 0 "$sinter" run grouped_gemm --input x.safetensors --repeat 1 --json
[ "$(json 'd["code"]["origin"], d["check"]["ok"]')" = "('compiled', True)" ] || die "a damaged entry was used: $(cat out)"
expect 0 "$sinter" run grouped_gemm --input x.safetensors --repeat 1 --json
[ "$(json 'd["code"]["origin"]')" = disk ] || die "the cache did not heal: $(cat out)"
