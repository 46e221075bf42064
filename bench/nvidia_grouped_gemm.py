# SPDX-License-Identifier: Apache-2.0
"""Times the NVIDIA grouped GEMM, weight gradient and quantize kernels against PyTorch's and a loop of cuBLAS products.

    build/.../export_kernels DIR < bench/nvidia_grouped_gemm.txt
    python3 bench/nvidia_grouped_gemm.py DIR... [--cases NAME,...]

Several DIRs are builds to compare. Median of event-timed launches after a warm-up; before each a 256 MB fill evicts the
L2 cache; before each measurement a pause, since a power-limited GPU slows down as it heats up. All kernels of a case
and the peers take turns; shown are the median of the rounds' medians, the smallest and the largest. The cuBLAS loop is
timed as a CUDA graph, so that it costs no host time. TFLOPS count the rows that exist. One launch of every kernel is
checked first, all of D, against float64.

Every kernel has the peers of its mode: torch._grouped_mm for bf16 and fp16 (for the gradients with the operands that
autograd gives it; a gradient that is added to fp32 also with the addition), torch._scaled_grouped_mm for fp8_token. What
is timed of a kernel with swiglu is compared with torch's product without it.
"""
import argparse
import os
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "gpu"))
from nvidia_harness import (SKEWED_ROWS, Directory, GroupedGemmArgs, GroupedWgradArgs, Kernel,  # noqa: E402
                            QuantizeArgs, ceil_blocks)

