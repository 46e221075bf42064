# SPDX-License-Identifier: Apache-2.0
"""Times the NVIDIA grouped GEMM and quantize kernels against PyTorch's grouped GEMM and a loop of cuBLAS products.

    build/.../export_kernels DIR < bench/nvidia_grouped_gemm.txt
    python3 bench/nvidia_grouped_gemm.py DIR... [--cases NAME,...]

Several DIRs are builds to compare. Median of event-timed launches after a warm-up; before each a 256 MB fill evicts the
L2 cache; before each measurement a pause, since a power-limited GPU slows down as it heats up. All kernels of a case
and the peers take turns; shown are the median of the rounds' medians, the smallest and the largest. The cuBLAS loop is
timed as a CUDA graph, so that it costs no host time. TFLOPS count the rows that exist. One launch of every kernel is
checked first, all of D, against float64.
"""
import argparse
import os
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "gpu"))
from nvidia_harness import SKEWED_ROWS, Directory, GroupedGemmArgs, Kernel, QuantizeArgs, ceil_blocks  # noqa: E402

DEVICE = "cuda"
LAUNCHES, WARM_UP, PAUSE_S, ROUNDS = 20, 5, 0.2, 3
# name -> (n, k, rows per group)
CASES = {
    "64x384 2816x2048": (2816, 2048, [384] * 64),
    "64x384 2048x1408": (2048, 1408, [384] * 64),
    "skewed 2816x2048": (2816, 2048, SKEWED_ROWS),
    "skewed 2048x1408": (2048, 1408, SKEWED_ROWS),
    "64x2304 2816x2048": (2816, 2048, [2304] * 64),
    "64x2304 2048x2816": (2048, 2816, [2304] * 64),
    "4x8192 4096x7168": (4096, 7168, [8192] * 4),
    "4x8192 7168x2048": (7168, 2048, [8192] * 4),
    "32x20 4096x7168": (4096, 7168, [20] * 32),
    "64x6 2816x2048": (2816, 2048, [6] * 64),
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


def scaled(a, b):
    """e4m3 operands with their scales."""
    rows, k = a.shape
    groups, n, _ = b.shape
    a_blocks, b_blocks = a.float().view(rows, k // 128, 128), b.float().view(groups, n // 128, 128, k // 128, 128)
    a_scale, b_scale = a_blocks.abs().amax(2) / 448, b_blocks.abs().amax((2, 4)) / 448
    qa = (a_blocks / a_scale[:, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    qb = (b_blocks / b_scale[:, :, None, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    return qa.view(rows, k), qb.view(groups, n, k), a_scale.contiguous(), b_scale.contiguous()


class Case:
    """Operands in both modes, with their float64 results."""

    def __init__(self, n, k, counts):
        self.n, self.k, self.rows, self.groups = n, k, sum(counts), len(counts)
        self.flops = 2.0 * self.rows * n * k
        generator = torch.Generator(device=DEVICE).manual_seed(1)
        self.a = torch.randn(self.rows, k, device=DEVICE, generator=generator).bfloat16()
        self.b = torch.randn(self.groups, n, k, device=DEVICE, generator=generator).bfloat16()
        self.d = torch.empty(self.rows, n, device=DEVICE, dtype=torch.bfloat16)
        self.offsets = torch.tensor([0] + counts).cumsum(0).to(torch.int32).to(DEVICE)
        self.starts = self.offsets.tolist()
        self.quantized = scaled(self.a, self.b)
        qa, qb, a_scale, b_scale = self.quantized
        self.args = {
            "none": GroupedGemmArgs(self.a.data_ptr(), self.b.data_ptr(), self.d.data_ptr(), None, None,
                                    self.offsets.data_ptr(), self.rows),
            "fp8_block": GroupedGemmArgs(qa.data_ptr(), qb.data_ptr(), self.d.data_ptr(), a_scale.data_ptr(),
                                         b_scale.data_ptr(), self.offsets.data_ptr(), self.rows),
        }

    def pieces(self):
        for group, (first, end) in enumerate(zip(self.starts, self.starts[1:])):
            if first < end:
                yield group, first, end

    def error(self, quant):
        """Relative error of all of D, and of its worst group."""
        total, norm, worst = 0.0, 0.0, 0.0
        for group, first, end in self.pieces():
            if quant == "none":
                a, b = self.a[first:end].double(), self.b[group].double()
            else:
                qa, qb, a_scale, b_scale = self.quantized
                a = qa[first:end].double() * a_scale[first:end].double().repeat_interleave(128, 1)
                b = qb[group].double() * b_scale[group].double().repeat_interleave(128, 0).repeat_interleave(128, 1)
            reference = a @ b.t()
            difference = float((self.d[first:end].double() - reference).square().sum())
            size = float(reference.square().sum())
            total, norm, worst = total + difference, norm + size, max(worst, difference / size)
        return (total / norm)**0.5, worst**0.5

    def cublas_loop(self):
        for group, first, end in self.pieces():
            torch.mm(self.a[first:end], self.b[group].t(), out=self.d[first:end])


def label(directory, manifest):
    tile = "x".join(map(str, manifest["tile"]))
    return f"{os.path.basename(os.path.normpath(directory.path))} {manifest['arch']} {manifest['quant']} {tile}"


def bench_case(directories, name):
    n, k, counts = CASES[name]
    kernels = [(directory, manifest) for directory in directories for manifest in directory.kernels
               if manifest["family"] == "grouped_gemm" and (manifest["n"], manifest["k"], manifest["groups"]) ==
               (n, k, len(counts))]
    if not kernels:
        return
    case = Case(n, k, counts)
    print(f"\n--- {name}: {case.groups} groups, {case.rows} rows", flush=True)
    contenders = {
        "torch._grouped_mm": lambda: torch._grouped_mm(case.a, case.b.transpose(1, 2), offs=case.offsets[1:]),
        "cuBLAS loop (graph)": graph_of(case.cublas_loop).replay,
    }
    for directory, manifest in kernels:
        kernel, args, what = Kernel(directory, manifest), case.args[manifest["quant"]], label(directory, manifest)
        case.d.fill_(float("nan"))
        kernel.launch(args)
        torch.cuda.synchronize()
        error, worst = case.error(manifest["quant"])
        if not error < 3e-3 or not worst < 4e-3:
            print(f"{what}: WRONG, relative error {error:.1e}, of the worst group {worst:.1e}")
        contenders[what] = lambda kernel=kernel, args=args: kernel.launch(args)
    times = {what: [] for what in contenders}
    for _ in range(ROUNDS):
        for what, function in contenders.items():
            times[what].append(median_us(function))
    for what, us in times.items():
        middle = statistics.median(us)
        print(f"{what:44s} {middle:8.1f} us ({min(us):.1f}-{max(us):.1f}) {case.flops / middle / 1e6:6.0f} TFLOPS",
              flush=True)


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
    parser = argparse.ArgumentParser()
    parser.add_argument("directories", nargs="+")
    parser.add_argument("--cases", default=",".join(CASES))
    options = parser.parse_args()
    directories = [Directory(path) for path in options.directories]
    x, y = torch.randn(2, 8192, 8192, device=DEVICE).bfloat16()
    us = median_us(lambda: torch.matmul(x, y.t()))
    print(f"cuBLAS bf16 8192^3: {us:.1f} us {2.0 * 8192**3 / us / 1e6:.0f} TFLOPS", flush=True)
    del x, y
    for name in options.cases.split(","):
        bench_case(directories, name)
        torch.cuda.empty_cache()
    for directory in directories:
        bench_quantize(directory)


if __name__ == "__main__":
    main()
