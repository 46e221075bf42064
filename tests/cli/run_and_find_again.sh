#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A kernel is compiled once, found on disk by the next process, right both times, and shown by the cache tools.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

for quant in none fp8_block; do
  type=bf16; scales=()
  [ $quant = fp8_block ] && { type=e4m3; scales=('a_scale=f32[101,2]' 'b_scale=f32[5,3,2]'); }
  expect 0 "$sinter" sample "a=${type}[101,208]" "b=${type}[5,272,208]" "row_offsets=lengths(7,0,60,33,1)" "${scales[@]}" --output "$quant.safetensors"
  expect 0 "$sinter" run grouped_gemm --input $quant.safetensors --output d.safetensors --json
  [ "$(json 'd["code"]["origin"], d["check"]["ok"]')" = "('compiled', True)" ] || die "not compiled, or wrong: $(cat out)"
  [ -s d.safetensors ] || die "no output was written"
  expect 0 "$sinter" run grouped_gemm --input $quant.safetensors --json
  [ "$(json 'd["code"]["origin"], d["check"]["ok"]')" = "('disk', True)" ] || die "not found on disk: $(cat out)"
done
expect 0 "$sinter" sample 'x=bf16[33,400]' --output x.safetensors
expect 0 "$sinter" run quantize --input x.safetensors --output q.safetensors --param scale=pow2
out_has "ok"

expect 0 "$sinter" cache list --json
[ "$(json 'len(d["entries"])')" = 3 ] || die "three entries were expected"
key=$(json 'd["entries"][0]["key"]')
expect 0 "$sinter" cache show "$key" --code-object code --source source --json
[ "$(json 'd["problem"], d["key"]')" = "(None, '$key')" ] || die "show: $(cat out)"
readelf -h code >header || die "the code object is no ELF file"
grep -q SINTER_KERNEL source || die "the source is not there"
expect 0 "$sinter" cache show "${key:0:10}"
out_has "key fields"
expect 0 "$sinter" cache verify
out_has "3 entries checked, 0 damaged"
