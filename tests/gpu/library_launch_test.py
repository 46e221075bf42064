# SPDX-License-Identifier: Apache-2.0
"""Launches the grouped GEMM through libsinter's C ABI, as a serving stack would, and times the launch call.

    python3 tests/gpu/library_launch_test.py BUILD_DIR [CACHE_DIR]

Checks what the kernels' own test cannot see: the library's parameter for a kernel with tensor maps, its launches with
new addresses, on several streams at once and inside a captured graph that is replayed with other contents.
"""
import ctypes
import os
import sys
import tempfile
import time

import torch

from nvidia_harness import SKEWED_ROWS, GroupedGemmArgs

N, K = 2816, 2048
DEVICE = "cuda"


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("allow_unsafe_vskip", ctypes.c_uint32),
                ("settings", ctypes.POINTER(ctypes.c_char_p)), ("settings_count", ctypes.c_size_t),
                ("log", ctypes.c_void_p), ("log_user", ctypes.c_void_p)]


class Request(ctypes.Structure):
    _fields_ = [("family", ctypes.c_uint64), ("values", ctypes.c_int64 * 16)]


class Library:
    """One runtime on cuda:0."""

    def __init__(self, build, cache):
        self.sinter = ctypes.CDLL(os.path.join(build, "lib", "libsinter.so"))
        self.sinter.sinter_error_message.restype = ctypes.c_char_p
        self.sinter.sinter_kernel_name.restype = ctypes.c_char_p
        settings = (ctypes.c_char_p * 2)(f"SINTER_CACHE_DIR={cache}".encode(),
                                         f"SINTER_WORKER_DIR={build}/bin".encode())
        options = Options(ctypes.sizeof(Options), 0, settings, len(settings), None, None)
        self.runtime, self.device = ctypes.c_void_p(), ctypes.c_int32()
        self.call("sinter_runtime_create", ctypes.byref(options), ctypes.byref(self.runtime))
        self.call("sinter_open_device", self.runtime, b"cuda:0", ctypes.byref(self.device))

    def call(self, function, *arguments):
        error = ctypes.c_void_p()
        if getattr(self.sinter, function)(*arguments, ctypes.byref(error)):
            raise RuntimeError(self.sinter.sinter_error_message(error).decode())

    def kernel(self, **params):
        request, kernel = Request(), ctypes.c_void_p()
        self.call("sinter_request_init", ctypes.byref(request), b"grouped_gemm")
        for name, value in params.items():
            self.call("sinter_request_set", ctypes.byref(request), name.encode(), str(value).encode())
        self.call("sinter_get_kernel", self.runtime, self.device, ctypes.byref(request), ctypes.byref(kernel))
        return kernel

    def launch(self, kernel, args):
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self.call("sinter_launch", kernel, ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args)), stream)


class Problem:
    def __init__(self, counts, seed):
        generator = torch.Generator(device=DEVICE).manual_seed(seed)
        random = lambda *shape: torch.randn(*shape, device=DEVICE, generator=generator).bfloat16()
        self.counts, self.rows = counts, sum(counts)
        self.a, self.b = random(self.rows, K), random(len(counts), N, K)
        self.d = torch.full((self.rows, N), float("nan"), device=DEVICE, dtype=torch.bfloat16)
        self.offsets = torch.tensor([0] + counts).cumsum(0).to(torch.int32).to(DEVICE)
        self.args = GroupedGemmArgs(self.a.data_ptr(), self.b.data_ptr(), self.d.data_ptr(), None, None,
                                    self.offsets.data_ptr(), self.rows)

    def error(self):
        reference, first = torch.empty_like(self.d, dtype=torch.float32), 0
        for group, count in enumerate(self.counts):
            reference[first:first + count] = self.a[first:first + count].float() @ self.b[group].float().t()
            first += count
        return float((self.d.float() - reference).norm() / reference.norm())


def expect(what, good):
    print("ok    " if good else "FAILED", what, flush=True)
    expect.failures += not good


expect.failures = 0


def main():
    build, cache = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
    torch.zeros(1, device=DEVICE)
    library = Library(os.path.abspath(build), cache)
    kernel = library.kernel(quant="none", n=N, k=K, groups=64)
    print(library.sinter.sinter_kernel_name(kernel).decode())

    problems = [Problem(SKEWED_ROWS, 1), Problem([384] * 64, 2), Problem(list(reversed(SKEWED_ROWS)), 3)]
    for problem in problems:
        library.launch(kernel, problem.args)
    torch.cuda.synchronize()
    expect("one kernel, three sets of tensors", all(p.error() < 3e-3 for p in problems))
    expected = [p.d.clone() for p in problems]

    streams = [torch.cuda.Stream() for _ in problems]
    for p in problems:
        p.d.fill_(float("nan"))
    torch.cuda.synchronize()
    for _ in range(20):
        for stream, problem in zip(streams, problems):
            with torch.cuda.stream(stream):
                library.launch(kernel, problem.args)
    torch.cuda.synchronize()
    expect("launches on three streams at once", all(torch.equal(p.d, e) for p, e in zip(problems, expected)))

    graph, problem = torch.cuda.CUDAGraph(), problems[0]
    with torch.cuda.graph(graph):
        library.launch(kernel, problem.args)
    problem.a.mul_(-0.5)
    problem.d.fill_(float("nan"))
    graph.replay()
    torch.cuda.synchronize()
    expect("a graph replayed with other contents", torch.equal(problem.d, expected[0] * -0.5))

    empty = GroupedGemmArgs.from_buffer_copy(problem.args)
    empty.rows = 0
    launches = 200  # few enough that none waits for room in the stream's queue
    for what, args in (("launch call", problem.args), ("the same without rows", empty)):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(launches):
            library.launch(kernel, args)
        print(f"{what}: {(time.perf_counter() - begin) / launches * 1e6:.2f} us, ctypes included")
        torch.cuda.synchronize()
    raise SystemExit(1 if expect.failures else 0)


if __name__ == "__main__":
    main()
