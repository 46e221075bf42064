#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input gets one message with the value and what is allowed, the right exit code, and writes nothing.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

expect 0 "$sinter" sample 'a=bf16[8,64]' 'b=bf16[2,64,64]' 'row_offsets=lengths(3,5)' --output good.safetensors
run() { local code=$1; shift; expect "$code" "$sinter" run grouped_gemm --output d.safetensors "$@"; [ "$code" -eq 0 ] || one_message; }
[ ! -e d.safetensors ] || die "something was written"

run 2 --input missing.safetensors; err_has "missing.safetensors"
run 2 --input good.safetensors --device cuda; err_has "'cuda'"
run 2 --input good.safetensors --quant fp4; err_has "'fp4'"; err_has "none, fp8_block"
run 2 --input good.safetensors --quant fp8_block; err_has "BF16"
run 2 --input good.safetensors --vskip maybe; err_has "auto, on, off"
run 2 --input good.safetensors --tile 128x128; err_has "MxNxK"
run 1 --input good.safetensors --tile 60000x60000x64; err_has "60000x60000x64"
run 1 --input good.safetensors --vskip on; err_has "s_setvskip"
run 2 --input good.safetensors --param colour=red; err_has "colour"

expect 0 "$sinter" sample 'a=bf16[8,60]' 'b=bf16[2,64,60]' 'row_offsets=lengths(3,5)' --output k60.safetensors
run 2 --input k60.safetensors; err_has "k is 60"; err_has "multiple of 8"
expect 0 "$sinter" sample 'a=bf16[8,64]' 'b=bf16[2,64,72]' 'row_offsets=lengths(3,5)' --output mismatch.safetensors
run 2 --input mismatch.safetensors; err_has "'b'"
head -c 100 good.safetensors >short.safetensors
run 2 --input short.safetensors; err_has "short.safetensors"
printf '\xff\xff\xff\xff\xff\xff\xff\x7f{}' >lie.safetensors
run 2 --input lie.safetensors; err_has "claims a header"

check() { local code=$1; shift; expect "$code" "$sinter" check --family grouped_gemm --n 2816 --k 2048 "$@"; }
check 2 --device MI999; err_has "MI999"; err_has "MI300X"
check 1 --device MI308X --vskip on; out_has "REFUSED"; out_has "MI308X"
check 1 --device "RX 7900 XTX"; out_has "RX 7900 XTX"; out_has "REFUSED"
check 1 --device H200 --vskip on; out_has "s_setvskip"
check 0 --device MI308X --quant fp8_block --tile 128x128x128
check 1 --device MI300X --tile 1024x1024x64; out_has "1024x1024x64"

prebuild() { local code=$1; shift; expect "$code" "$sinter" prebuild --manifest m.json --arch "$@"; [ "$code" -eq 0 ] || one_message; }
echo '{"kernels": [{"family": "grouped_gemm", "n": 64, "k": 64, "groups": 2, "vskip": "of"}]}' >m.json
prebuild 2 gfx942; err_has "kernels[0]"; err_has "'of'"
printf '{"kernels": [\n {"family": "grouped_gemm" "n": 64}]}' >m.json
prebuild 2 gfx942; err_has "line 2, column"
echo '{"kernels": [{"family": "quantize", "k": 128}]}' >m.json
prebuild 2 sm_91; err_has "'sm_91'"; err_has "sm_90a"
expect 2 "$sinter" prebuild --manifest m.json
SINTER_CACHE_DIR='' expect 2 "$sinter" prebuild --manifest m.json --arch gfx942
err_has "--cache DIR"
expect 2 "$sinter" frobnicate
err_has "frobnicate"; err_has "prebuild"
expect 0 "$sinter" cache list
err_has "$SINTER_CACHE_DIR"
expect 0 "$sinter" run grouped_gemm --input good.safetensors
expect 2 "$sinter" cache show xyz
expect 1 "$sinter" cache show 0000000000000000
[ ! -e d.safetensors ] || die "something was written"

# A cache that cannot be had costs one warning.
SINTER_CACHE_DIR=/proc/none expect 0 "$sinter" run grouped_gemm --input good.safetensors
[ "$(grep -c '/proc/none' err)" -eq 1 ] || die "expected one warning about the directory: $(cat err)"
SINTER_CHECKED=perhaps expect 2 "$sinter" devices
err_has "SINTER_CHECKED"
