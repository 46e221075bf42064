#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a prebuild does when something fails: it stops, or goes on if it is told to; it says what failed and why, each reason
# once; and what was built stays built. On a terminal it rewrites one line, in a log it writes one for each kernel.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": [80, 96, 112], "k": 96, "groups": 3}]}
JSON
# No compiler for AMD, one for the host.
export SINTER_AMD_COMPILER=hiprtc SINTER_HIPRTC=/nonexistent
archs=gfx942,x86-64-v3
summary() { json '[d["summary"][n] for n in ("kernels", "compiled", "present", "failed", "refused", "not_tried")]'; }

expect 1 "$sinter" prebuild --manifest m.json --arch gfx942 -j 1 --json --out stopped
failed=$(json 'd["summary"]["failed"], d["summary"]["not_tried"] > 0, len(d["bundles"])')
[ "$failed" = '(1, True, 0)' ] || die "it did not stop at the first failure: $(cat out)"
[ ! -e stopped ] || die "a bundle was written of what is not whole"

expect 1 "$sinter" prebuild --manifest m.json --arch "$archs" --keep-going --out kept
out_has '3 failed: '
out_has '/nonexistent'
out_has 'x86-64-v3'
[ "$(grep -c 'failed: ' out)" -eq 1 ] || die "one reason was told more than once: $(cat out)"
out_has '6 kernels: 3 compiled, 0 were there, 3 failed in'
err_has '[6/6]'
[ "$(grep -c '^\[[0-9]*/6\] ' err)" -eq 6 ] || die "a log has a line for each kernel: $(cat err)"
! grep -q $'\r' err || die "a log has no carriage returns"
[ "$(find kept -name '*.sinter' -printf '%f ')" = 'kernels-x86-64-v3.sinter ' ] || die "bundles: $(ls kept)"

# The same command goes on where it ended: nothing is built twice.
unset SINTER_AMD_COMPILER SINTER_HIPRTC
expect 0 "$sinter" prebuild --manifest m.json --arch "$archs" --json
[ "$(summary)" = '[6, 3, 3, 0, 0, 0]' ] || die "resumed: $(cat out)"

# A server's environment may say that nothing is compiled; a prebuild is there to compile.
SINTER_COMPILE=off expect 0 "$sinter" prebuild --manifest m.json --arch x86-64-v3 --cache other --json
[ "$(json 'd["summary"]["compiled"]')" = 3 ] || die "with SINTER_COMPILE=off: $(cat out)"

# What an arch cannot have is refused, with the reason; the others are built.
expect 1 "$sinter" prebuild --manifest m.json --arch gfx1100,gfx942 --json
[ "$(summary)" = '[6, 0, 3, 0, 3, 0]' ] || die "refused: $(cat out)"
[ "$(json '{k["error"]["code"] for k in d["kernels"] if not k["ok"]}')" = "{'unsupported'}" ] || die "refused: $(cat out)"

# On a terminal.
python3 - "$sinter" <<'PY' || die "on a terminal: see above"
import os, pty, sys
master, slave = pty.openpty()
pid = os.fork()
if pid == 0:
    os.setsid()
    os.dup2(slave, 2)
    os.dup2(os.open('terminal.out', os.O_WRONLY | os.O_CREAT), 1)
    os.execv(sys.argv[1], ['sinter', 'prebuild', '--manifest', 'm.json', '--arch', 'gfx942,x86-64-v3'])
os.close(slave)
text = b''
while True:
    try:
        part = os.read(master, 4096)
    except OSError:
        break
    if not part:
        break
    text += part
_, status = os.waitpid(pid, 0)
lines = text.split(b'\r\x1b[K')
assert status == 0, (status, text)
assert b'[6/6] 100 %' in text and len(lines) == 8 and lines[-1] == b'', text
assert b'\n' not in text, text
assert all(len(line) < 80 for line in lines), lines
PY

# A second run while the first is killed: what was stored is whole, and is found.
cat >big.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": [128, 136, 144, 152, 160, 168, 176, 184], "k": 96, "groups": 3}]}
JSON
"$sinter" prebuild --manifest big.json --arch x86-64-v3 -j 1 >killed.out 2>killed.err &
run=$!
while kill -0 "$run" 2>/dev/null && ! grep -q '^\[2/8\]' killed.err; do sleep 0.02; done
kill -9 "$run" 2>/dev/null
wait "$run" 2>/dev/null
expect 0 "$sinter" prebuild --manifest big.json --arch x86-64-v3 --json
[ "$(json 'd["summary"]["compiled"] + d["summary"]["present"], d["summary"]["present"] >= 2')" = '(8, True)' ] || die "after a kill: $(cat out)"
expect 0 "$sinter" cache verify
