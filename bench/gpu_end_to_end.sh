#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole path on a machine with an NVIDIA GPU and without LLVM, from binaries built elsewhere:
#   bench/gpu_end_to_end.sh DIRECTORY   (with sinter, sinter-worker and test-cuda-gpu in it)
# Doctor, the driver's tests, then both modes, ragged and empty groups, odd sizes, as cubin and as PTX for sm_80; cold, from
# disk in a new process, live; the expert layer of DeepSeek-V2-Lite; quantize; refusals. Prints one line a run.
set -uo pipefail
bin=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export SINTER_CACHE_DIR=$work/cache
if [ -z "${SINTER_NVRTC:-}" ]; then
  SINTER_NVRTC=$(find / -name 'libnvrtc.so.1[23]' -not -path '*/proc/*' 2>/dev/null | head -1)
  export SINTER_NVRTC
fi
failed=0
check() { echo "--- $*"; "$@" || { echo "FAILED ($?): $*"; failed=$((failed + 1)); }; }
refuse() { echo "--- refused: $*"; if "$@"; then echo "FAILED: not refused: $*"; failed=$((failed + 1)); fi; }

nvidia-smi --query-gpu=name,driver_version,clocks.sm --format=csv,noheader
check "$bin/sinter" doctor
check "$bin/test-cuda-gpu"

run() { check "$bin/sinter" run "$@" --device cuda:0; }
sample() { "$bin/sinter" sample "$@" || failed=$((failed + 1)); }

sample 'a=bf16[101,208]' 'b=bf16[5,272,208]' 'row_offsets=lengths(7,0,60,33,1)' --output bf16.safetensors
sample 'a=e4m3[101,208]' 'b=e4m3[5,272,208]' 'a_scale=f32[101,2]' 'b_scale=f32[5,3,2]' 'row_offsets=lengths(7,0,60,33,1)' --output fp8.safetensors
sample 'a=bf16[1,8]' 'b=bf16[1,8,8]' 'row_offsets=lengths(1)' --output tiny.safetensors
sample 'x=bf16[333,1408]' --output x.safetensors
for file in bf16 fp8 tiny; do
  run grouped_gemm --input $file.safetensors --output d.safetensors
  run grouped_gemm --input $file.safetensors
done
for arch in compute_80 sm_90; do
  run grouped_gemm --input bf16.safetensors --arch $arch
  run grouped_gemm --input fp8.safetensors --arch $arch
  run quantize --input x.safetensors --arch $arch
done
sample 'a=e4m3[101,208]' 'b=e4m3[5,272,208]' 'a_scale=f32[101]' 'b_scale=f32[5,272]' 'row_offsets=lengths(7,0,60,33,1)' --output token.safetensors
sample 'a=bf16[101,208]' 'b=bf16[5,208,272]' 'row_offsets=lengths(7,0,60,33,1)' --output kn.safetensors
sample 'a=bf16[101,208]' 'b=bf16[5,272,208]' 'bias=bf16[5,272]' 'row_offsets=lengths(7,0,60,33,1)' --output bias.safetensors
sample 'dy=bf16[101,272]' 'x=bf16[101,208]' 'row_offsets=lengths(7,0,60,33,1)' --output wgrad.safetensors
run grouped_gemm --input token.safetensors
run grouped_gemm --input token.safetensors --arch compute_80
run grouped_gemm --input kn.safetensors --param b_layout=kn
run grouped_gemm --input bias.safetensors --param epilogue=bias
run grouped_gemm --input bf16.safetensors --param epilogue=swiglu
run grouped_wgrad --input wgrad.safetensors --param output=f32
run grouped_wgrad --input wgrad.safetensors --param output=same
refuse "$bin/sinter" run grouped_gemm --input kn.safetensors --device cuda:0 --arch compute_80 --param b_layout=kn
refuse "$bin/sinter" run grouped_gemm --input bf16.safetensors --device cuda:0 --arch sm_80
run quantize --input x.safetensors --output q.safetensors
run quantize --input x.safetensors --param scale=pow2 --param floor=0

rows=8,83,945,0,162,4,3,0,251,510,24,140,37,0,33,10,1,0,5,0,115,0,1,1,1,188,43,1,7,0,12,0,324,5,88,0,0,58,558,219,1296,1155,2,1102,6,0,115,0,106,0,10,0,698,2,594,221,351,0,1,2,2040,0,7,743
for shape in "2816 2048" "2048 1408"; do
  read -r n k <<<"$shape"
  sample "a=bf16[12288,$k]" "b=bf16[64,$n,$k]" "row_offsets=lengths($rows)" --output big.safetensors
  run grouped_gemm --input big.safetensors --repeat 30
  run grouped_gemm --input big.safetensors --repeat 30
  sb=$(( (k + 127) / 128 )); nb=$(( (n + 127) / 128 ))
  sample "a=e4m3[12288,$k]" "b=e4m3[64,$n,$k]" "a_scale=f32[12288,$sb]" "b_scale=f32[64,$nb,$sb]" "row_offsets=lengths($rows)" --output big8.safetensors
  run grouped_gemm --input big8.safetensors --repeat 30
done
refuse "$bin/sinter" run grouped_gemm --input bf16.safetensors --device cuda:0 --vskip on
refuse "$bin/sinter" run grouped_gemm --input bf16.safetensors --device cuda:0 --tile 4096x4096x64
refuse "$bin/sinter" run grouped_gemm --input bf16.safetensors --device cuda:7
check "$bin/sinter" cache list
check "$bin/sinter" cache verify
echo "failed: $failed"
[ "$failed" -eq 0 ]
