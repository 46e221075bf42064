# SPDX-License-Identifier: Apache-2.0
"""Checks the NVIDIA kernels of both families on a GPU, against float64 and bit by bit.

    build/.../export_kernels DIR < tests/gpu/nvidia_kernels.txt
    python3 tests/gpu/nvidia_kernels_test.py DIR [--small] [--only PART_OF_A_NAME]

Inputs are random and lie between guard zones of NaN; outputs are poisoned with guard zones around them, so that a read
or a write out of place shows. --small leaves out what is slow, for a run under compute-sanitizer.
"""
import sys

import torch

from nvidia_harness import (SKEWED_ROWS, Directory, GroupedGemmArgs, GroupedWgradArgs, Kernel, QuantizeArgs,
                            ceil_blocks)

DEVICE = "cuda"
GUARD_BYTES = 1 << 14
EDGE_ROWS = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 0, 0, 191, 192, 193, 255, 256, 257, 0, 2, 383,
             385, 7, 513]
INT_MIN, INT_MAX = -2**31, 2**31 - 1
failures = []


def report(name, problem):
    if problem:
        failures.append(f"{name}: {problem}")
        print("FAILED", failures[-1], flush=True)


class Guarded:
    """A tensor between guard zones of `byte`; 0xff is NaN in bf16, e4m3 and fp32."""

    def __init__(self, shape, dtype, byte=0xff):
        count = 1
        for size in shape:
            count *= size
        size = count * torch.empty((), dtype=dtype).element_size()
        self.bytes = torch.full((GUARD_BYTES * 2 + (size + 15) // 16 * 16,), byte, dtype=torch.uint8, device=DEVICE)
        self.inner = self.bytes[GUARD_BYTES:GUARD_BYTES + size]
        self.tensor = self.inner.view(dtype).view(shape)
        self.byte, self.size = byte, size

    def fill(self, values):
        self.tensor.copy_(values)
        return self

    def guards_hold(self):
        before, after = self.bytes[:GUARD_BYTES], self.bytes[GUARD_BYTES + self.size:]
        return bool((before == self.byte).all()) and bool((after == self.byte).all())

    def pointer(self):
        return self.inner.data_ptr() if self.size else self.bytes.data_ptr() + GUARD_BYTES


# --- grouped_gemm -----------------------------------------------------------------------------------------------------


def clamped(offsets, rows):
    """The offsets as the kernels must read them."""
    out, highest = [], 0
    for offset in offsets:
        highest = max(highest, min(max(offset, 0), rows))
        out.append(highest)
    return out


TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Problem:
    """Operands of one launch with their float64 result."""

    def __init__(self, kernel, rows, offsets, seed):
        n, k, groups = kernel["n"], kernel["k"], kernel["groups"]
        generator = torch.Generator(device=DEVICE).manual_seed(seed)
        random = lambda *shape: torch.randn(*shape, device=DEVICE, generator=generator)
        self.kernel, self.rows, self.starts = kernel, rows, clamped(offsets, rows)
        self.out_type = TYPES[kernel["dtype"]]
        self.quant, self.epilogue, self.is_kn = kernel["quant"], kernel["epilogue"], kernel["b_layout"] == "kn"
        fp8 = self.quant != "none"
        dtype = torch.float8_e4m3fn if fp8 else self.out_type
        spread = 60.0 if fp8 else 1.0  # most of e4m3's range, subnormals included
        small = k**-0.5 if self.epilogue == "swiglu" and not fp8 else 1.0
        self.a = Guarded((rows, k), dtype).fill((random(rows, k) * spread * small).clamp(-448, 448))
        shape = (k, n) if self.is_kn else (n, k)
        b_random = lambda *shape: (random(*shape) * spread).clamp(-448, 448)
        if kernel["b_tensors"] == "separate":
            self.b = [Guarded(shape, dtype).fill(b_random(*shape)) for _ in range(groups)]
            order = torch.randperm(groups, device=DEVICE, generator=generator).tolist()
            self.b = [self.b[i] for i in order]  # addresses do not ascend
            self.pointers = torch.tensor([b.pointer() for b in self.b], dtype=torch.int64, device=DEVICE)
            b_pointer = self.pointers.data_ptr()
        else:
            whole = Guarded((groups, *shape), dtype).fill(b_random(groups, *shape))
            self.b, b_pointer = [whole], whole.pointer()
        self.offsets = Guarded((groups + 1,), torch.int32, 0x7f).fill(torch.tensor(offsets, device=DEVICE))
        self.d = Guarded((rows, n // 2 if self.epilogue == "swiglu" else n), self.out_type)
        self.args = GroupedGemmArgs(self.a.pointer(), b_pointer, self.d.pointer(), None, None, self.offsets.pointer(), rows)
        # Products of two e4m3 numbers are large: these keep D in the range of fp16, and of silu where it bends.
        unit = (1e-5 if self.epilogue == "swiglu" else 0.05 if kernel["dtype"] == "fp16" else 1.0)**0.5
        uniform = lambda *shape: (torch.rand(*shape, device=DEVICE, generator=generator) + 0.01) * unit
        if fp8:
            shapes = {"fp8_block": ((rows, ceil_blocks(k)), (groups, ceil_blocks(n), ceil_blocks(k))),
                      "fp8_token": ((rows,), (groups, n))}[self.quant]
            self.a_scale, self.b_scale = (Guarded(shape, torch.float32).fill(uniform(*shape)) for shape in shapes)
            self.args.a_scale, self.args.b_scale = self.a_scale.pointer(), self.b_scale.pointer()
        if self.epilogue == "bias":
            self.bias = Guarded((groups, n), self.out_type).fill(random(groups, n) * (k * spread**4 * unit**4)**0.5)
            self.args.bias = self.bias.pointer()

    def matrix(self, group):
        """B of a group as [n, k] in float64."""
        b = self.b[group].tensor if len(self.b) > 1 else self.b[0].tensor[group]
        return (b.t() if self.is_kn else b).to(torch.float64)

    def group_reference(self, group, rows):
        """D[rows, :] in float64."""
        a, b = self.a.tensor[rows].to(torch.float64), self.matrix(group)
        if self.quant == "fp8_block":
            a = a * self.a_scale.tensor[rows].double().repeat_interleave(128, 1)[:, :a.shape[1]]
            scale = self.b_scale.tensor[group].double().repeat_interleave(128, 0)[:b.shape[0]]
            b = b * scale.repeat_interleave(128, 1)[:, :b.shape[1]]
        elif self.quant == "fp8_token":
            a = a * self.a_scale.tensor[rows].double()[:, None]
            b = b * self.b_scale.tensor[group].double()[:, None]
        product = a @ b.t()
        if self.epilogue == "bias":
            return product + self.bias.tensor[group].double()
        if self.epilogue == "swiglu":
            gate, up = product.chunk(2, 1)
            return torch.nn.functional.silu(gate) * up
        return product

    def run(self, kernel, blocks=None):
        self.d.inner.fill_(0xff)
        kernel.launch(self.args, blocks)
        torch.cuda.synchronize()
        return self.d.tensor

    def check(self, sample=None):
        """What is wrong with D, or None. `sample`: at most that many rows of each group."""
        d, starts = self.d.tensor, self.starts
        for unowned in (d[:starts[0]], d[starts[-1]:]):
            if not bool((unowned.view(torch.int16) == -1).all()):
                return "rows of no group were written"
        if not all(x.guards_hold() for x in (self.a, *self.b, self.d)):
            return "a guard zone was written"
        error, norm = 0.0, 0.0
        for group, (first, end) in enumerate(zip(starts, starts[1:])):
            if first == end:
                continue
            rows = slice(first, end)
            if sample and end - first > sample:
                picked = torch.randint(first, end, (sample,), device=DEVICE)
                picked[0], picked[1] = first, end - 1
                rows = picked
            reference = self.group_reference(group, rows)
            difference = d[rows].double() - reference
            error, norm = error + float(difference.square().sum()), norm + float(reference.square().sum())
            # fp16 of ordinary numbers rounds eight times as finely as bf16. Sums of e4m3 keep fewer bits than that, and
            # those of fp8_token are 256 products long before they are added in fp32; swiglu multiplies two of them.
            bits = 10 if self.quant == "none" and self.out_type == torch.float16 else 7
            sums = (6 if self.epilogue == "swiglu" else 8) if self.quant == "fp8_token" else bits + 2
            allowed = reference.abs() * 2**-bits + reference.square().mean().sqrt() * 2**-sums
            worst = float((difference.abs() / allowed).max())
            if not worst < 1:
                return f"group {group}: an element is {worst:.2f} times as far off as rounding allows"
        if norm and not (error / norm)**0.5 < 3e-3:
            return f"relative error {(error / norm)**0.5:.1e}"
        return None


def cumulative(counts, groups, start=0):
    """Offsets of `counts` rows, the rest of the groups empty."""
    counts = (list(counts) + [0] * groups)[:groups]
    offsets = [start]
    for count in counts:
        offsets.append(offsets[-1] + count)
    return offsets


def offset_lists(groups, small):
    """name -> (rows, offsets)"""
    edge = cumulative(EDGE_ROWS, groups)
    skew = cumulative(SKEWED_ROWS, groups)
    corrupt = [-5, 10, 3, INT_MIN, 77, 300, 299, INT_MAX, 5, 0][:groups + 1]
    corrupt += [100] * (groups + 1 - len(corrupt))
    lists = {
        "edge": (edge[-1], edge),
        "no rows": (0, [0] * (groups + 1)),
        "one row": (1, cumulative([0] * (groups - 1) + [1], groups)),
        "all empty": (33, [0] * (groups + 1)),
        "unowned rows": (edge[-1] + 60, [o + 37 for o in edge]),
        "corrupt": (401, corrupt),
        "all negative": (50, [-1] * (groups + 1)),
        "all beyond": (50, [INT_MAX] * (groups + 1)),
        "decreasing": (400, [400 - 3 * g for g in range(groups + 1)]),
    }
    if not small:
        lists["skewed"] = (skew[-1], skew)
    return lists


def check_grouped_gemm(directory, manifest, small):
    kernel, name = Kernel(directory, manifest), manifest["entry"]
    for seed, (list_name, (rows, offsets)) in enumerate(offset_lists(manifest["groups"], small).items()):
        problem = Problem(manifest, rows, offsets, seed)
        problem.run(kernel)
        report(f"{name}, {list_name}", problem.check())
        if list_name == "edge":
            first = problem.d.tensor.clone()
            for blocks in (None, 1, 7, 1000):
                same = torch.equal(first.view(torch.int16), problem.run(kernel, blocks).view(torch.int16))
                report(f"{name}, {blocks or 'the usual'} blocks", None if same else "other bits than before")
    check_batch_invariance(kernel, manifest)
    kernel.unload()


def check_batch_invariance(kernel, manifest):
    """A row's bits do not depend on the other rows and groups."""
    problem = Problem(manifest, 300, cumulative([300], manifest["groups"]), 99)
    whole = problem.run(kernel).clone()
    row = 211
    problem.offsets.tensor.copy_(torch.tensor(cumulative([1], manifest["groups"], row)))
    alone = problem.run(kernel)
    same = torch.equal(whole[row].view(torch.int16), alone[row].view(torch.int16))
    report(f"{manifest['entry']}, batch invariance", None if same else "a row alone has other bits")


def check_large(directory, manifest):
    """More than 2^31 elements in A and in D."""
    rows = 2**31 // min(manifest["n"], manifest["k"]) + 5000
    third = rows // 3
    offsets = [0, third, third + 1, rows] + [rows] * (manifest["groups"] - 3)
    kernel, problem = Kernel(directory, manifest), Problem(manifest, rows, offsets, 5)
    problem.run(kernel)
    report(f"{manifest['entry']}, {rows} rows", problem.check(sample=500))
    kernel.unload()


def check_e4m3_values(directory, manifest):
    """Every e4m3 value arrives exactly, NaN included, by a product with the identity."""
    kernel, k, n = Kernel(directory, manifest), manifest["k"], manifest["n"]
    problem = Problem(manifest, 256, cumulative([256], manifest["groups"]), 3)
    identity = torch.eye(n, k, device=DEVICE)
    problem.b[0].tensor.copy_(identity.expand_as(problem.b[0].tensor))
    problem.a_scale.tensor.fill_(1), problem.b_scale.tensor.fill_(1)
    nan_free = torch.arange(256, device=DEVICE)
    nan_free = nan_free[(nan_free & 0x7f) != 0x7f].to(torch.uint8)
    index = torch.randint(0, nan_free.numel(), (256, k), device=DEVICE)
    problem.a.inner.view(256, k).copy_(nan_free[index])
    problem.a.inner.view(256, k)[:nan_free.numel(), 0] = nan_free
    d = problem.run(kernel)[:, :min(n, k)].float()
    expected = problem.a.tensor.float()[:, :min(n, k)]
    report(f"{manifest['entry']}, e4m3 values", None if torch.equal(d, expected) else "not exact")
    for operand, byte in ((problem.a, 0x7f), (problem.b[0], 0xff)):
        kept = operand.inner.clone()
        operand.inner[5 * k + 3] = byte  # row 5 of A or column 5 of D
        nan = problem.run(kernel).isnan()
        expected = torch.zeros_like(nan)
        (expected[5] if operand is problem.a else expected[:, 5]).fill_(True)
        report(f"{manifest['entry']}, e4m3 NaN", None if torch.equal(nan, expected) else "NaN is lost or spreads")
        operand.inner.copy_(kept)
    kernel.unload()


# --- grouped_wgrad ----------------------------------------------------------------------------------------------------


class WgradProblem:
    """Operands of one launch; rows of no group are NaN. dW begins as random numbers (add_f32) or as poison."""

    def __init__(self, kernel, rows, offsets, seed):
        n, k, groups = kernel["n"], kernel["k"], kernel["groups"]
        generator = torch.Generator(device=DEVICE).manual_seed(seed)
        random = lambda *shape: torch.randn(*shape, device=DEVICE, generator=generator)
        self.kernel, self.starts, self.adds = kernel, clamped(offsets, rows), kernel["output"] == "add_f32"
        in_type = TYPES[kernel["dtype"]]
        self.out_type = in_type if kernel["output"] == "same" else torch.float32
        owned = torch.zeros(rows, 1, dtype=torch.bool, device=DEVICE)
        owned[self.starts[0]:self.starts[-1]] = True
        nan = torch.tensor(float("nan"), device=DEVICE)
        self.dy = Guarded((rows, n), in_type).fill(torch.where(owned, random(rows, n), nan))
        self.x = Guarded((rows, k), in_type).fill(torch.where(owned, random(rows, k), nan))
        self.separate = kernel["dw_tensors"] == "separate"
        self.dw = [Guarded((n, k), self.out_type) for _ in range(groups)] if self.separate else [
            Guarded((groups, n, k), self.out_type)]
        self.before = random(groups, n, k).to(self.out_type)
        self.pointers = torch.tensor([dw.pointer() for dw in self.dw], dtype=torch.int64, device=DEVICE)
        self.offsets = Guarded((groups + 1,), torch.int32, 0x7f).fill(torch.tensor(offsets, device=DEVICE))
        pointer = self.pointers.data_ptr() if self.separate else self.dw[0].pointer()
        # A tensor without elements has no address, in torch as here.
        dy, x = (self.dy.pointer(), self.x.pointer()) if rows else (None, None)
        self.args = GroupedWgradArgs(dy, x, pointer, self.offsets.pointer(), rows)

    def matrix(self, group):
        return self.dw[group].tensor if self.separate else self.dw[0].tensor[group]

    def run(self, kernel, blocks=None):
        for group, before in enumerate(self.before):
            self.matrix(group).copy_(before if self.adds else torch.full_like(before, float("nan")))
        kernel.launch(self.args, blocks)
        torch.cuda.synchronize()
        return torch.stack([self.matrix(group) for group in range(len(self.before))])

    def check(self):
        if not all(x.guards_hold() for x in (self.dy, self.x, *self.dw)):
            return "a guard zone was written"
        for group, (first, end) in enumerate(zip(self.starts, self.starts[1:])):
            dw, before = self.matrix(group), self.before[group] if self.adds else torch.zeros_like(self.before[group])
            if first == end:
                if not torch.equal(dw, before):
                    return f"group {group} has no rows and is not {'what it was' if self.adds else 'zero'}"
                continue
            product = self.dy.tensor[first:end].double().t() @ self.x.tensor[first:end].double()
            reference = product + before.double()
            bits = 14 if self.out_type == torch.float32 else 7
            allowed = reference.abs() * 2.0**-bits + product.square().mean().sqrt() * 2.0**-(bits + 2)
            worst = float(((dw.double() - reference).abs() / allowed).nan_to_num(nan=1e9).max())
            if not worst < 1:
                return f"group {group}: an element is {worst:.2f} times as far off as rounding allows"
        return None


def check_grouped_wgrad(directory, manifest, small):
    kernel, groups, name = Kernel(directory, manifest), manifest["groups"], manifest["entry"]
    edge = (EDGE_ROWS * 3)[:groups]
    cases = [("edges", cumulative(edge, groups, 3), sum(edge) + 11), ("empty", [5] * (groups + 1), 40), ("no rows", [0] * (groups + 1), 0),
             ("corrupt", ([-7, 60, 20, 500, 300, INT_MAX, INT_MIN] * groups)[:groups + 1], 417)]
    if groups == len(SKEWED_ROWS):
        cases.append(("skewed", cumulative(SKEWED_ROWS, groups), sum(SKEWED_ROWS)))
    for case, offsets, rows in cases[:2] if small else cases:
        problem = WgradProblem(manifest, rows, offsets, len(case))
        first = problem.run(kernel)
        report(f"{name}, {case}", problem.check())
        report(f"{name}, {case}, again", None if torch.equal(first, problem.run(kernel)) else "other bits")
        problem.run(kernel, 3)
        report(f"{name}, {case}, 3 blocks", problem.check())
    kernel.unload()


# --- quantize ---------------------------------------------------------------------------------------------------------


def quantize_reference(x, manifest):
    """(q as bytes, scale), operation by operation in fp32."""
    rows, k = x.shape
    padded = torch.zeros(rows, ceil_blocks(k) * 128, device=DEVICE)
    padded[:, :k] = x.float()
    blocks = padded.view(rows, ceil_blocks(k), 128)
    amax = blocks.abs().nan_to_num(nan=0.0, posinf=float("inf")).amax(2)
    floor = {"1em10": 1e-10, "1em4": 1e-4, "0": 0.0}[manifest["floor"]]
    amax = torch.maximum(amax, torch.tensor(floor, device=DEVICE))
    scale = amax / torch.tensor(448.0, device=DEVICE)
    if manifest["scale"] == "pow2":
        scale = ((scale.view(torch.int32) + 0x7fffff) & 0x7f800000).view(torch.float32)
    scale = torch.where(amax == 0, torch.ones_like(scale), scale)
    quotient = blocks / scale[:, :, None]
    q = quotient.clamp(-448, 448).to(torch.float8_e4m3fn).view(torch.uint8)
    q = torch.where(quotient.isnan(), torch.full_like(q, 0x7f), q)
    return q.view(rows, ceil_blocks(k) * 128)[:, :k], scale


def quantize_inputs(rows, k, generator):
    """Ordinary numbers, then every bit pattern, then blocks of one magnitude."""
    yield "normal", torch.randn(rows, k, device=DEVICE, generator=generator).bfloat16()
    bits = torch.randint(-2**15, 2**15, (rows, k), device=DEVICE, generator=generator, dtype=torch.int16)
    yield "any bits", bits.view(torch.bfloat16)
    exponent = torch.randint(-133, 128, (rows, 1), device=DEVICE, generator=generator).double()
    numbers = torch.randn(rows, k, device=DEVICE, generator=generator).double()
    yield "any magnitude", (numbers * 2.0**exponent).bfloat16()
    yield "zeros", torch.zeros(rows, k, device=DEVICE).bfloat16()


def check_quantize(directory, manifest, small):
    kernel, k, name = Kernel(directory, manifest), manifest["k"], manifest["entry"]
    generator = torch.Generator(device=DEVICE).manual_seed(k)
    for rows in (0, 1, 5, 64, 67) if small else (0, 1, 5, 67, 4099):
        for input_name, x in quantize_inputs(rows, k, generator):
            source = Guarded((rows, k), torch.bfloat16).fill(x)
            q, scale = Guarded((rows, k), torch.uint8, 0xa5), Guarded((rows, ceil_blocks(k)), torch.float32, 0xa5)
            kernel.launch(QuantizeArgs(source.pointer(), q.pointer(), scale.pointer(), rows))
            torch.cuda.synchronize()
            expected_q, expected_scale = quantize_reference(x, manifest)
            where = f"{name}, {rows} rows, {input_name}"
            same_scale = torch.equal(scale.tensor.view(torch.int32), expected_scale.view(torch.int32))
            report(where, None if same_scale else "scales differ")
            wrong = (q.tensor != expected_q).nonzero()
            if wrong.numel():
                r, c = wrong[0].tolist()
                report(where, f"{wrong.shape[0]} elements differ, first [{r}, {c}]: x {float(x[r, c])!r}, "
                              f"scale {float(scale.tensor[r, c // 128])!r}, q {int(q.tensor[r, c]):#x}, "
                              f"expected {int(expected_q[r, c]):#x}")
            report(where, None if q.guards_hold() and scale.guards_hold() else "a guard zone was written")
    kernel.unload()


def main():
    directory, small = Directory(sys.argv[1]), "--small" in sys.argv
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    kernels = [manifest for manifest in directory.kernels if only in manifest["entry"]]
    for manifest in kernels:
        try:
            check(directory, manifest, small)
        except RuntimeError as error:  # after it the device is of no use
            report(manifest["entry"], str(error).splitlines()[0])
            break
        torch.cuda.empty_cache()
    print(f"{len(kernels)} kernels, {len(failures)} failures")
    raise SystemExit(1 if failures else 0)


def check(directory, manifest, small):
    if manifest["family"] == "quantize":
        check_quantize(directory, manifest, small)
    elif manifest["family"] == "grouped_wgrad":
        check_grouped_wgrad(directory, manifest, small)
    elif manifest["quant"] == "fp8_block" and manifest["n"] == manifest["k"]:
        check_e4m3_values(directory, manifest)
    elif manifest["groups"] == 3:
        if not small:
            check_large(directory, manifest)
    else:
        check_grouped_gemm(directory, manifest, small)


if __name__ == "__main__":
    main()
