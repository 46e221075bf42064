#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A serving run is traced; what it asked for is built elsewhere, found by coverage, and by a process that may not compile. A
# certificate says so until anything that it saw has changed.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset SINTER_BUNDLES SINTER_SIGNATURES SINTER_TRACE SINTER_HOST_THREADS

expect 0 "$sinter" sample 'a=bf16[40,96]' 'b=bf16[3,80,96]' 'row_offsets=lengths(30,0,10)' --output x.safetensors
run=("$sinter" run grouped_gemm --input x.safetensors --repeat 1)
for _ in 1 2 3; do
  SINTER_TRACE=$work/t.jsonl expect 0 "${run[@]}"
done
[ "$(wc -l <t.jsonl)" -eq 3 ] || die "one line for each process: $(cat t.jsonl)"
printf '{"sinter_trace": 1, "fam' >>t.jsonl  # of a process that was killed
"${run[@]}" >/dev/null 2>&1
[ "$(wc -l <t.jsonl)" -eq 3 ] || die "traced without SINTER_TRACE"

# Elsewhere: nothing is there, then what was traced is.
export SINTER_CACHE_DIR=$work/elsewhere
expect 1 "$sinter" coverage --trace t.jsonl
out_has 'missing: grouped_gemm_none_bf16_n80_k96_g3'
out_has '0 of 1 kernels are there'
err_has '1 of 4 lines cannot be read'
expect 0 "$sinter" prebuild --trace t.jsonl --json
[ "$(json 'd["summary"]["compiled"]')" = 1 ] || die "from a trace: $(cat out)"
SINTER_COMPILE=off expect 0 "${run[@]}" --json
expect 0 "$sinter" coverage --trace t.jsonl --json
[ "$(json 'd["complete"], [k["origin"] for k in d["kernels"]]')" = "(True, ['disk'])" ] || die "coverage: $(cat out)"
# For another arch, the same requests.
expect 1 "$sinter" coverage --trace t.jsonl --arch gfx942 --json
[ "$(json '{k["arch"] for k in d["kernels"]}, d["complete"]')" = "({'gfx942'}, False)" ] || die "for another arch: $(cat out)"

# For each arch and device, without a compile.
expect 1 "$sinter" coverage --model deepseek-v3 --tp 8 --device MI300X,H200 --json
[ "$(json '[(t["arch"], t["device"], t["declared"], t["missing"]) for t in d["devices"]]')" = \
  "[('sm_90a', 'H200', 4, 4), ('gfx942', 'MI300X', 4, 4)]" ] || die "devices: $(cat out)"
expect 2 "$sinter" coverage --arch gfx942
err_has 'nothing is declared'
expect 2 "$sinter" coverage --model deepseek-v3
err_has 'for what?'
expect 2 "$sinter" coverage --model gpt-2 --arch gfx942
err_has 'deepseek-v3'
expect 0 "$sinter" prebuild --list-models
out_has 'deepseek-v3'
expect 0 "$sinter" prebuild --list-models --json
[ "$(json 'all(m["source"] for m in d["models"])')" = True ] || die "a model without a source"

# A certificate is written when all is there, and valid while nothing changes.
cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "n": [80, 96], "k": 96, "groups": 3}]}
JSON
expect 0 "$sinter" prebuild --manifest m.json --arch host --cache built --out bundles
unset SINTER_CACHE_DIR
export SINTER_BUNDLES=$work/bundles SINTER_HOST_THREADS=1
certificate=("$sinter" coverage --manifest m.json --device host --cache none --certificate warm.json)
expect 1 "${certificate[@]}"
out_has 'there is no warm.json'
expect 0 "${certificate[@]}" --write
expect 0 "${certificate[@]}"
out_has 'warm.json is valid'
expect 2 "$sinter" coverage --manifest m.json --arch host --certificate warm.json
expect 2 "$sinter" coverage --manifest m.json --device host --write

# Any change makes it invalid: what is declared, a bundle, its signature, the device, the driver, the file itself.
invalid() { expect 1 "$@"; out_has "is not valid"; }
SINTER_HOST_THREADS=2 invalid "${certificate[@]}"
out_has 'device 0 was'
echo '{"kernels": [{"family": "grouped_gemm", "n": 80, "k": 96, "groups": 3}]}' >less.json
invalid "$sinter" coverage --manifest less.json --device host --cache none --certificate warm.json
out_has 'declared was'
bundle=$(find bundles -name '*.sinter')
cp -r bundles sound
expect 0 "$sinter" key generate --out key
expect 0 "$sinter" cache sign "$bundle" --key key
invalid "${certificate[@]}"
out_has 'bundle 0 was'
rm -r bundles && cp -r sound bundles
expect 0 "${certificate[@]}"
python3 - "$bundle" <<'PY'
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
data[data.find(b'target triple') if b'target triple' in data else -3] ^= 1
open(sys.argv[1], 'wb').write(data)
PY
expect 1 "${certificate[@]}"
out_has 'certificate: '
rm -r bundles && cp -r sound bundles
sed -i 's/"kernels": "2"/"kernels": "3"/' warm.json
expect 2 "${certificate[@]}"
err_has 'digest does not match'
row=("$sinter" coverage --manifest m.json --device H200 --cache "$work/h200" --certificate h200.json)
unset SINTER_BUNDLES
if "$sinter" prebuild --manifest m.json --device H200 --driver 13.0 --cache "$work/h200" >/dev/null 2>&1; then
  expect 0 "${row[@]}" --driver 13.0 --write
  expect 0 "${row[@]}" --driver 13.0
  invalid "${row[@]}" --driver 12.4
  out_has 'driver of device 0 was 13.0 and is 12.4'
else
  die "nothing can be built for an H200 here"
fi
