# SPDX-License-Identifier: Apache-2.0
"""Compiles and launches the kernels that export_kernels wrote (export_kernels.cpp), on NVIDIA GPUs.

Needs libnvrtc to compile, and torch with CUDA to run. A compiled kernel is kept beside its source (ENTRY.bin), so that
a machine with a GPU need not compile again:

    python3 nvidia_harness.py DIR      compiles every kernel of DIR; fails on a spill
"""
import ctypes
import glob
import json
import os
import re
import sys


def _open_library(names):
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise SystemExit(f"none of these could be opened: {', '.join(names)}")


def _nvrtc():
    bundled = []
    for path in sys.path:
        bundled += glob.glob(os.path.join(path, "nvidia", "*", "lib", "libnvrtc.so.1[23]"))
    return _open_library(["libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so", *bundled])


def compile_source(source, arch, include, nvrtc):
    """Returns (cubin or PTX, log)."""
    options = [f"--gpu-architecture={arch}", "--std=c++17", "--ptxas-options=-v", f"--include-path={include}"]
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    if nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None):
        raise RuntimeError("nvrtcCreateProgram failed")
    array = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
    failed = nvrtc.nvrtcCompileProgram(program, len(options), array)
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    if failed:
        raise RuntimeError(log.value.decode())
    kind = "PTX" if arch.startswith("compute") else "CUBIN"
    getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{kind}")(program, code)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code.raw, log.value.decode()


class Directory:
    """What export_kernels wrote."""

    def __init__(self, path):
        self.path = path
        with open(os.path.join(path, "kernels.json")) as file:
            self.kernels = json.load(file)

    def find(self, family, arch, **params):
        """Manifest entries of a family and an arch whose parameters are equal to `params`."""
        return [k for k in self.kernels
                if k["family"] == family and k["arch"] == arch and all(k[p] == v for p, v in params.items())]

    def code(self, kernel):
        """The kernel's cubin or PTX, compiled now if it was not before."""
        binary = os.path.join(self.path, kernel["entry"] + ".bin")
        if not os.path.exists(binary):
            with open(os.path.join(self.path, kernel["entry"] + ".cu")) as file:
                code, log = compile_source(file.read(), kernel["arch"], self.path, _nvrtc())
            if re.search(r"[1-9]\d* bytes spill", log):
                raise RuntimeError(f"{kernel['entry']} spills: {log}")
            if "(C751" in log:
                raise RuntimeError(f"ptxas serialized the wgmma of {kernel['entry']}: {log}")
            with open(binary, "wb") as file:
                file.write(code)
        with open(binary, "rb") as file:
            return file.read()


class GroupedGemmArgs(ctypes.Structure):
    """templates/grouped_gemm/args.h"""
    _fields_ = [(name, ctypes.c_void_p) for name in ("a", "b", "d", "a_scale", "b_scale", "row_offsets")] + [
        ("rows", ctypes.c_longlong), ("bias", ctypes.c_void_p)]


class GroupedWgradArgs(ctypes.Structure):
    """templates/grouped_wgrad/args.h"""
    _fields_ = [(name, ctypes.c_void_p) for name in ("dy", "x", "dw", "row_offsets")] + [("rows", ctypes.c_longlong)]


class QuantizeArgs(ctypes.Structure):
    """templates/quantize/args.h"""
    _fields_ = [(name, ctypes.c_void_p) for name in ("x", "q", "scale")] + [("rows", ctypes.c_longlong)]


class TensorMaps:
    """The kernel's parameter as the library makes it: encoded maps, then the arguments (codegen/tensor_map.h)."""

    ALIGNMENT, BYTES = 64, 128
    # CUtensorMap's enums: no interleaving, swizzle by 128 bytes, promotion to 256 bytes in L2, zeros outside.
    TYPES, OPTIONS, ALL_MEMORY = {"bytes": 0, "f32": 7, "bf16": 9}, (0, 3, 3, 0), -1

    def __init__(self, driver, plans, check):
        self.driver, self.plans, self.check = driver, plans, check
        self.memory = ctypes.create_string_buffer(len(plans) * self.BYTES + 512)
        self.base = (ctypes.addressof(self.memory) + self.ALIGNMENT - 1) // self.ALIGNMENT * self.ALIGNMENT
        for i, plan in enumerate(plans):
            sizes, strides = (ctypes.c_uint64 * 5)(*plan["sizes"]), (ctypes.c_uint64 * 4)(*plan["strides"])
            box, ones = (ctypes.c_uint32 * 5)(*plan["box"]), (ctypes.c_uint32 * 5)(*[1] * 5)
            check(driver.cuTensorMapEncodeTiled(self._map(i), self.TYPES[plan["type"]], plan["rank"],
                                                ctypes.c_void_p(4096), sizes, strides, box, ones, *self.OPTIONS))

    def _map(self, i):
        return ctypes.c_void_p(self.base + i * self.BYTES)

    def parameter(self, args):
        """The address of the parameter for `args`; valid until the next call."""
        bytes_of_args = bytes(args)
        for i, plan in enumerate(self.plans):
            if plan["argument_offset"] == self.ALL_MEMORY:
                continue
            address = int.from_bytes(bytes_of_args[plan["argument_offset"]:][:8], "little")
            self.check(self.driver.cuTensorMapReplaceAddress(self._map(i), ctypes.c_void_p(address)))
        ctypes.memmove(self.base + len(self.plans) * self.BYTES, bytes_of_args, len(bytes_of_args))
        return self.base


