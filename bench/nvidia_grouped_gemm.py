# SPDX-License-Identifier: Apache-2.0
"""Times the NVIDIA grouped GEMM and quantize kernels against PyTorch's grouped GEMM and a loop of cuBLAS products.

    build/.../export_kernels DIR < bench/nvidia_grouped_gemm.txt
    python3 bench/nvidia_grouped_gemm.py DIR

Median of event-timed launches after a warm-up; before each a 256 MB fill evicts the L2 cache; before each measurement
a pause, since a power-limited GPU slows down as it heats up. The cuBLAS loop is timed as a CUDA graph, so that it costs
no host time. TFLOPS count the rows that exist. One launch of every timed kernel is checked first.
"""
import os
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "gpu"))
from nvidia_harness import SKEWED_ROWS, Directory, GroupedGemmArgs, Kernel, QuantizeArgs, ceil_blocks  # noqa: E402

DEVICE = "cuda"
LAUNCHES, WARM_UP, PAUSE_S = 20, 5, 0.2
# (n, k, groups) -> lists of rows per group
CASES = {
    (2816, 2048, 64): {"64x384": [384] * 64, "skewed": SKEWED_ROWS, "64x6": [6] * 64},
    (2048, 1408, 64): {"64x384": [384] * 64, "skewed": SKEWED_ROWS},
    (4096, 7168, 4): {"4x8192": [8192] * 4},
}
flush = torch.empty(256 << 20, dtype=torch.uint8, device=DEVICE)


def median_us(function, launches=LAUNCHES):
    torch.cuda.synchronize()
    time.sleep(PAUSE_S)
    events = []
    for _ in range(WARM_UP + launches):
        flush.zero_()
        begin, end = torch.cuda.Event(True), torch.cuda.Event(True)
        begin.record()
        function()
        end.record()
        events.append((begin, end))
    torch.cuda.synchronize()
    return statistics.median(b.elapsed_time(e) * 1e3 for b, e in events[WARM_UP:])


def graph_of(function):
    function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph


def show(what, microseconds, flops):
    print(f"{what:34s} {microseconds:8.1f} us {flops / microseconds / 1e6:6.0f} TFLOPS", flush=True)


def peers(a, b, d, counts, offsets, flops):
    """Results of PyTorch and cuBLAS in bf16; returns the fp32 reference too."""
    reference = torch.zeros(d.shape, device=DEVICE)
    starts = [0]
    for count in counts:
        starts.append(starts[-1] + count)
    for g, (first, end) in enumerate(zip(starts, starts[1:])):
        if end > first:
            reference[first:end] = a[first:end].float() @ b[g].float().t()

    def cublas_loop():
        for g, (first, end) in enumerate(zip(starts, starts[1:])):
            if end > first:
                torch.mm(a[first:end], b[g].t(), out=d[first:end])

    grouped_mm = lambda: torch._grouped_mm(a, b.transpose(1, 2), offs=offsets[1:])
    show("torch._grouped_mm", median_us(grouped_mm), flops)
    show("cuBLAS loop (graph)", median_us(graph_of(cublas_loop).replay), flops)
    return reference


def scaled(a, b):
    """e4m3 operands with their scales, and what they stand for."""
    rows, k = a.shape
    groups, n, _ = b.shape
    blocks = b.float().view(groups, n // 128, 128, k // 128, 128)
    b_scale = blocks.abs().amax((2, 4)) / 448
    a_scale = a.float().view(rows, k // 128, 128).abs().amax(2) / 448
    qa = (a.float().view(rows, k // 128, 128) / a_scale[:, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    qb = (blocks / b_scale[:, :, None, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    return (qa.view(rows, k), qb.view(groups, n, k), a_scale.contiguous(), b_scale.contiguous(),
            (qa.float() * a_scale[:, :, None]).view(rows, k),
            (qb.float() * b_scale[:, :, None, :, None]).view(groups, n, k))


def time_kernels(kernels, directory, args, d, reference, flops):
    for manifest in kernels:
        kernel = Kernel(directory, manifest)
        d.fill_(float("nan"))
        kernel.launch(args)
        error = float((d.float() - reference).norm() / reference.norm())
        tile = "x".join(map(str, manifest["tile"]))
        what = f"{manifest['arch']} {manifest['quant']} {tile} ({kernel.blocks_per_sm}/SM)"
        if not error < 3e-3:
            print(f"{what}: WRONG, relative error {error:.1e}")
        show(what, median_us(lambda: kernel.launch(args)), flops)
        kernel.unload()


def bench_grouped_gemm(directory, shape, name, counts):
    n, k, groups = shape
    rows = sum(counts)
    flops = 2.0 * rows * n * k
    print(f"\n--- {name}: N {n}, K {k}, {groups} groups, {rows} rows")
    generator = torch.Generator(device=DEVICE).manual_seed(1)
    a = torch.randn(rows, k, device=DEVICE, generator=generator).bfloat16()
    b = torch.randn(groups, n, k, device=DEVICE, generator=generator).bfloat16()
    d = torch.empty(rows, n, device=DEVICE, dtype=torch.bfloat16)
    offsets = torch.tensor([0] + counts).cumsum(0).to(torch.int32).to(DEVICE)
    args = GroupedGemmArgs(a.data_ptr(), b.data_ptr(), d.data_ptr(), None, None, offsets.data_ptr(), rows)
    reference = peers(a, b, d, counts, offsets, flops)
    chosen = [m for m in directory.kernels if m["family"] == "grouped_gemm" and (m["n"], m["k"], m["groups"]) == shape]
    time_kernels([m for m in chosen if m["quant"] == "none"], directory, args, d, reference, flops)

    qa, qb, a_scale, b_scale, a32, b32 = scaled(a, b)
    first = 0
    for g, count in enumerate(counts):
        if count:
            reference[first:first + count] = a32[first:first + count] @ b32[g].t()
        first += count
    args = GroupedGemmArgs(qa.data_ptr(), qb.data_ptr(), d.data_ptr(), a_scale.data_ptr(), b_scale.data_ptr(),
                           offsets.data_ptr(), rows)
    time_kernels([m for m in chosen if m["quant"] == "fp8_block"], directory, args, d, reference, flops)


def bench_quantize(directory):
    for manifest in [m for m in directory.kernels if m["family"] == "quantize"]:
        rows, k = 65536, manifest["k"]
        x = torch.randn(rows, k, device=DEVICE).bfloat16()
        q = torch.empty(rows, k, device=DEVICE, dtype=torch.uint8)
        scale = torch.empty(rows, ceil_blocks(k), device=DEVICE)
        kernel, args = Kernel(directory, manifest), QuantizeArgs(x.data_ptr(), q.data_ptr(), scale.data_ptr(), rows)
        microseconds = median_us(lambda: kernel.launch(args))
        moved = rows * (3 * k + 4 * ceil_blocks(k))
        tile = "x".join(map(str, manifest["tile"]))
        what = f"quantize {manifest['arch']} K {k} {tile}"
        print(f"{what:34s} {microseconds:8.1f} us {moved / microseconds / 1e6:6.2f} TB/s", flush=True)
        kernel.unload()


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    directory = Directory(sys.argv[1])
    x, y = torch.randn(2, 8192, 8192, device=DEVICE).bfloat16()
    show("cuBLAS bf16 8192^3", median_us(lambda: torch.matmul(x, y.t())), 2.0 * 8192**3)
    for shape, lists in CASES.items():
        for name, counts in lists.items():
            bench_grouped_gemm(directory, shape, name, counts)
    bench_quantize(directory)


if __name__ == "__main__":
    main()
