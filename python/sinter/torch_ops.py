# SPDX-License-Identifier: Apache-2.0
"""grouped_linear for torch: a custom operator with gradients and shape inference, and a module around it.

One launch per product, for all experts: y = x @ w[g].T forward, dx = dy @ w[g] and dw[g] = dy_g.T @ x_g backward, where
neither weights nor activations are transposed or copied.
"""
import collections
import itertools
import threading
from typing import Optional, Sequence

import torch

from . import _abi
from .arrays import rows_hint
from .runtime import default_runtime

_WORD_OF = {torch.bfloat16: "bf16", torch.float16: "fp16"}
_GEMM_PARAMS = ("dtype", "n", "k", "groups", "b_layout", "b_tensors", "rows")
_WGRAD_PARAMS = ("dtype", "output", "n", "k", "groups")


class _Local(threading.local):
    def __init__(self):
        self.launchers = {}
        self.offsets_of_splits = _Recent(256)
        self.pointers_of_weights = _Recent(256)


class _Recent:
    """Small tensors on a device, by what they were made of. One thread's, and apart by stream, so that a tensor that is
    dropped is reused by later work of the same stream only."""

    def __init__(self, entries):
        self._entries, self._recent = entries, collections.OrderedDict()

    def get(self, key, numbers, dtype, device):
        found = self._recent.get(key)
        if found is None:
            found = self._recent[key] = torch.tensor(numbers() if callable(numbers) else numbers, dtype=dtype, device=device)
            if len(self._recent) > self._entries:
                self._recent.popitem(last=False)
        return found


_local = _Local()
_captured = []  # What a graph that was captured reads at each replay stays for ever.


def _is_capturing(device):
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _device_name(device):
    if device.type == "cpu":
        return "host"
    if device.type != "cuda":
        raise ValueError(f"tensors are on {device}; kernels run on cpu, CUDA and ROCm devices")
    return f"{'hip' if torch.version.hip else 'cuda'}:{device.index}"


_raw_stream = getattr(torch._C, "_cuda_getCurrentRawStream", None) or (lambda index: torch.cuda.current_stream(index).cuda_stream)


def _stream(device):
    return _raw_stream(device.index) if device.type == "cuda" else 0


def _row_offsets(offsets, m_splits, device, stream):
    if offsets is not None:
        return offsets
    splits = tuple(m_splits)
    return _local.offsets_of_splits.get((splits, device.index, stream), lambda: (0, *itertools.accumulate(splits)), torch.int32, device)


def _weights(w, device, stream):
    """(address for the kernel, word of the parameter b_tensors)."""
    if len(w) == 1 and w[0].dim() == 3:
        return w[0].data_ptr(), None
    addresses = tuple(matrix.data_ptr() for matrix in w)
    array = _local.pointers_of_weights.get((addresses, device.index, stream), addresses, torch.int64, device)
    if _is_capturing(device):
        _captured.append(array)
    return array.data_ptr(), "separate"


def _launcher(family, args_type, device, stream, names, values):
    """This thread's launcher for the parameters of these names and values."""
    key = (family, device.type, device.index, values)
    found = _local.launchers.get(key)
    if found is None:
        kernel = default_runtime().get_kernel(_device_name(device), family, dict(zip(names, values)), stream=stream)
        found = _local.launchers[key] = kernel.launcher(args_type)
    return found


def _shape_of(w):
    """(groups, out features, in features)."""
    return tuple(w[0].shape) if w[0].dim() == 3 else (len(w), *w[0].shape)


def _product(x, w, offsets, m_splits, layout):
    """Rows of x times each group's weights: layout None for w[g].T, "kn" for w[g]."""
    x, device = x.contiguous(), x.device
    rows, k = x.shape
    groups, out_features, in_features = _shape_of(w)
    n = in_features if layout else out_features
    y = x.new_empty((rows, n))
    stream = _stream(device)
    row_offsets = _row_offsets(offsets, m_splits, device, stream)
    b, b_tensors = _weights(w, device, stream)
    launch = _launcher("grouped_gemm", _abi.GroupedGemmArgs, device, stream, _GEMM_PARAMS,
                       (_WORD_OF[x.dtype], n, k, groups, layout, b_tensors, rows_hint(rows)))
    args = launch.args
    args.a, args.b, args.d, args.row_offsets, args.rows = x.data_ptr(), b, y.data_ptr(), row_offsets.data_ptr(), rows
    launch.launch(stream)
    return y


