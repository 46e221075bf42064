#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check --explain prints the candidates with numbers and reasons, and quirks are heard.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset AITER_ENABLE_VSKIP SINTER_QUIRKS

check() { expect 0 "$sinter" check --family grouped_gemm --n 2816 --k 2048 --groups 8 --device "$@" --explain; }
check MI300X --rows 1024; out_has "304 units"; out_has "blocks per unit"; out_has "waste"; out_has "-> 128x128x64"
check MI308X --rows 1024; out_has "80 units"; out_has "-> 64x128x64"
check MI300X; out_has "rows of a launch are not known"
check MI308X --rows 1024 --tile 64x64x64; out_has "the tile was asked for"
check MI308X --rows 1024 --json
[ "$(json '[c["tile"] for c in d["choice"]["candidates"] if c["chosen"]] + [d["choice"]["by_cost"], d["ok"]]')" = "['64x128x64', True, True]" ] || die "choice: $(cat out)"
expect 2 "$sinter" check --device MI300X --family grouped_gemm --n 64 --k 64 --rows 0

cat >quirks.json <<'JSON'
{"format": 1, "quirks": [
  {"id": "low", "spec": "*_t64x128x*", "device": "MI308*", "reason": "a test", "reference": "nowhere"},
  {"id": "calm", "spec": "*", "device": "MI300X", "effect": "prefer", "instead": {"tile": "256x64x64"}, "reason": "a test", "reference": "nowhere"}]}
JSON
export SINTER_QUIRKS=quirks.json
check MI308X --rows 1024; out_has "quirk 'low' denies it"; out_has "refused: "
check MI300X; out_has "t256x64x64"
expect 1 "$sinter" check --device MI308X --family grouped_gemm --n 64 --k 64 --tile 64x128x64; out_has "quirk 'low'"
