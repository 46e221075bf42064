#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Without HOME, XDG_CACHE_HOME and SINTER_CACHE_DIR, or with ones that lead nowhere, kernels are compiled and kept in
# memory: nothing is written anywhere, and nothing fails.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

expect 0 "$sinter" sample 'x=bf16[33,400]' --output x.safetensors
run() { expect 0 env -u HOME -u XDG_CACHE_HOME -u SINTER_CACHE_DIR "$@" "$sinter" run quantize --input x.safetensors --json; }

run
[ "$(json 'd["code"]["origin"], d["check"]["ok"]')" = "('compiled', True)" ] || die "without a home: $(cat out)"
run HOME=relative/home XDG_CACHE_HOME=relative/cache
run HOME=/proc/nonexistent
[ "$(grep -c /proc/nonexistent err)" -eq 1 ] || die "expected one warning: $(cat err)"
[ ! -e relative ] || die "a relative home was used"
[ "$(find . -name '*.db' | wc -l)" -eq 0 ] || die "a database was made"
