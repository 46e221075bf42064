#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libsinter.so exports the C ABI and nothing else, needs no vendor library, and its example runs.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

library=$build/lib/libsinter.so
expect 0 nm -D --defined-only "$library"
while read -r _ kind name; do
  case "$name" in
    sinter_*|SINTER_0) ;;
    *) die "exported: $kind $name" ;;
  esac
done <out
expect 0 readelf -d "$library"
if grep -qvE 'libstdc\+\+|libm\.|libgcc_s|libc\.|ld-linux' <<<"$(grep NEEDED out)"; then
  grep NEEDED out >&2
  die "it needs more than the C and C++ run time"
fi
expect 0 "$build/bin/sinter-example-embed"
out_has "row 0: 16, row 4: 64"
