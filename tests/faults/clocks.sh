#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clocks.sh DIRECTORY-OF-THE-PROGRAMS: wall clocks that are wrong, and one that jumps while a fleet works.
set -euo pipefail
programs=$1
library=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
[ -n "$library" ] || { echo "skipped: libfaketime is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The wall clock alone: a jump of it leaves the monotonic one as it is.
at() { FAKETIME=$1 DONT_FAKE_MONOTONIC=1 LD_PRELOAD=$library "${@:2}"; }

# Entries are as good ten years later or earlier as they were.
"$programs/store_probe" "$work/cache" clean
for time in +10y -10y '@1970-01-02 00:00:00' '@2037-12-31 00:00:00'; do
  at "$time" "$programs/store_probe" "$work/cache" clean || { echo "FAILED: at $time"; exit 1; }
done
# And those that were stored at the end of time do not keep others out.
at '@2037-12-31 00:00:00' "$programs/store_probe" "$work/later" clean
"$programs/store_probe" "$work/later" clean

# Processes that wait for each other's compiles while the clock jumps. Nobody is killed: libfaketime's own lock would not
# survive that.
echo '+0' >"$work/time"
(
  for jump in +1y -1y +30 -30 +0 +5y +0 -5y; do
    sleep 0.3
    echo "$jump" >"$work/time"
  done
) &
FAKETIME_TIMESTAMP_FILE=$work/time FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 LD_PRELOAD=$library \
  "$programs/storm" --processes 8 --kernels 6 --compile-ms 400
wait
