#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A kernel is tried before its first use, when that is asked for: once per cache, and the tools show what was found.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

expect 0 "$sinter" sample "a=bf16[33,64]" "b=bf16[3,48,64]" "row_offsets=lengths(7,0,26)" --output x.safetensors
run() { "$sinter" run grouped_gemm --input x.safetensors "$@"; }

expect 0 run --json
[ "$(json 'd["golden"]')" = None ] || die "checked without being asked to: $(cat out)"
expect 0 "$sinter" cache list --json
key=$(json 'd["entries"][0]["key"]')
expect 0 "$sinter" cache show "$key" --json
[ "$(json 'd["golden_checks"]')" = "[]" ] || die "a verdict out of nothing: $(cat out)"

expect 0 run --golden
out_has "golden   right: "
out_has ", now"
SINTER_GOLDEN_CHECK=on expect 0 run --json
[ "$(json 'd["golden"].startswith("right: ") and d["golden"].endswith("Z")')" = True ] || die "not the stored verdict: $(cat out)"

expect 0 "$sinter" cache show "${key:0:12}"
out_has "golden check          right: relative error"
expect 0 "$sinter" cache show "$key" --json
[ "$(json '[(v["passed"], v["finding"], v["compared"] > 1000) for v in d["golden_checks"]]')" = "[(True, None, True)]" ] || die "show: $(cat out)"

# What passed is not forgotten; it goes with its entry.
expect 0 "$sinter" cache forget "$key" --json
[ "$(json 'd["forgotten"], d["verdicts_forgotten"]')" = "(0, 0)" ] || die "forget: $(cat out)"
SINTER_CACHE_DIR='' expect 0 run --golden
out_has ", now"

SINTER_GOLDEN_CHECK=perhaps expect 2 run
err_has "SINTER_GOLDEN_CHECK"
one_message