DEVICE = "cuda"
LAUNCHES, WARM_UP, PAUSE_S, ROUNDS = 20, 5, 0.2, 3
# name -> (n, k, rows per group)
CASES = {
    "64x384 2816x2048": (2816, 2048, [384] * 64),
    "64x384 2048x1408": (2048, 1408, [384] * 64),
    "skewed 2816x2048": (2816, 2048, SKEWED_ROWS),
    "skewed 2048x1408": (2048, 1408, SKEWED_ROWS),
    "64x384 2048x2816": (2048, 2816, [384] * 64),
    "64x384 1408x2048": (1408, 2048, [384] * 64),
    "skewed 2048x2816": (2048, 2816, SKEWED_ROWS),
    "skewed 1408x2048": (1408, 2048, SKEWED_ROWS),
    "64x2304 2816x2048": (2816, 2048, [2304] * 64),
    "64x2304 2048x2816": (2048, 2816, [2304] * 64),
    "4x8192 4096x7168": (4096, 7168, [8192] * 4),
    "4x8192 7168x2048": (7168, 2048, [8192] * 4),
    "128x512 1536x2048": (1536, 2048, [512] * 128),
    "8x4096 14336x4096": (14336, 4096, [4096] * 8),
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


TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def relative_error(pieces):
    """Of (result, reference) pairs, in all and of the worst pair."""
    total, norm, worst = 0.0, 0.0, 0.0
    for out, reference in pieces:
        difference, size = float((out.double() - reference).square().sum()), float(reference.square().sum())
        total, norm, worst = total + difference, norm + size, max(worst, difference / max(size, 1e-30))
    return (total / norm)**0.5, worst**0.5


class Forward:
    """Operands of D = A B^T (or, with B as [k, n], A B) in one mode."""

    def __init__(self, manifest, counts):
        self.manifest, self.n, self.k = manifest, manifest["n"], manifest["k"]
        self.rows, self.groups = sum(counts), len(counts)
        self.quant, self.epilogue, self.is_kn = manifest["quant"], manifest["epilogue"], manifest["b_layout"] == "kn"
        self.dtype = TYPES[manifest["dtype"]]
        generator = torch.Generator(device=DEVICE).manual_seed(1)
        random = lambda *shape: torch.randn(*shape, device=DEVICE, generator=generator)
        spread = self.k**-0.5 if self.epilogue == "swiglu" else 1.0
        self.a = (random(self.rows, self.k) * spread).to(self.dtype)
        self.b = random(self.groups, *((self.k, self.n) if self.is_kn else (self.n, self.k))).to(self.dtype)
        self.d = torch.empty(self.rows, self.n // 2 if self.epilogue == "swiglu" else self.n, device=DEVICE, dtype=self.dtype)
        self.offsets = torch.tensor([0] + counts).cumsum(0).to(torch.int32).to(DEVICE)
        self.starts = self.offsets.tolist()
        self.scales = ()
        if self.quant == "fp8_block":
            self.a, self.b, *self.scales = scaled(self.a, self.b)
        elif self.quant == "fp8_token":
            self.scales = [x.float().abs().amax(-1) / 448 for x in (self.a, self.b)]
            self.a, self.b = [(x.float() / scale[..., None]).clamp(-448, 448).to(torch.float8_e4m3fn)
                              for x, scale in zip((self.a, self.b), self.scales)]
        self.bias = random(self.groups, self.n).to(self.dtype) if self.epilogue == "bias" else None
        self.pointers = torch.tensor([b.data_ptr() for b in self.b], dtype=torch.int64, device=DEVICE)
        separate = manifest["b_tensors"] == "separate"
        scales = [scale.data_ptr() for scale in self.scales] or [None, None]
        self.args = GroupedGemmArgs(self.a.data_ptr(), (self.pointers if separate else self.b).data_ptr(),
                                    self.d.data_ptr(), *scales, self.offsets.data_ptr(), self.rows,
                                    self.bias.data_ptr() if self.bias is not None else None)

    def flops(self):
        return 2.0 * self.rows * self.n * self.k

    def pieces(self):
        for group, (first, end) in enumerate(zip(self.starts, self.starts[1:])):
            if first < end:
                yield group, first, end

    def poison(self):
        self.d.fill_(float("nan"))

    def reference(self, group, first, end):
        a, b = self.a[first:end].double(), self.b[group].double()
        b = b.t() if self.is_kn else b
        if self.quant == "fp8_block":
            a = a * self.scales[0][first:end].double().repeat_interleave(128, 1)
            b = b * self.scales[1][group].double().repeat_interleave(128, 0).repeat_interleave(128, 1)
        elif self.quant == "fp8_token":
            a, b = a * self.scales[0][first:end, None].double(), b * self.scales[1][group][:, None].double()
        product = a @ b.t()
        if self.epilogue == "swiglu":
            gate, up = product.chunk(2, 1)
            return torch.nn.functional.silu(gate) * up
        return product + self.bias[group].double() if self.epilogue == "bias" else product

    def error(self):
        return relative_error((self.d[first:end], self.reference(group, first, end))
                              for group, first, end in self.pieces())

    def peers(self):
        b = self.b if self.is_kn else self.b.transpose(1, 2)
        if self.quant == "none":
            yield "torch._grouped_mm", lambda: torch._grouped_mm(self.a, b, offs=self.offsets[1:])
            if self.epilogue == "none":
                out = torch.empty_like(self.d)
                loop = lambda: [torch.mm(self.a[first:end], b[group], out=out[first:end])
                                for group, first, end in self.pieces()]
                yield "cuBLAS loop (graph)", graph_of(loop).replay
        elif self.quant == "fp8_token":
            yield "torch._scaled_grouped_mm", lambda: torch._scaled_grouped_mm(
                self.a, b, *self.scales, offs=self.offsets[1:], out_dtype=torch.bfloat16)


class Wgrad:
    """Operands of dW = dY^T X."""

    def __init__(self, manifest, counts):
        self.manifest, self.n, self.k = manifest, manifest["n"], manifest["k"]
        self.rows, self.groups = sum(counts), len(counts)
        generator = torch.Generator(device=DEVICE).manual_seed(1)
        random = lambda *shape: torch.randn(*shape, device=DEVICE, generator=generator)
        dtype = TYPES[manifest["dtype"]]
        self.dy, self.x = random(self.rows, self.n).to(dtype), random(self.rows, self.k).to(dtype)
        self.adds = manifest["output"] == "add_f32"
        self.dw = torch.zeros(self.groups, self.n, self.k, device=DEVICE,
                              dtype=dtype if manifest["output"] == "same" else torch.float32)
        self.offsets = torch.tensor([0] + counts).cumsum(0).to(torch.int32).to(DEVICE)
        self.starts = self.offsets.tolist()
        self.args = GroupedWgradArgs(self.dy.data_ptr(), self.x.data_ptr(), self.dw.data_ptr(), self.offsets.data_ptr(),
                                     self.rows)

    def flops(self):
        return 2.0 * self.rows * self.n * self.k

    def poison(self):
        self.dw.fill_(3 if self.adds else float("nan"))

    def error(self):
        return relative_error(
            (self.dw[group].double() - (3 if self.adds else 0),
             self.dy[first:end].double().t() @ self.x[first:end].double())
            for group, (first, end) in enumerate(zip(self.starts, self.starts[1:])))

    def peers(self):
        product = lambda: torch._grouped_mm(self.dy.t(), self.x, offs=self.offsets[1:])
        if self.manifest["output"] == "same":
            yield "torch._grouped_mm", product
        elif self.adds:
            yield "torch._grouped_mm, then dw +=", lambda: self.dw.add_(product())
        else:
            yield "torch._grouped_mm, then float()", lambda: product().float()


def label(directory, manifest):
    words = [os.path.basename(os.path.normpath(directory.path)), manifest["arch"]]
    words += [manifest[p] for p in ("quant", "dtype", "output", "b_layout", "b_tensors", "epilogue") if p in manifest]
    return " ".join(w for w in words if w not in ("stacked", "nk", "none")) + " " + "x".join(map(str, manifest["tile"]))


def mode_of(manifest):
    return tuple(manifest.get(p) for p in ("family", "quant", "dtype", "output", "b_layout", "epilogue"))


def bench_case(directories, name):
    n, k, counts = CASES[name]
    kernels = [(directory, manifest) for directory in directories for manifest in directory.kernels
               if manifest["family"] != "quantize" and (manifest["n"], manifest["k"], manifest["groups"]) ==
               (n, k, len(counts))]
    for mode in dict.fromkeys(mode_of(manifest) for _, manifest in kernels):
        bench_mode(name, counts, [(directory, m) for directory, m in kernels if mode_of(m) == mode])
        torch.cuda.empty_cache()


def bench_mode(name, counts, kernels):
    """Times the kernels of one mode and their peers in turns."""
    manifest = kernels[0][1]
    make = Wgrad if manifest["family"] == "grouped_wgrad" else Forward
    cases, contenders = [], {}
    for directory, manifest in kernels:
        kernel, what = Kernel(directory, manifest), label(directory, manifest)
        if not cases or manifest.get("b_tensors") != cases[-1].manifest.get("b_tensors"):
            cases.append(make(manifest, counts))
        case = cases[-1]
        case.poison()
        kernel.launch(case.args)
        torch.cuda.synchronize()
        error, worst = case.error()
        if not error < 3e-3 or not worst < 4e-3:
            print(f"{what}: WRONG, relative error {error:.1e}, of the worst group {worst:.1e}")
        contenders[what] = lambda kernel=kernel, args=case.args: kernel.launch(args)
    peers = {what: peer for what, peer in case.peers() if works(what, peer)}
    contenders = {**peers, **contenders}
    print(f"\n--- {name}: {case.groups} groups, {case.rows} rows, {manifest['family']}", flush=True)
    times = {what: [] for what in contenders}
    for _ in range(ROUNDS):
        for what, function in contenders.items():
            times[what].append(median_us(function))
    first_peer = statistics.median(times[next(iter(peers))]) if peers else None
    for what, us in times.items():
        middle = statistics.median(us)
        ratio = f" {first_peer / middle:5.2f}x" if first_peer else ""
        print(f"{what:52s} {middle:8.1f} us ({min(us):.1f}-{max(us):.1f}) {case.flops() / middle / 1e6:6.0f} TFLOPS{ratio}",
              flush=True)


def works(what, peer):
    """Whether this PyTorch has the peer."""
    try:
        peer()
        torch.cuda.synchronize()
        return True
    except (RuntimeError, AttributeError) as error:
        print(f"{what}: {str(error).splitlines()[0]}")
        return False


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
