# SPDX-License-Identifier: Apache-2.0
# Sourced by each script: the command, an empty directory of its own, and ways to say what is expected.
# No test pipes into `grep -q`: it leaves at the first match, and pipefail then reports the writer's broken pipe.
# shellcheck disable=SC2034
set -uo pipefail
build=$1
sinter=$build/bin/sinter
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export SINTER_CACHE_DIR=$work/cache SINTER_RUN_DIR=$work/run
unset SINTER_COMPILE SINTER_CHECKED SINTER_GOLDEN_CHECK SINTER_WORKER_LOG SINTER_FAILURE_MEMORY_S SINTER_WORKERS SINTER_LOG SINTER_WORKER_DIR SINTER_NVRTC SINTER_NVIDIA_COMPILER SINTER_AMD_COMPILER

die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# expect CODE COMMAND...: runs it, keeps out and err, and insists on the exit code.
expect() {
  local code=$1 actual
  shift
  "$@" >out 2>err
  actual=$?
  [ "$actual" -eq "$code" ] || { cat out err >&2; die "exit $actual instead of $code: $*"; }
}
out_has() { grep -qF -- "$1" out || { cat out >&2; die "stdout lacks: $1"; }; }
err_has() { grep -qF -- "$1" err || { cat err >&2; die "stderr lacks: $1"; }; }
# One message, whatever was wrong.
one_message() { [ "$(grep -c '^sinter: ' err)" -eq 1 ] || { cat err >&2; die "expected exactly one message"; }; }
json() { python3 -c "import json,sys; d=json.load(open('out')); print(($1))"; }
