#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The doctor says what works, gives the command that mends what does not, and fails only for what is broken.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset SINTER_BUNDLES SINTER_SIGNATURES SINTER_TRUSTED_KEYS SINTER_SIGNING_KEY SINTER_LIBCUDA SINTER_LIBHIP SINTER_TRACE SINTER_LAUNCH_LOG SINTER_REMOTE

state_of() { json "{f[\"state\"] for f in d[\"findings\"] if f[\"subject\"] == \"$1\"}"; }
is() { [ "$(state_of "$1")" = "{'$2'}" ] || die "$1 is not $2: $(cat out)"; }
mends() { grep -qF -- "$2" <<<"$(json "[f[\"mend\"] for f in d[\"findings\"] if f[\"subject\"] == \"$1\"]")" || die "$1 is not mended by $2: $(cat out)"; }

expect 0 "$sinter" doctor
out_has 'nothing is broken'
expect 0 "$sinter" doctor --json
for subject in 'cache directory' 'run directory' 'driver host' 'device host' 'compiler llvm' 'remote tier'; do is "$subject" good; done
[ "$(json 'all(f["mend"] or f["state"] != "broken" for f in d["findings"])')" = True ] || die "something broken without a way out"

chmod 777 cache
expect 1 "$sinter" doctor --json
is 'cache directory' broken
mends 'cache directory' 'chmod'
chmod 700 cache
SINTER_BUNDLES=$work/none.sinter expect 1 "$sinter" doctor --json
is bundle broken
SINTER_SIGNATURES=signed SINTER_TRUSTED_KEYS=$work/nobody expect 1 "$sinter" doctor --json
is 'trusted keys' broken
mends 'trusted keys' 'sinter key trust'
SINTER_SIGNING_KEY=$work/none expect 1 "$sinter" doctor --json
is 'signing key' broken
SINTER_WORKER_LOG=$work/no/such/directory/log expect 1 "$sinter" doctor --json
is 'log file' broken
mends 'log file' "mkdir -p $work/no/such/directory"
SINTER_LIBCUDA=$work/libcuda.so.1 expect 1 "$sinter" doctor --json
is 'driver cuda' broken
SINTER_RUN_DIR='' expect 0 "$sinter" doctor --json
HOME='' SINTER_CACHE_DIR='' expect 1 "$sinter" doctor
out_has 'BROKEN'
out_has 'export SINTER_CACHE_DIR='
mkdir -p cache && printf 'not a database, but as long as one is: %5000d' 0 >cache/sinter-v2.db
expect 1 "$sinter" doctor --json
is 'cache database' broken
