#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cache is kept within limits on request: dry run, pins, what goes, and a request that makes no sense.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

expect 1 "$sinter" cache gc
[ ! -e cache ] || die "gc made a cache"
for n in 16 32 48; do
  expect 0 "$sinter" sample "a=bf16[40,96]" "b=bf16[3,$n,96]" 'row_offsets=lengths(30,0,10)' --output x.safetensors
  expect 0 "$sinter" run grouped_gemm --input x.safetensors --repeat 1
done
expect 0 "$sinter" cache list --json
[ "$(json 'len(d["entries"])')" = 3 ] || die "three kernels were expected: $(cat out)"
key=$(json 'd["entries"][0]["key"]')

expect 0 "$sinter" cache gc --json
[ "$(json 'd["entries"], d["removed_entries"], d["max_entries"]')" = "(3, 0, 100000)" ] || die "gc within limits: $(cat out)"
expect 0 "$sinter" cache pin "${key:0:12}"
expect 0 "$sinter" cache gc --max-entries 1 --dry-run --json
[ "$(json 'd["dry_run"], d["pinned"], d["removed_entries"]')" = "(True, 1, 2)" ] || die "dry run: $(cat out)"
[ "$(json '{v["reason"] for v in d["removed"]}')" = "{'least recently used'}" ] || die "reasons: $(cat out)"
expect 0 "$sinter" cache list --json
[ "$(json 'len(d["entries"])')" = 3 ] || die "a dry run changed the cache"

expect 0 "$sinter" cache gc --max-entries 1
expect 0 "$sinter" cache list --json
[ "$(json 'd["entries"][0]["key"], len(d["entries"])')" = "('$key', 1)" ] || die "the pinned kernel should be left: $(cat out)"
expect 0 "$sinter" cache verify
expect 0 "$sinter" cache unpin "$key"
SINTER_CACHE_MAX_BYTES=1 expect 0 "$sinter" cache gc
expect 0 "$sinter" cache list --json
[ "$(json 'len(d["entries"])')" = 0 ] || die "a cache of one byte has no room: $(cat out)"

expect 2 "$sinter" cache gc --max-entries -2
expect 1 "$sinter" cache pin "$key"
expect 2 "$sinter" cache pin nothex
SINTER_CACHE_MAX_BYTES=-1 expect 2 "$sinter" cache gc
