#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cache is looked into while another process writes it: list, show, disasm, diff, why, stats and top say what is there,
# what differs and why a request would miss.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
export SINTER_NVIDIA_COMPILER=llvm
unset SINTER_BUNDLES SINTER_SIGNATURES

# Before there is a cache.
expect 0 "$sinter" cache list
err_has 'there is no cache in'
expect 1 "$sinter" cache why --family grouped_gemm --n 80 --k 96 --groups 3
out_has 'MISS: no cache'

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 80, "k": 96, "groups": 3, "tile": "64x64x64", "vskip": "off"},
             {"family": "grouped_gemm", "quant": "fp8_block", "n": 80, "k": 96, "groups": 3, "vskip": "off"}]}
JSON
expect 0 "$sinter" prebuild --manifest m.json --arch host,gfx942,compute_80
sqlite() { python3 -c "import sqlite3,sys; c=sqlite3.connect('cache/sinter-v2.db',timeout=30); print(*[r[0] for r in c.execute(sys.argv[1])]); c.commit()" "$1"; }

# What another process holds open for writing is read as it was before.
mkfifo hold
python3 -c "
import sqlite3
c = sqlite3.connect('cache/sinter-v2.db', isolation_level=None)
c.execute('BEGIN IMMEDIATE'); c.execute('DELETE FROM entry')
print('ready', flush=True); open('hold').read(); c.execute('ROLLBACK')" >writer.out &
writer=$!
until grep -q ready writer.out; do sleep 0.05; done

expect 0 "$sinter" cache list
out_has '6 entries'
out_has 'gfx942'
expect 0 "$sinter" cache list --json --sort bytes
[ "$(json '[e["code_bytes"] for e in d["entries"]] == sorted([e["code_bytes"] for e in d["entries"]], reverse=True), d["by_arch"]["gfx942"]["entries"]')" = '(True, 2)' ] || die "sorted list: $(cat out)"
expect 0 "$sinter" cache list --json --arch gfx942 --mode fp8_block
[ "$(json '[(e["arch"], e["mode"]) for e in d["entries"]]')" = "[('gfx942', 'fp8_block')]" ] || die "filters: $(cat out)"
fp8=$(json 'd["entries"][0]["key"]')
expect 0 "$sinter" cache list --json --arch gfx942 --mode none
bf16=$(json 'd["entries"][0]["key"]')
expect 0 "$sinter" cache list --json --older-than 1d
[ "$(json 'len(d["entries"])')" = 0 ] || die "nothing is a day old"
expect 0 "$sinter" cache list --json --newer-than 1d --max-bytes 1G --limit 2
[ "$(json 'len(d["entries"]), d["matching"]')" = '(2, 6)' ] || die "limit: $(cat out)"
expect 2 "$sinter" cache list --older-than soon
err_has "'soon' is no length of time"
expect 2 "$sinter" cache list --min-bytes 3X
expect 2 "$sinter" cache list --sort colour

expect 0 "$sinter" cache disasm "${bf16:0:12}"
out_has 'v_mfma_f32'
expect 0 "$sinter" cache disasm "$fp8" --json
[ "$(json 'd["by"], "v_mfma" in d["text"]')" = "('LLVM', True)" ] || die "disasm: $(cat out)"
expect 0 "$sinter" cache list --json --arch compute_80 --mode none
expect 0 "$sinter" cache disasm "$(json 'd["entries"][0]["key"]')"
out_has '.visible .entry grouped_gemm_none'

expect 0 "$sinter" cache diff "${bf16:0:12}" "${fp8:0:12}"
out_has 'spec'
out_has 'matrix_instructions'
expect 0 "$sinter" cache diff "$bf16" "$bf16" --json
[ "$(json 'd["key_fields"], d["facts"]')" = '([], [])' ] || die "a kernel differs from itself: $(cat out)"

ask=(--family grouped_gemm --device MI300X --k 96 --groups 3 --tile 64x64x64 --vskip off)
expect 0 "$sinter" cache why "${ask[@]}" --n 80
out_has 'hit (local)'
expect 1 "$sinter" cache why "${ask[@]}" --n 112
out_has 'MISS: new'
out_has '- 112'
out_has '+ 80'
expect 1 "$sinter" cache why "${ask[@]}" --n 112 --json
[ "$(json 'd["cause"], d["nearest"]["key"], [(x["name"], x["wanted"], x["stored"]) for x in d["differences"]]')" = "('new', '$bf16', [('n', '112', '80')])" ] || die "why: $(cat out)"
expect 1 "$sinter" cache why --family quantize --device MI300X --k 4096
out_has 'no quantize kernel for gfx942'
expect 2 "$sinter" cache why --family grouped_gemm --n 80
expect 2 "$sinter" cache why --family gemm --n 80
expect 0 "$sinter" cache top --once
expect 0 "$sinter" cache top --json --count 2 --sort created
[ "$(json 'len(d["entries"]), d["sorted_by"]')" = "(2, 'created')" ] || die "top: $(cat out)"
expect 0 "$sinter" cache stats
expect 0 "$sinter" cache verify
expect 0 "$sinter" cache report page.html
grep -q grouped_gemm_none page.html || die "an empty page"
: >hold
wait "$writer"

# What processes asked for is added up: six misses of the prebuild, then hits.
expect 0 "$sinter" prebuild --manifest m.json --arch gfx942
expect 0 "$sinter" cache stats --json
[ "$(json 'd["misses"], d["misses_by_cause"], d["stores"], d["hits"], d["by_arch"]["gfx942"]["entries"]')" = "(6, {'new': 6}, 6, {'local': 2}, 2)" ] || die "stats: $(cat out)"
[ "$(json 'sum(h["misses"] for h in d["hours"]), d["hit_rate"]')" = '(6, 0.25)' ] || die "hours: $(cat out)"
expect 0 "$sinter" cache top --json --arch gfx942
[ "$(json '[e["loads"] for e in d["entries"]]')" = '[1, 1]' ] || die "loads: $(cat out)"

# The same kernel by another compiler.
sqlite "UPDATE entry SET key_fields = replace(key_fields, 'probe ', 'another build; probe '), digest = randomblob(32) WHERE arch = 'gfx942'" >/dev/null
expect 1 "$sinter" cache why "${ask[@]}" --n 80
out_has 'MISS: compiler'
out_has 'another build'
out_has 'SINTER_BUNDLES'
# What is damaged says so, in place and after it was set aside.
host=$(sqlite "SELECT lower(hex(digest)) FROM entry WHERE arch LIKE 'x86%' AND spec LIKE '%none%'")
sqlite "UPDATE entry SET code = zeroblob(100) WHERE digest = x'$host'" >/dev/null
expect 1 "$sinter" cache disasm "$host"
err_has 'is damaged'
here=(--family grouped_gemm --n 80 --k 96 --groups 3 --tile 64x64x64 --quant none)
expect 1 "$sinter" cache why "${here[@]}"
out_has 'MISS: damaged'