@torch.library.custom_op("sinter::grouped_linear", mutates_args=())
def _forward(x: torch.Tensor, w: Sequence[torch.Tensor], offsets: Optional[torch.Tensor], m_splits: Sequence[int]) -> torch.Tensor:
    return _product(x, w, offsets, m_splits, None)


@_forward.register_fake
def _(x, w, offsets, m_splits):
    return x.new_empty((x.shape[0], _shape_of(w)[1]))


@torch.library.custom_op("sinter::grouped_linear_dgrad", mutates_args=())
def _dgrad(dy: torch.Tensor, w: Sequence[torch.Tensor], offsets: Optional[torch.Tensor], m_splits: Sequence[int]) -> torch.Tensor:
    return _product(dy, w, offsets, m_splits, "kn")


@_dgrad.register_fake
def _(dy, w, offsets, m_splits):
    return dy.new_empty((dy.shape[0], _shape_of(w)[2]))


def _wgrad_into(dw, dy, x, offsets, m_splits, output):
    dy, x = dy.contiguous(), x.contiguous()
    stream = _stream(x.device)
    row_offsets = _row_offsets(offsets, m_splits, x.device, stream)
    launch = _launcher("grouped_wgrad", _abi.GroupedWgradArgs, x.device, stream, _WGRAD_PARAMS,
                       (_WORD_OF[x.dtype], output, dy.shape[1], x.shape[1], dw.shape[0]))
    args = launch.args
    args.dy, args.x, args.dw = dy.data_ptr(), x.data_ptr(), dw.data_ptr()
    args.row_offsets, args.rows = row_offsets.data_ptr(), x.shape[0]
    launch.launch(stream)


@torch.library.custom_op("sinter::grouped_linear_wgrad", mutates_args=())
def _wgrad(dy: torch.Tensor, x: torch.Tensor, offsets: Optional[torch.Tensor], m_splits: Sequence[int], groups: int) -> torch.Tensor:
    dw = torch.empty((groups, dy.shape[1], x.shape[1]), dtype=x.dtype, device=x.device)
    _wgrad_into(dw, dy, x, offsets, m_splits, "same")
    return dw


@_wgrad.register_fake
def _(dy, x, offsets, m_splits, groups):
    return x.new_empty((groups, dy.shape[1], x.shape[1]))


@torch.library.custom_op("sinter::grouped_linear_wgrad_add", mutates_args=("main_grad",))
def _wgrad_add(main_grad: torch.Tensor, dy: torch.Tensor, x: torch.Tensor, offsets: Optional[torch.Tensor], m_splits: Sequence[int]) -> None:
    _wgrad_into(main_grad, dy, x, offsets, m_splits, "add_f32")


def _save(ctx, inputs, output):
    x, w, offsets, m_splits = inputs
    ctx.save_for_backward(x, offsets, *w)
    ctx.m_splits = m_splits


def _backward(ctx, dy):
    x, offsets, *w = ctx.saved_tensors
    wants_x, wants_w = ctx.needs_input_grad[:2]
    dx = torch.ops.sinter.grouped_linear_dgrad(dy, w, offsets, ctx.m_splits) if wants_x else None
    dw = [None] * len(w)
    if any(wants_w) if isinstance(wants_w, (list, tuple)) else wants_w:
        stacked = torch.ops.sinter.grouped_linear_wgrad(dy, x, offsets, ctx.m_splits, _shape_of(w)[0])
        dw = [stacked] if w[0].dim() == 3 else list(stacked.unbind(0))
    return dx, dw, None, [None] * len(ctx.m_splits)


_forward.register_autograd(_backward, setup_context=_save)


class _Eager(torch.autograd.Function):
    """The operator without the dispatcher's wrappers in Python, which cost more than the launch."""

    @staticmethod
    def forward(context, x, offsets, m_splits, *w):
        context.save_for_backward(x, offsets, *w)
        context.m_splits = m_splits
        return _product(x, w, offsets, m_splits, None)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, dy):
        x, offsets, *w = context.saved_tensors
        wants_x, wants_w = context.needs_input_grad[0], context.needs_input_grad[3:]
        dx = _product(dy, w, offsets, context.m_splits, "kn") if wants_x else None
        dw = (None,) * len(w)
        if any(wants_w):
            stacked = torch.empty((_shape_of(w)[0], dy.shape[1], x.shape[1]), dtype=x.dtype, device=x.device)
            _wgrad_into(stacked, dy, x, offsets, context.m_splits, "same")
            dw = (stacked,) if w[0].dim() == 3 else stacked.unbind(0)
        return (dx, None, None, *dw)


