#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What an open vskip gets depends on the driver that the device reports, and AITER's switch is checked like a request.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
export SINTER_LIBHIP=$build/lib/libsinter-simhip.so SINTER_SIMHIP_DEVICE=MI300X
[ -e "$SINTER_LIBHIP" ] && [ -x "$build/bin/sinter-worker-llvm" ] || exit 77
unset AITER_ENABLE_VSKIP

expect 0 "$sinter" sample 'a=bf16[40,64]' 'b=bf16[2,64,64]' 'row_offsets=lengths(33,7)' --output x.safetensors
run() { expect "$1" env SINTER_SIMHIP_DRIVER="$2" "$sinter" run grouped_gemm --input x.safetensors --device hip:0 --repeat 1 "${@:3}"; }

for driver in "simhip 1" "amdgpu 6.10.5" "amdgpu 99.0" "amdgpu srcversion:0A1B2C" "unheard-of"; do
  run 0 "$driver"; out_has "vskip_off"; out_has "simulated"
  run 1 "$driver" --vskip on; err_has "no sourced row says that this device and driver are safe"; err_has "$driver"
done
run 0 "simhip-fixed 1"; out_has "vskip_on"
run 0 "simhip-fixed 1" --vskip off; out_has "vskip_off"

AITER_ENABLE_VSKIP=0 run 0 "simhip-fixed 1"; out_has "vskip_off"
AITER_ENABLE_VSKIP=1 run 0 "simhip-fixed 1"; out_has "vskip_on"
AITER_ENABLE_VSKIP=1 run 1 "amdgpu 6.10.5"; err_has "not known to be safe"
AITER_ENABLE_VSKIP=1 run 0 "amdgpu 6.10.5" --vskip off; out_has "vskip_off"
AITER_ENABLE_VSKIP=yes run 2 "amdgpu 6.10.5"; err_has "AITER_ENABLE_VSKIP"; err_has "0, 1"
expect 0 env SINTER_SIMHIP_DRIVER="amdgpu 6.10.5" "$sinter" devices; out_has "amdgpu 6.10.5, simulated"
