#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kernels are built for archs that are not here; the code objects are what an independent reader expects; a second run
# builds nothing; a cache moved elsewhere still hits; vskip is in the code exactly when it was asked for.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": ["none", "fp8_block"], "n": 272, "k": 400, "groups": 3, "vskip": ["on", "off"]}]}
JSON
expect 0 "$sinter" prebuild --manifest m.json --arch gfx90a,gfx942,gfx950 --json
[ "$(json 'len(d["kernels"]), all(k["ok"] for k in d["kernels"])')" = "(12, True)" ] || die "prebuild: $(cat out)"

readelf=$(command -v llvm-readelf-22 || command -v readelf)
objdump=$(command -v llvm-objdump-22)
"$sinter" cache list --json >list.json
while read -r key arch quant vskip; do
  expect 0 "$sinter" cache show "$key" --code-object code.co
  "$readelf" -h --notes code.co >elf || die "$arch: not an ELF file"
  grep -qi "$arch" elf || die "$arch is not in the file's notes"
  "$objdump" -d code.co >text || die "cannot be disassembled"
  matrix=v_mfma_f32
  [ "$quant/$arch" = fp8_block/gfx942 ] && matrix='v_mfma_f32_[0-9x]*_fp8_fp8'
  [ "$quant/$arch" = fp8_block/gfx950 ] && matrix='v_mfma_.*f8f6f4'
  grep -q "$matrix" text || die "$arch $quant: no $matrix"
  if [ "$vskip" = on ]; then
    grep -q s_setvskip text || die "$arch $quant: vskip is on, but s_setvskip is not in the code"
  else
    ! grep -q s_setvskip text || die "$arch $quant: vskip is off, but s_setvskip is in the code"
  fi
done < <(python3 - <<'PY'
import json
for e in json.load(open('list.json'))['entries']:
    spec = e['spec']
    print(e['key'], e['arch'], 'fp8_block' if 'fp8_block' in spec else 'none', 'on' if 'vskip_on' in spec else 'off')
PY
)

mv cache moved
SINTER_CACHE_DIR=$work/moved expect 0 "$sinter" prebuild --manifest m.json --arch gfx942 --json
[ "$(json 'set(k["origin"] for k in d["kernels"])')" = "{'disk'}" ] || die "a moved cache missed: $(cat out)"