_PLAIN = (torch.Tensor, torch.nn.Parameter)
_modes_in_force = getattr(torch._C, "_len_torch_dispatch_stack", None)


def _apply(x, w, offsets, m_splits):
    # What traces, fakes or wraps tensors must see the operator; plain tensors need not pay for it.
    is_plain = (_modes_in_force is not None and not torch.compiler.is_compiling() and _modes_in_force() == 0 and type(x) in _PLAIN
                and all(type(matrix) in _PLAIN for matrix in w))
    if not is_plain:
        return _forward(x, w, offsets, m_splits)
    if torch.is_grad_enabled() and (x.requires_grad or any(matrix.requires_grad for matrix in w)):
        return _Eager.apply(x, offsets, m_splits, *w)
    return _product(x, w, offsets, m_splits, None)


def _check(x, w, splits_count):
    groups, _, in_features = _shape_of(w)
    if x.dim() != 2 or x.shape[1] != in_features:
        raise ValueError(f"x has the shape {list(x.shape)}; it must be [rows, {in_features}]")
    if splits_count != groups:
        raise ValueError(f"m_splits has {splits_count} entries for {groups} groups")
    if x.dtype not in _WORD_OF:
        raise TypeError(f"x is {x.dtype}; it may be bfloat16 or float16")
    for matrix in w:
        if matrix.dtype != x.dtype or matrix.device != x.device:
            raise TypeError(f"a weight is {matrix.dtype} on {matrix.device}, x is {x.dtype} on {x.device}")
        if not matrix.is_contiguous():
            raise ValueError("a weight is not contiguous; a copy of it for every call would cost more than the product")
        if matrix.dim() == 2 and matrix.shape != w[0].shape:
            raise ValueError(f"weights have the shapes {list(w[0].shape)} and {list(matrix.shape)}")


def grouped_linear(x, w, m_splits):
    """y[r] = x[r] @ w[g].T for the rows r of group g, by one kernel for all groups.

    x [rows, in] bfloat16 or float16. w: one tensor [groups, out, in], or a list of `groups` tensors [out, in], which are
    not copied. m_splits: rows of each group, in order; a list of integers that add up to rows, or an integer tensor, which
    stays on its device: then nothing waits for the GPU, the call may be captured into a graph, and rows after the last
    group's are left undefined. Differentiable in x and w. Kernels are specialized by in, out and the number of groups.
    """
    weights = [w] if isinstance(w, torch.Tensor) else list(w)
    if isinstance(m_splits, torch.Tensor):
        _check(x, weights, m_splits.shape[0])
        ends = torch.cumsum(m_splits.to(x.device), 0, dtype=torch.int32)
        return _apply(x, weights, torch.nn.functional.pad(ends, (1, 0)), [])
    _check(x, weights, len(m_splits))
    if _is_capturing(x.device):
        raise ValueError("m_splits is a list, and the stream is being captured: give a tensor on the device, which replays read")
    if sum(m_splits) != x.shape[0]:
        raise ValueError(f"m_splits add up to {sum(m_splits)} rows, x has {x.shape[0]}")
    return _apply(x, weights, None, m_splits)


class GroupedLinear(torch.nn.Module):
    """A linear layer per expert, in the shape of TransformerEngine's class of this name: layer(x, m_splits).

    One parameter `weight` [num_gemms, out_features, in_features]; with separate=True parameters weight0, weight1, ...
    """

    def __init__(self, num_gemms, in_features, out_features, bias=False, params_dtype=torch.bfloat16, device="cuda", separate=False):
        super().__init__()
        if bias:
            raise ValueError("GroupedLinear has no bias; add it to the rows of each group")
        self.num_gemms, self.in_features, self.out_features, self.separate = num_gemms, in_features, out_features, separate
        bound = in_features**-0.5
        weight = torch.empty(num_gemms, out_features, in_features, dtype=params_dtype, device=device).uniform_(-bound, bound)
        if separate:
            for i, matrix in enumerate(weight):
                self.register_parameter(f"weight{i}", torch.nn.Parameter(matrix.clone()))
        else:
            self.weight = torch.nn.Parameter(weight)

    def forward(self, x, m_splits):
        w = [getattr(self, f"weight{i}") for i in range(self.num_gemms)] if self.separate else self.weight
        return grouped_linear(x, w, m_splits)
