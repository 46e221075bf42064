#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# prebuild.sh MANIFEST ARCHS DIRECTORY [KEY]: builds the manifest's kernels for these archs, without a device, and puts
# them into DIRECTORY as bundles, signed if there is a key.
set -eu
manifest=$1
archs=$2
directory=$3
key=${4:-}
SINTER_CACHE_DIR=$(mktemp -d)
export SINTER_CACHE_DIR
trap 'rm -rf "$SINTER_CACHE_DIR"' EXIT
sinter prebuild --manifest "$manifest" --arch "$archs"
if [ -n "$key" ] && [ -e "$key" ]; then
  sinter cache export --out "$directory" --name kernels --sign "$key"
else
  sinter cache export --out "$directory" --name kernels
fi
for bundle in "$directory"/*.sinter; do
  sinter cache verify "$bundle"
done
chmod 755 "$directory"
chmod 644 "$directory"/*
