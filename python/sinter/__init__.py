# SPDX-License-Identifier: Apache-2.0
"""Grouped GEMM for mixture-of-experts layers, by kernels that libsinter compiles for the shape and keeps.

    d = sinter.grouped_gemm(a, b, row_offsets)           # anything with __dlpack__; one launch for all experts
    y = sinter.grouped_linear(x, w, m_splits)            # torch tensors, with gradients, under torch.compile
    layer = sinter.GroupedLinear(64, 2048, 2816)         # a torch module, called layer(x, m_splits)

ctypes over the C ABI of include/sinter/sinter.h; nothing is built. torch is imported when it is first needed. Which
libsinter.so: SINTER_LIBRARY, else beside this package, else build/release/lib of the repository, else the linker's.
"""
from ._abi import SinterError
from .arrays import grouped_gemm, grouped_wgrad, quantize
from .dlpack import Tensor
from .runtime import Kernel, Runtime, default_runtime

__all__ = ["GroupedLinear", "Kernel", "Runtime", "SinterError", "Tensor", "default_runtime", "grouped_gemm",
           "grouped_linear", "grouped_wgrad", "quantize"]


def __getattr__(name):
    if name in ("grouped_linear", "GroupedLinear"):
        from . import torch_ops
        return getattr(torch_ops, name)
    raise AttributeError(f"module 'sinter' has no attribute '{name}'")
