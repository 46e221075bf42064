# SPDX-License-Identifier: Apache-2.0
# Sourced after common.bash by scripts that need the Debian packages: built once, installed into directories that then
# stand for fresh machines.
# shellcheck shell=bash disable=SC2034,SC2154
[ -e "$build/bin/sinter-worker-llvm" ] || { echo 'skipped: this build has no LLVM worker'; exit 77; }
for program in cpack dpkg dpkg-shlibdeps; do
  command -v "$program" >/dev/null || { echo "skipped: there is no $program"; exit 77; }
done
packages=$build/packages

# make_packages: cpack is run again only when something that it packs is newer.
make_packages() {
  (
    flock 9
    oldest=$(find "$packages" -maxdepth 1 -name '*.deb' -printf '%T@\n' 2>/dev/null | sort -n | head -n 1)
    for file in "$build"/bin/sinter* "$build"/lib/libsinter* "$build"/CPackConfig.cmake; do
      if [ -z "$oldest" ] || [ "$(stat -c %Y "$file")" -ge "${oldest%.*}" ]; then
        rm -rf "$packages"
        cd "$build" && cpack -G DEB >"$work/cpack.log" 2>&1 || { cat "$work/cpack.log" >&2; exit 1; }
        break
      fi
    done
  ) 9>"$build/packages.lock" || die "cpack failed"
}

# install_packages ROOT NAME...: as dpkg does on a machine that has nothing yet. As root by dpkg itself, which writes
# ROOT's own database; else the files alone.
install_packages() {
  local root=$1 name
  shift
  mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/log"
  touch "$root/var/lib/dpkg/status"
  for name in "$@"; do
    if [ "$(id -u)" -eq 0 ]; then
      # Dependencies are the system's, which this directory has not, nor a shell for scripts.
      dpkg --root="$root" --force-depends --force-script-chrootless --no-triggers -i "$packages/${name}"_*.deb >>"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; die "dpkg cannot install $name"; }
    else
      dpkg-deb -x "$packages/${name}"_*.deb "$root"
    fi
  done
}
