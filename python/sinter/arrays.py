# SPDX-License-Identifier: Apache-2.0
"""The kernels on arrays of any framework, by DLPack. torch tensors with gradients: torch_ops.py."""
import threading

from . import _abi
from .dlpack import Tensor, View
from .runtime import default_runtime

# numpy has neither type: its arrays of raw bits stand for them.
BITS_OF = {"uint16": "bfloat16", "uint8": "float8_e4m3fn"}
WORD_OF = {"bfloat16": "bf16", "float16": "fp16"}

_local = threading.local()


def rows_hint(rows):
    """Row counts that share a kernel: the tile is chosen for the next power of two."""
    return 1 << max(rows - 1, 0).bit_length()


def launcher(runtime, device, family, params, args_type, stream, policy="block"):
    """The launcher of this thread for a kernel. A second one of the same shape comes from a dict."""
    launchers = _local.__dict__.setdefault("launchers", {})
    key = (id(runtime), device, family, policy, *params.items())
    found = launchers.get(key)
    if found is None:
        found = runtime.get_kernel(device, family, params, policy=policy, stream=stream).launcher(args_type)
        launchers[key] = found
    return found


def _operand(producer, name, stream, dtypes, rank):
    view = View(producer, stream)
    view.given_dtype = view.dtype
    view.dtype = BITS_OF.get(view.dtype, view.dtype)
    if view.dtype not in dtypes:
        raise TypeError(f"{name} is {view.dtype}; it may be {', '.join(dtypes)}")
    if len(view.shape) != rank:
        raise ValueError(f"{name} has the shape {list(view.shape)}; {rank} dimensions are wanted")
    if not view.is_contiguous:
        raise ValueError(f"{name} is not contiguous in row-major order; make a contiguous copy")
    return view


def _expect(view, name, shape):
    if view.shape != tuple(shape):
        raise ValueError(f"{name} has the shape {list(view.shape)}; it must be {list(shape)}")


def _output(out, name, shape, dtype, like, stream):
    """(what the caller gets, its View). A new one holds raw bits where the operand does."""
    if out is None:
        if like.device != "host":
            raise ValueError(f"on {like.device} the output must be given as {name}=, an array of shape {list(shape)} and type {dtype}")
        bits = {meaning: word for word, meaning in BITS_OF.items()}
        out = Tensor(shape, bits.get(dtype, dtype) if like.given_dtype in BITS_OF else dtype)
    view = _operand(out, name, stream, (dtype,), len(shape))
    _expect(view, name, shape)
    if view.device != like.device:
        raise ValueError(f"{name} is on {view.device}, the operands on {like.device}")
    return out, view


