#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tune measures on the host and on a simulated device, keeps the decision, and requests follow it and say so; rows can be
# exported, imported, shipped beside bundles and forgotten.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset SINTER_TUNED SINTER_BUNDLES SINTER_LIBHIP SINTER_SIMHIP_DEVICE SINTER_SIMHIP_DRIVER AITER_ENABLE_VSKIP
export SINTER_HOST_THREADS=2

quantize() { expect 0 "$sinter" tune "$@" --family quantize --k 256 --rows 100 --samples 3 --pause-ms 0; }
choice() { expect 0 env "$@" "$sinter" run quantize --input x.safetensors --param rows=100 --json; json 'd["choice"].split(":")[0]'; }
expect 0 "$sinter" sample 'x=bf16[100,256]' --output x.safetensors

[ "$(choice SINTER_LOG=off)" = general ] || die "nothing is tuned yet"
quantize --device host --dry-run
expect 0 "$sinter" tune list; out_has "0 tuned rows"

# What was measured is followed from the next process on; a file goes before the cache, and no file is none.
quantize --device host --json
[ "$(json '[d["unit"], d["device"]["simulated"], d["rows"], d["candidates"][0]["samples"], d["stored"]]')" = "['us', False, 100, 3, True]" ] || die "row: $(cat out)"
expect 0 "$sinter" tune list; out_has "1 tuned rows"
[ "$(choice SINTER_LOG=off)" = exact ] || die "the row is not followed: $(cat out)"
[ "$(choice SINTER_TUNED=)" = general ] || die "SINTER_TUNED= still tunes"
expect 0 "$sinter" check --device host --family quantize --k 256 --rows 100 --explain; out_has "choice by exact"
expect 0 "$sinter" check --device host --family quantize --k 256 --rows 150 --explain; out_has "choice by nearest"
expect 0 "$sinter" check --device H200 --family quantize --k 256 --rows 100 --explain; out_has "choice by general"

# Exported, forgotten, followed from the file, from beside bundles, and imported again.
expect 0 "$sinter" tune export tuned.json
expect 0 "$sinter" tune forget --all; out_has "1 tuned rows forgotten"
[ "$(choice SINTER_LOG=off)" = general ] || die "a forgotten row is followed"
[ "$(choice SINTER_TUNED=tuned.json)" = exact ] || die "the file is not followed"
mkdir bundles && cp tuned.json bundles/fleet.tuned.json
[ "$(choice SINTER_BUNDLES=bundles)" = exact ] || die "the file beside bundles is not followed"
expect 0 "$sinter" tune import tuned.json --json
[ "$(json 'd["stored"]')" = 1 ] || die "import: $(cat out)"
expect 0 "$sinter" tune import tuned.json; out_has "0 tuned rows stored; 1 that are here"
expect 0 "$sinter" tune export again.json
cmp tuned.json again.json || die "an export is not the same twice"
decision=$("$sinter" tune list | head -n 1 | cut -d' ' -f1)
expect 0 "$sinter" tune show "$decision"; out_has "relative error"
expect 1 "$sinter" tune show 0000000000000000; one_message

# A row of other templates is stale: named, and not followed.
sed 's/"templates":"[0-9a-f]*"/"templates":"'"$(printf '0%.0s' {1..64})"'"/' tuned.json >stale.json
[ "$(choice SINTER_TUNED=stale.json)" = general ] || die "a stale row is followed"
expect 0 env SINTER_TUNED=stale.json "$sinter" check --device host --family quantize --k 256 --rows 100 --explain; out_has "stale"

# Refused, with one message each.
printf '{"sinter_tuned": 1, "rows": [{}]}' >bad.json
expect 2 "$sinter" tune import bad.json; err_has "bad.json: row 1"; one_message
expect 2 env SINTER_TUNED=bad.json "$sinter" run quantize --input x.safetensors; err_has "bad.json"; one_message
expect 2 "$sinter" tune --family quantize --k 256; err_has "--rows"; one_message
expect 2 "$sinter" tune; err_has "--family"
expect 2 "$sinter" tune --family grouped_gemm --n 64 --k 64 --groups 3 --lengths 1,2; err_has "2 numbers for 3 groups"
expect 2 "$sinter" tune forget; err_has "--all"

simulator=$build/lib/libsinter-simhip.so
[ -e "$simulator" ] || exit 0
export SINTER_LIBHIP=$simulator SINTER_SIMHIP_DEVICE=MI308X
quantize --device hip:0; out_has "simulated"; out_has "wave instructions"; out_has "80 units"
grep -q ' us' out && die "a simulated device has no microseconds: $(cat out)"
expect 0 "$sinter" run quantize --input x.safetensors --param rows=100 --device hip:0; out_has "choice   exact"
expect 0 "$sinter" check --device MI308X --family quantize --k 256 --rows 100 --explain; out_has "choice by general"
