#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What examples/container/Containerfile says, without an engine: two directories stand for its stages. The second has no
# compiler and nothing to write to, and runs a kernel.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=tests/cli/packages.bash
source "$(dirname "$0")/packages.bash"
unset SINTER_REMOTE SINTER_BUNDLES SINTER_SIGNATURES SINTER_TRUSTED_KEYS
example=$(cd "$(dirname "$0")/../../examples/container" && pwd)
make_packages

# The packages that each stage installs are those that the Containerfile names.
packages_of_stage() { awk -v stage="$1" '/^FROM/ {n++} n == stage && /^COPY packages/' "$example/Containerfile" | grep -oE 'packages/[a-z0-9-]+_' | sed 's|packages/||; s|_||'; }
mapfile -t first < <(packages_of_stage 1)
mapfile -t second < <(packages_of_stage 2)
[ "${#first[@]}" -eq 3 ] && [ "${#second[@]}" -eq 2 ] || die "stages: ${first[*]}; ${second[*]}"
install_packages "$work/build-stage" "${first[@]}"
install_packages "$work/final-stage" "${second[@]}"
[ ! -e final-stage/usr/libexec/sinter/sinter-worker-llvm ] || die "the final stage has a compiler"

# The first stage builds for this machine, and for one that is not here.
PATH=$work/build-stage/usr/bin:$PATH
expect 0 "$sinter" key generate --out release
expect 0 sh "$example/prebuild.sh" "$example/kernels.json" gfx942,host "$work/final-stage/opt/kernels" "$work/release"
[ "$(find final-stage/opt/kernels -name '*.sinter' | wc -l)" -eq 2 ] || die "bundles: $(find final-stage/opt)"

# The second, with the environment that the Containerfile sets.
expect 0 "$sinter" sample 'a=bf16[40,64]' 'b=bf16[4,128,64]' 'row_offsets=lengths(30,0,5,5)' --output x.safetensors
environment=$(sed -n 's/^ENV //p' "$example/Containerfile" | sed "s|/opt|$work/final-stage/opt|")
final() { env -i HOME=/nonexistent PATH=/usr/bin:/bin sh -c "export $environment; exec \"\$@\"" sh "$@"; }
expect 0 final "$work/final-stage/usr/bin/sinter" run grouped_gemm --input "$work/x.safetensors" --repeat 1 --json
[ "$(json 'd["code"]["origin"], d["check"]["ok"]')" = "('bundle', True)" ] || die "run: $(cat out)"
# What the image lacks is named.
expect 0 "$sinter" sample 'a=bf16[40,64]' 'b=bf16[4,256,64]' 'row_offsets=lengths(30,0,5,5)' --output y.safetensors
expect 1 final "$work/final-stage/usr/bin/sinter" run grouped_gemm --input "$work/y.safetensors" --repeat 1
err_has 'SINTER_COMPILE is off'
