#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a terminal `cache top` draws again and again: it fits the terminal's height, shows what another process stores
# meanwhile, leaves the terminal as it was, and ends at Ctrl-C as a command that did its work.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

stored() { printf '{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": [%s], "k": 96, "groups": 3, "vskip": "off"}]}' "$1" >m.json
  expect 0 "$sinter" prebuild --manifest m.json --arch compute_80; }
export SINTER_NVIDIA_COMPILER=llvm
stored '80, 96, 112, 128, 144, 160'

cat >watch.py <<'PY'
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time

sinter = sys.argv[1]
child, terminal = pty.fork()
if child == 0:
    while os.get_terminal_size(0).lines != 9:  # The parent sets the size.
        time.sleep(0.01)
    os.execv(sinter, [sinter, "cache", "top", "--interval", "0.1"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 9, 60, 0, 0))

def read_until(wanted, seconds=60):
    seen, end = b"", time.monotonic() + seconds
    while wanted not in seen:
        if time.monotonic() > end or not select.select([terminal], [], [], 1)[0] and os.waitpid(child, os.WNOHANG)[0]:
            sys.exit(f"never showed {wanted!r}: {seen[-2000:]!r}")
        if select.select([terminal], [], [], 0)[0]:
            seen += os.read(terminal, 65536)
    return seen

pictures = read_until(b"6 kernels") + read_until(b"\033[H") + read_until(b"\033[H")
picture = pictures.split(b"\033[H")[-2]
kernels = picture.count(b"compute_80")
if kernels != 5:
    sys.exit(f"{kernels} kernels on 9 lines instead of 5: {picture!r}")
if b"\033[?7l" not in picture or not picture.rstrip().endswith(b"\033[?7h"):
    sys.exit(f"a picture does not leave the terminal as it was: {picture!r}")
print("drawn", flush=True)
read_until(b"7 kernels")
os.write(terminal, b"\x03")
while True:
    try:
        if not os.read(terminal, 65536):
            break
    except OSError:  # The other end is closed.
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
PY
python3 watch.py "$sinter" >watched 2>&1 &
watcher=$!
until grep -q drawn watched; do
  kill -0 "$watcher" 2>/dev/null || die "$(cat watched)"
  sleep 0.05
done
stored '176'
wait "$watcher" || die "exit $?: $(cat watched)"
