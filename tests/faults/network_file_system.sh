#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# network_file_system.sh DIRECTORY-OF-THE-PROGRAMS: a cache on a real file system that statfs tells from a local disk:
# bindfs over FUSE. It works, without a write-ahead log, for several processes at once.
set -euo pipefail
programs=$1
command -v bindfs >/dev/null || { echo "skipped: bindfs is not installed"; exit 77; }
work=$(mktemp -d)
mkdir "$work/below" "$work/mounted"
bindfs "$work/below" "$work/mounted" 2>"$work/err" || { echo "skipped: $(cat "$work/err")"; rm -rf "$work"; exit 77; }
trap 'umount "$work/mounted" || fusermount -u "$work/mounted"; rm -rf "$work"' EXIT
chmod 0700 "$work/mounted"

"$programs/store_probe" "$work/mounted/cache" clean
pids=()
for _ in 1 2 3 4; do
  "$programs/store_probe" "$work/mounted/cache" &
  pids+=($!)
  "$programs/store_probe" "$work/mounted/new" &
  pids+=($!)
done
for pid in "${pids[@]}"; do
  wait "$pid" || { echo "FAILED: a process got wrong bytes or crashed"; exit 1; }
done
"$programs/store_probe" "$work/mounted/new" clean
if [ -n "$(find "$work/below" -name '*-wal' -o -name '*-shm' -o -name '*.bad-*')" ]; then
  find "$work/below"
  echo "FAILED: a log, shared memory or a damaged database on a network file system"
  exit 1
fi
echo "9 processes on $(stat -f -c %T "$work/mounted"): right bytes, no log, nothing damaged"
