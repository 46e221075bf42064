#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One prebuild on three machines and one: the shards are disjoint and complete, and merged they are the same bytes, signed.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset SINTER_BUNDLES SINTER_SIGNATURES SINTER_TRUSTED_KEYS SINTER_SIGNING_KEY SINTER_SHARED_CACHE_DIR SOURCE_DATE_EPOCH

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": ["none", "fp8_block"], "n": [80, 96], "k": 96, "groups": 3, "vskip": "off"}]}
JSON
archs=gfx942,x86-64-v3
expect 0 "$sinter" key generate --out key

expect 0 "$sinter" prebuild --manifest m.json --arch "$archs" --cache whole --out bundles --name moe --sign key --json
[ "$(json 'd["summary"]["compiled"], sorted(b["entries"] for b in d["bundles"])')" = '(8, [4, 4])' ] || die "whole: $(cat out)"
# A bundle has what was declared, whatever else is in the cache; and again the same bytes.
expect 0 "$sinter" prebuild --model deepseek-v2-lite --tp 8 --ep 8 --arch x86-64-v3 --cache whole
expect 0 "$sinter" prebuild --manifest m.json --arch "$archs" --cache whole --out again --name moe --sign key
diff -r bundles again || die "the same prebuild gave other bundles"

for i in 0 1 2; do
  expect 0 "$sinter" prebuild --manifest m.json --arch "$archs" --shard "$i/3" --cache "node$i" --out shards --name "shard-$i" --json
  cp out "shard$i.json"
done
python3 - <<'PY' || die "the shards are no partition"
import json
shards = [[k['spec'] for k in json.load(open(f'shard{i}.json'))['kernels']] for i in range(3)]
assert len(sum(shards, [])) == len(set(sum(shards, []))) == 8, shards
PY

expect 0 "$sinter" cache merge shards --out merged --name moe --sign key --json
[ "$(json 'd["rows"], d["stored"], d["repeated"], len(d["conflicts"]), len(d["damaged"])')" = '(8, 8, 0, 0, 0)' ] || die "merge: $(cat out)"
diff -r bundles merged || die "merged shards are not the bytes of one prebuild"
expect 0 "$sinter" cache verify merged/moe-gfx942.sinter

# Digests deal out the kernels: a shard may be without any, and then makes no cache.
caches=()
for i in 0 1 2; do
  if [ -d "node$i" ]; then caches+=("node$i"); fi
done
expect 0 "$sinter" cache merge "${caches[@]}" shards --cache all --json
[ "$(json 'd["rows"], d["stored"], d["repeated"]')" = '(16, 8, 8)' ] || die "merge of caches: $(cat out)"
expect 0 "$sinter" cache merge "${caches[@]:0:2}" --cache all --json
[ "$(json 'd["stored"], d["already_there"] == d["rows"] - d["repeated"]')" = '(0, True)' ] || die "merge again: $(cat out)"
expect 0 "$sinter" cache verify --cache all
expect 0 "$sinter" coverage --manifest m.json --arch "$archs" --cache all

# Nothing is merged from what is not there, and options are checked.
expect 1 "$sinter" cache merge "${caches[0]}" nowhere --cache all
err_has 'nowhere'
expect 2 "$sinter" cache merge "${caches[0]}" --cache all --sign key
expect 2 "$sinter" prebuild --manifest m.json --arch "$archs" --shard 3/3
err_has '0/4'
expect 2 "$sinter" prebuild --manifest m.json --arch "$archs" --sign key
SINTER_SIGNATURES=signed expect 1 "$sinter" cache merge "${caches[0]}" --cache other
err_has 'not signed by a trusted key'

# A shard without kernels is built in no time and writes nothing.
echo '{"kernels": [{"family": "quantize", "k": 128}]}' >one.json
total=0
for i in 0 1 2 3; do
  expect 0 "$sinter" prebuild --manifest one.json --arch x86-64-v3 --shard "$i/4" --cache few --out "few$i" --json
  total=$((total + $(json 'len(d["bundles"])')))
done
[ "$total" -eq 1 ] || die "one kernel made $total bundles"