def grouped_gemm(a, b, row_offsets, *, a_scale=None, b_scale=None, b_layout=None, d=None, stream=0, policy="block", runtime=None):
    """d[r, :] = a[r, :] @ b[g].T for row_offsets[g] <= r < row_offsets[g + 1], in one launch.

    a [rows, k], b [groups, n, k], row_offsets int32 [groups + 1], all on one device, 16-byte aligned. bfloat16 (or
    uint16: its bits); float8_e4m3fn (or uint8) with a_scale float32 [rows, ceil(k / 128)] and b_scale
    float32 [groups, ceil(n / 128), ceil(k / 128)]. b_layout="kn": b is [groups, k, n] and not transposed. The result [rows, n] is bfloat16: `d`, or on the host a new
    sinter.Tensor (of uint16 if `a` was raw bits). `stream`: the vendor's handle as an integer. On a GPU this returns before the work is done.
    """
    runtime = runtime or default_runtime()
    fp8 = a_scale is not None
    dtypes = ("float8_e4m3fn",) if fp8 else ("bfloat16", "float16")
    a, b = _operand(a, "a", stream, dtypes, 2), _operand(b, "b", stream, dtypes, 3)
    offsets = _operand(row_offsets, "row_offsets", stream, ("int32",), 1)
    rows, k = a.shape
    groups, n = b.shape[0], b.shape[2 if b_layout == "kn" else 1]
    _expect(b, "b", (groups, k, n) if b_layout == "kn" else (groups, n, k))
    _expect(offsets, "row_offsets", (groups + 1,))
    blocks = -(-k // 128)
    scales = []
    if fp8:
        scales = [_operand(a_scale, "a_scale", stream, ("float32",), 2), _operand(b_scale, "b_scale", stream, ("float32",), 3)]
        _expect(scales[0], "a_scale", (rows, blocks))
        _expect(scales[1], "b_scale", (groups, -(-n // 128), blocks))
    for name, view in (("b", b), ("row_offsets", offsets), *zip(("a_scale", "b_scale"), scales)):
        if view.device != a.device:
            raise ValueError(f"{name} is on {view.device}, a on {a.device}")
    dtype = "bfloat16" if fp8 else a.dtype
    result, out = _output(d, "d", (rows, n), dtype, a, stream)
    params = {"quant": "fp8_block" if fp8 else "none", "dtype": WORD_OF[dtype], "n": n, "k": k, "groups": groups,
              "b_layout": b_layout, "rows": rows_hint(rows)}
    launch = launcher(runtime, a.device, "grouped_gemm", params, _abi.GroupedGemmArgs, stream, policy)
    args = launch.args
    args.a, args.b, args.d, args.row_offsets, args.rows = a.pointer, b.pointer, out.pointer, offsets.pointer, rows
    args.a_scale, args.b_scale = (scales[0].pointer, scales[1].pointer) if fp8 else (None, None)
    launch.launch(stream)
    return result


def grouped_wgrad(dy, x, row_offsets, *, dw=None, accumulate=False, stream=0, runtime=None):
    """dw[g] = dy_g.T @ x_g, the sum over the rows of group g: the gradient of grouped_gemm's b.

    dy [rows, n], x [rows, k], both bfloat16 or float16. dw [groups, n, k] is float32, or of the type of dy and x; on the
    host a new float32 sinter.Tensor if it is not given. `accumulate`: dw, float32, is added to.
    """
    runtime = runtime or default_runtime()
    dy, x = (_operand(producer, name, stream, ("bfloat16", "float16"), 2) for producer, name in ((dy, "dy"), (x, "x")))
    offsets = _operand(row_offsets, "row_offsets", stream, ("int32",), 1)
    rows, k = x.shape
    n, groups = dy.shape[1], offsets.shape[0] - 1
    _expect(dy, "dy", (rows, n))
    if accumulate and dw is None:
        raise ValueError("accumulate adds to dw, which must be given")
    if dw is None:
        dw, dtype = _output(None, "dw", (groups, n, k), "float32", x, stream)[0], "float32"
    else:
        dtype = _operand(dw, "dw", stream, ("float32", x.dtype), 3).dtype
    _, out = _output(dw, "dw", (groups, n, k), dtype, x, stream)
    if accumulate and dtype != "float32":
        raise TypeError(f"dw is {dtype}; only float32 is added to")
    output = ("add_f32" if accumulate else "f32") if dtype == "float32" else "same"
    params = {"dtype": WORD_OF[x.dtype], "output": output, "n": n, "k": k, "groups": groups}
    launch = launcher(runtime, x.device, "grouped_wgrad", params, _abi.GroupedWgradArgs, stream)
    args = launch.args
    args.dy, args.x, args.dw, args.row_offsets, args.rows = dy.pointer, x.pointer, out.pointer, offsets.pointer, rows
    launch.launch(stream)
    return dw


def quantize(x, *, q=None, scale=None, stream=0, runtime=None):
    """(q, scale): q = e4m3(x / scale), with one scale per row and 128 columns. x bfloat16 [rows, k]; q
    float8_e4m3fn [rows, k], scale float32 [rows, ceil(k / 128)], on the host new sinter.Tensors."""
    runtime = runtime or default_runtime()
    x = _operand(x, "x", stream, ("bfloat16",), 2)
    rows, k = x.shape
    q, q_view = _output(q, "q", (rows, k), "float8_e4m3fn", x, stream)
    scale, scale_view = _output(scale, "scale", (rows, -(-k // 128)), "float32", x, stream)
    launch = launcher(runtime, x.device, "quantize", {"k": k}, _abi.QuantizeArgs, stream)
    args = launch.args
    args.x, args.q, args.scale, args.rows = x.pointer, q_view.pointer, scale_view.pointer, rows
    launch.launch(stream)
    return q, scale
