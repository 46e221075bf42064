#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages: their names, contents and dependencies; installed on a machine that has nothing, the command
# finds its workers; removed, nothing stays.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=tests/cli/packages.bash
source "$(dirname "$0")/packages.bash"
unset SINTER_REMOTE SINTER_BUNDLES
make_packages

field() { dpkg-deb -f "$packages/$1"_*.deb "$2"; }
has_file() {
  dpkg-deb -c "$packages/$1"_*.deb >contents
  grep -qE "$2" contents || { cat contents >&2; die "$1 lacks $2"; }
}
has_file libsinter0 '/usr/lib(/[^/]+)?/libsinter\.so\.0 ->'
has_file libsinter0 '/usr/libexec/sinter/sinter-worker$'
has_file libsinter0 '/usr/libexec/sinter/sinter-remote$'
has_file sinter-worker-llvm '/usr/libexec/sinter/sinter-worker-llvm$'
has_file sinter '/usr/bin/sinter$'
if [ -e "$build/share/completions/sinter.bash" ]; then
  has_file sinter '/usr/share/man/man1/sinter\.1'
  has_file sinter '/usr/share/bash-completion/completions/sinter$'
fi
has_file libsinter-dev '/usr/include/sinter/sinter\.hpp$'
has_file libsinter-dev '/cmake/Sinter/SinterConfig\.cmake$'
has_file libsinter-dev '/pkgconfig/sinter\.pc$'
for name in libsinter0 sinter sinter-worker-llvm libsinter-dev; do
  [ -n "$(field "$name" Description)" ] || die "$name has no description"
  [ "$(field "$name" Version)" = "$(field libsinter0 Version)" ] || die "$name is of another version"
done
# The loader's cache is brought up to date.
dpkg-deb -I "$packages"/libsinter0_*.deb postinst | grep -x 'ldconfig\|.*[^a-z]ldconfig.*' >/dev/null || die "libsinter0 does not call ldconfig"
# The library's package knows what its helpers need; LLVM is the business of another package.
[[ "$(field libsinter0 Depends)" == *libcurl4* && "$(field libsinter0 Depends)" == *libhiredis* ]] || die "libsinter0 depends on: $(field libsinter0 Depends)"
[[ "$(field libsinter0 Depends)" != *llvm* ]] || die "libsinter0 depends on LLVM"
[[ "$(field sinter-worker-llvm Depends)" == *libllvm22* ]] || die "sinter-worker-llvm depends on: $(field sinter-worker-llvm Depends)"
[[ "$(field libsinter-dev Depends)" == *'libsinter0 (='* ]] || die "libsinter-dev depends on: $(field libsinter-dev Depends)"

install_packages "$work/root" libsinter0 sinter sinter-worker-llvm libsinter-dev
cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 48, "k": 64, "groups": 2}]}
JSON
expect 0 "$work/root/usr/bin/sinter" prebuild --manifest m.json --arch host,gfx942 --json
[ "$(json '{k["origin"] for k in d["kernels"]}')" = "{'compiled'}" ] || die "prebuild: $(cat out)"
if [ "$(id -u)" -eq 0 ]; then
  dpkg --root="$work/root" --force-script-chrootless --no-triggers -r libsinter-dev sinter-worker-llvm sinter libsinter0 >>dpkg.log 2>&1 || die "dpkg cannot remove: $(cat dpkg.log)"
  [ -z "$(find root/usr -type f 2>/dev/null)" ] || die "left behind: $(find root/usr -type f)"
else
  echo 'skipped: only root can install with dpkg; the files were unpacked' >&2
fi