_MAX_DYNAMIC_SHARED_BYTES = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class Kernel:
    """One kernel, loaded. torch has made the context current."""

    def __init__(self, directory, manifest):
        import torch
        torch.zeros(1, device="cuda")
        self.torch, self.manifest = torch, manifest
        self.driver = _open_library(["libcuda.so.1"])
        self.module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self.driver.cuModuleLoadData(ctypes.byref(self.module), directory.code(manifest)))
        self._check(self.driver.cuModuleGetFunction(ctypes.byref(self.function), self.module,
                                                    manifest["entry"].encode()))
        self.threads, self.shared = manifest["threads"], manifest["dynamic_shared_bytes"]
        self._check(self.driver.cuFuncSetAttribute(self.function, _MAX_DYNAMIC_SHARED_BYTES, self.shared))
        blocks = ctypes.c_int()
        self._check(self.driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
            ctypes.byref(blocks), self.function, self.threads, ctypes.c_size_t(self.shared)))
        self.blocks_per_sm = blocks.value
        self.tensor_maps = TensorMaps(self.driver, manifest["tensor_maps"], self._check)
        self.resident = blocks.value * torch.cuda.get_device_properties(0).multi_processor_count

    def _check(self, code):
        if code:
            name = ctypes.c_char_p()
            self.driver.cuGetErrorName(code, ctypes.byref(name))
            raise RuntimeError(f"{self.manifest['entry']}: {name.value.decode()}")

    def tiles(self, rows):
        """Upper bound of the launch's tiles, as the body's launch_shape has it."""
        m, n, k = self.manifest["tile"]
        if self.manifest["family"] == "quantize":
            return -(-rows // m) * -(-self.manifest["k"] // k)
        if self.manifest["family"] == "grouped_wgrad":
            return self.manifest["groups"] * -(-self.manifest["n"] // m) * -(-self.manifest["k"] // n)
        return (rows // m + min(self.manifest["groups"], rows)) * -(-self.manifest["n"] // n)

    def launch(self, args, blocks=None):
        """Runs on torch's current stream with the usual number of blocks, or `blocks`."""
        blocks = blocks or min(self.resident, self.tiles(args.rows))
        if blocks == 0:
            return
        maps = self.tensor_maps
        params = (ctypes.c_void_p * 1)(maps.parameter(args) if maps.plans else ctypes.addressof(args))
        stream = ctypes.c_void_p(self.torch.cuda.current_stream().cuda_stream)
        self._check(self.driver.cuLaunchKernel(self.function, blocks, 1, 1, self.threads, 1, 1, self.shared, stream,
                                               params, None))

    def unload(self):
        self._check(self.driver.cuModuleUnload(self.module))


# DeepSeek-V2-Lite's expert layer on a skewed batch: 64 experts, 12,288 rows.
SKEWED_ROWS = [8, 83, 945, 0, 162, 4, 3, 0, 251, 510, 24, 140, 37, 0, 33, 10, 1, 0, 5, 0, 115, 0, 1, 1, 1, 188, 43, 1,
               7, 0, 12, 0, 324, 5, 88, 0, 0, 58, 558, 219, 1296, 1155, 2, 1102, 6, 0, 115, 0, 106, 0, 10, 0, 698, 2,
               594, 221, 351, 0, 1, 2, 2040, 0, 7, 743]


def ceil_blocks(size):
    """Scale blocks of 128 in `size`."""
    return -(-size // 128)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    opened = Directory(sys.argv[1])
    for one in opened.kernels:
        opened.code(one)
    print(f"{len(opened.kernels)} kernels compiled, none spills")
