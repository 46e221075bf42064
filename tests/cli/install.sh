#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An installed tree is moved, and still: its command finds its workers, and programs built against it by CMake and by
# pkg-config compile and launch a kernel.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
unset SINTER_REMOTE SINTER_BUNDLES
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
[ -e "$build/bin/sinter-worker-llvm" ] || { echo 'skipped: this build has no LLVM worker'; exit 77; }

expect 0 cmake --install "$build" --prefix "$work/first" --strip
mkdir "$work/elsewhere"
mv first 'elsewhere/moved here'
prefix="$work/elsewhere/moved here"

# Nothing in the files for other builds knows where it was built or installed.
! grep -rlF -e "$source_dir" -e "$work/first" "$prefix"/lib/cmake "$prefix"/lib/pkgconfig "$prefix"/include || die "an absolute path was installed"
readelf -d "$prefix/bin/sinter" "$prefix"/lib/libsinter.so.0 "$prefix"/libexec/sinter/* | grep -E 'RUNPATH|RPATH' | grep -F "$work" && die "a run path was installed"
[ "$(readelf -d "$prefix/lib/libsinter.so.0" | grep -c 'NEEDED.*\(curl\|hiredis\|LLVM\|ssl\|sqlite\|fmt\)')" -eq 0 ] || die "libsinter brings libraries along"

# The command.
cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 48, "k": 64, "groups": 2}]}
JSON
expect 0 "$prefix/bin/sinter" prebuild --manifest m.json --arch host --json
[ "$(json 'd["kernels"][0]["origin"]')" = compiled ] || die "prebuild: $(cat out)"
SINTER_REMOTE=redis://127.0.0.1:1 "$prefix/bin/sinter" doctor >out 2>err
out_has 'redis://127.0.0.1:1: '  # the helper was found and says that nobody is there

# A project of its own, by find_package; a wrong version is refused.
expect 0 cmake -S "$source_dir/examples/embed" -B embed -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Debug
expect 0 cmake --build embed
expect 0 embed/embed
out_has 'row 0: 16, row 4: 64'
mkdir later
sed 's/find_package(Sinter 0.1/find_package(Sinter 9.0/' "$source_dir/examples/embed/CMakeLists.txt" >later/CMakeLists.txt
expect 1 cmake -S later -B later/build -DCMAKE_PREFIX_PATH="$prefix"

# By pkg-config, whose flags cannot have blanks: by a link without.
ln -s "$prefix" linked
if command -v pkg-config >/dev/null; then
  read -ra flags <<<"$(PKG_CONFIG_PATH=$work/linked/lib/pkgconfig pkg-config --cflags --libs sinter)"
  expect 0 "${CXX:-c++}" -std=c++20 "$source_dir/examples/embed/main.cpp" -o by_pkg_config "${flags[@]}"
  LD_LIBRARY_PATH=$work/linked/lib expect 0 ./by_pkg_config
  out_has 'row 0: 16, row 4: 64'
  [ "$(PKG_CONFIG_PATH=$work/linked/lib/pkgconfig pkg-config --modversion sinter)" = "$("$prefix/bin/sinter" --version | grep -oE '[0-9.]+' | head -n 1)" ] || die "versions differ"
else
  echo 'skipped: there is no pkg-config' >&2
fi
