#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Names of AITER are read into fields, what cannot be read is refused with its position, and error numbers are explained.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset AITER_ENABLE_VSKIP

vs=_ZN5aiter50fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E
expect 0 "$sinter" explain "$vs"
out_has "blockscaleFp8"; out_has "unsafe"; out_has "MI308X"
expect 0 "$sinter" explain "$vs" --json
[ "$(json '[d["out"], d["quant"], d["gate"], d["vskip"], d["activation"], d["workgroups_per_cu"], d["persistent"], d["tile"], d["prefetch"], d["stage"]]')" = \
  "['bf16', 'blockscaleFp8', 'g1u1', True, 'silu', 1, True, [32, 256], None, None]" ] || die "fields: $(cat out)"
expect 0 "$sinter" explain fmoe_stage1_bf16_pertokenFp8_blockscale_g1u1_64x128_2tg_pf3 --device MI300X --json
[ "$(json '[d["stage"], d["prefetch"], d["vskip"], [v["verdict"] for v in d["devices"]]]')" = "[1, 3, None, ['undecided']]" ] || die "fields: $(cat out)"
expect 2 "$sinter" explain fmoe_bf16_blockscaleFp8_g1u1_vs_relu_1tg_ps_32x256; one_message; err_has "position 32"
expect 2 "$sinter" explain _ZN5aiter51fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E; err_has "position 9"
expect 2 "$sinter" explain "$vs" --device MI999; err_has "MI999"
expect 2 "$sinter" explain "$vs" --code-object missing.co; err_has "missing.co"
echo "no code" >text.co
expect 2 "$sinter" explain "$vs" --code-object text.co; err_has "text.co"

expect 0 "$sinter" explain 700; out_has "IllegalAddress"; out_has "98"
expect 0 "$sinter" explain 98 --json
[ "$(json 'd["hip"]')" = hipErrorInvalidDeviceFunction ] || die "98: $(cat out)"
expect 2 "$sinter" explain 12345; err_has "12345"

# AITER's own switch: 0 and 1, checked like any other request.
check() { expect "$1" env AITER_ENABLE_VSKIP="$2" "$sinter" check --device "$3" --family grouped_gemm --n 256 --k 256; }
check 0 0 MI300X; out_has "vskip_off"
check 1 1 MI300X; out_has "vskip_on"; out_has "REFUSED"
check 0 1 H200; out_has "vskip_off"
check 2 true MI300X; err_has "AITER_ENABLE_VSKIP"; err_has "0, 1"
expect 0 "$sinter" check --device MI300X --family grouped_gemm --n 256 --k 256; out_has "vskip_off"

# A sourced row for a range of drivers.
cat >rows.json <<'JSON'
{"format": 1, "sources": {"s": {"confidence": "measured", "text": "a test"}},
 "devices": [{"name": "MI300X", "arch": "gfx942", "vskip_safe": [{"driver": "amdgpu", "min": "6.16.6", "max": "6.18"}, "s"]}]}
JSON
export SINTER_CAPABILITIES=rows.json
driver() { expect "$1" "$sinter" check --device MI300X --family grouped_gemm --n 256 --k 256 --driver "$2"; out_has "$3"; }
driver 0 "60443482 amdgpu 6.16.8" vskip_on
driver 0 "60443482 amdgpu 6.10.5" vskip_off
driver 0 "60443482 amdgpu srcversion:0A1B" vskip_off
driver 0 "60443482 simhip 6.17" vskip_off
driver 0 "" vskip_off
