#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kernels travel as signed files: exported twice they are the same bytes; at another path, read-only, for another user,
# without a compiler and without a cache directory they are found; damaged or unsigned ones are not.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset SINTER_BUNDLES SINTER_SIGNATURES SINTER_TRUSTED_KEYS SINTER_SIGNING_KEY SINTER_SHARED_CACHE_DIR SOURCE_DATE_EPOCH
export XDG_CONFIG_HOME=$work/config

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 80, "k": 96, "groups": 3}]}
JSON
expect 0 "$sinter" prebuild --manifest m.json --arch host,gfx942 --json

# Keys.
expect 0 "$sinter" key generate release --json
key=$(json 'd["key"]')
[ "$(stat -c %a config/sinter/keys/release)" = 600 ] || die "others may read the private key"
expect 2 "$sinter" key generate release
err_has 'is not overwritten'
if command -v openssl >/dev/null; then
  openssl pkey -in config/sinter/keys/release -pubout | cmp - config/sinter/keys/release.pub || die "OpenSSL reads another key"
fi
expect 0 "$sinter" key generate --out stranger

# Export: one file for each arch, the same bytes twice.
expect 0 "$sinter" cache export --out b1 --name moe --sign config/sinter/keys/release --json
[ "$(json 'len(d["bundles"]), {tuple(b["signed_by"]) for b in d["bundles"]}')" = "(2, {('$key',)})" ] || die "export: $(cat out)"
expect 0 "$sinter" cache export --out b2 --name moe --sign config/sinter/keys/release
diff -r b1 b2 || die "two exports differ"
expect 2 "$sinter" cache export --out b3 --name ../moe
expect 1 "$sinter" cache export --out b3 --arch gfx90a
err_has 'no such entry to export'
host=$(find b1 -name 'moe-x86-64*.sinter')
expect 0 "$sinter" cache verify "$host"
out_has '1 entries checked, 0 damaged, 0 problems'
expect 0 "$sinter" cache list --from "$host" --json
[ "$(json 'len(d["entries"])')" = 1 ] || die "list --from: $(cat out)"
expect 0 "$sinter" cache show --from "$host" "$(json 'd["entries"][0]["key"]')" --json
[ "$(json 'd["origin"]')" = 'bundle moe' ] || die "provenance: $(cat out)"

# Whoever has the bundle needs no compiler, no cache directory and no write permission.
mv b1 'moved here'
chmod -R a-w 'moved here'
expect 0 "$sinter" sample 'a=bf16[40,96]' 'b=bf16[3,80,96]' 'row_offsets=lengths(30,0,10)' --output x.safetensors
run=("$sinter" run grouped_gemm --input "$work/x.safetensors" --repeat 1 --json)
origin() { json 'd["code"]["origin"], d["check"]["ok"]'; }
found="('bundle', True)"
export SINTER_BUNDLES="$work/moved here"
SINTER_CACHE_DIR='' SINTER_WORKER_DIR=/nonexistent expect 0 "${run[@]}"
[ "$(origin)" = "$found" ] || die "without a compiler: $(cat out)"
SINTER_CACHE_DIR='' SINTER_COMPILE=off expect 0 "${run[@]}"
[ "$(origin)" = "$found" ] || die "with compiling off: $(cat out)"
# With a compiler, too, nothing is compiled; nor is a worker started to ask who it is.
SINTER_CACHE_DIR=$work/empty SINTER_WORKER_LOG=$work/worker.log expect 0 "${run[@]}"
[ "$(origin)" = "$found" ] || die "compiled in spite of a bundle: $(cat out)"
[ ! -s worker.log ] || die "a worker compiled: $(cat worker.log)"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
  chmod o+rx "$work"
  chmod o+r x.safetensors
  nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent SINTER_CACHE_DIR= SINTER_COMPILE=off
    bash -c 'umask 0777; exec "$@"' run)
  if "${nobody[@]}" "$sinter" --version >/dev/null 2>&1; then
    expect 0 "${nobody[@]}" "${run[@]}"
    [ "$(origin)" = "$found" ] || die "as another user: $(cat out)"
  else
    echo 'skipped: another user cannot run the build' >&2
  fi
else
  echo 'skipped: only root can become another user' >&2
fi
[ "$(find 'moved here' -type f | wc -l)" -eq 4 ] || die "something was written beside the bundles"

# Signatures count for whom somebody trusts.
bundle=$work/moved\ here/$(basename "$host")
refused() { SINTER_CACHE_DIR='' SINTER_COMPILE=off expect 1 "${run[@]}"; err_has 'SINTER_SIGNATURES is signed'; }
export SINTER_SIGNATURES=signed
refused
expect 1 "$sinter" cache verify-sig "$bundle"
out_has 'not trusted'
expect 0 "$sinter" key trust stranger.pub
refused
expect 0 "$sinter" key trust config/sinter/keys/release.pub
expect 0 "$sinter" key list --json
[ "$(json 'len(d["trusted"])')" = 2 ] || die "key list: $(cat out)"
expect 0 "$sinter" cache verify-sig "$bundle"
SINTER_CACHE_DIR='' SINTER_COMPILE=off expect 0 "${run[@]}"
[ "$(origin)" = "$found" ] || die "signed: $(cat out)"
unset SINTER_BUNDLES

# Import: whole or not at all, and remembered.
export SINTER_CACHE_DIR=$work/imported
expect 0 "$sinter" cache import "$work/moved here"/*.sinter --json
[ "$(json '[f["imported"] for f in d["files"]]')" = '[1, 1]' ] || die "import: $(cat out)"
expect 0 "$sinter" cache import "$work/moved here"/*.sinter --json
[ "$(json '[f["already_there"] for f in d["files"]]')" = '[1, 1]' ] || die "import again: $(cat out)"
expect 0 "$sinter" cache verify
expect 0 "$sinter" cache list --json
expect 0 "$sinter" cache show "$(json 'd["entries"][0]["key"]')" --json
[ "$(json 'd["origin"]')" = 'import moe' ] || die "provenance: $(cat out)"
expect 0 "${run[@]}"
[ "$(origin)" = "('disk', True)" ] || die "imported: $(cat out)"

# Damage is found by verify, refused by import and sign.
cp -r b2 bad
damaged=bad/$(basename "$host")
python3 - "$damaged" <<'PY'
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
data[data.find(b'\x7fELF') + 200] ^= 0x10
open(sys.argv[1], 'wb').write(data)
PY
expect 1 "$sinter" cache verify "$damaged"
out_has 'checksum does not match'
SINTER_CACHE_DIR=$work/other expect 1 "$sinter" cache import "$damaged"
err_has 'nothing of it is imported'
expect 1 "$sinter" cache sign "$damaged" --key stranger
expect 1 "$sinter" cache verify-sig "$damaged"
expect 0 "$sinter" cache sign "b2/$(basename "$host")" --key stranger --json
[ "$(json 'len(d["signed_by"])')" = 2 ] || die "sign: $(cat out)"
expect 1 "$sinter" cache verify "$work/x.safetensors"
chmod 644 stranger
expect 2 "$sinter" cache sign "b2/$(basename "$host")" --key stranger
err_has 'chmod 600'
