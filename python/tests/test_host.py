# SPDX-License-Identifier: Apache-2.0
"""The package on the host device: numpy's arrays in, by DLPack, and back."""
import gc
import threading

import pytest

numpy = pytest.importorskip("numpy")
import sinter  # noqa: E402


def to_bf16(x):
    bits = numpy.ascontiguousarray(x, numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def from_bf16(bits):
    return (bits.astype(numpy.uint32) << 16).view(numpy.float32)


def problem(counts, n, k):
    random = numpy.random.default_rng(1)
    a, b = to_bf16(random.standard_normal((sum(counts), k))), to_bf16(random.standard_normal((len(counts), n, k)))
    offsets = numpy.concatenate([[0], numpy.cumsum(counts)]).astype(numpy.int32)
    expected = numpy.concatenate([from_bf16(a[first:end]).astype(numpy.float64) @ from_bf16(b[g]).astype(numpy.float64).T
                                  for g, (first, end) in enumerate(zip(offsets, offsets[1:]))])
    return a, b, offsets, expected


def relative_error(d, expected):
    return numpy.linalg.norm(from_bf16(numpy.from_dlpack(d)) - expected) / numpy.linalg.norm(expected)


def test_a_product_of_numpy_arrays_is_right_and_comes_back_by_dlpack():
    a, b, offsets, expected = problem([3, 0, 50, 1], 64, 48)
    d = sinter.grouped_gemm(a, b, offsets)
    assert d.shape == (54, 64)
    assert relative_error(d, expected) < 4e-3
    out = numpy.full((54, 64), 0xFFFF, numpy.uint16)
    assert sinter.grouped_gemm(a, b, offsets, d=out) is out
    assert (out == numpy.from_dlpack(d)).all()


def test_quantized_operands_give_the_product_of_their_values():
    a, b, offsets, expected = problem([40, 24], 128, 128)
    qa, a_scale = sinter.quantize(a)
    b_scale = (numpy.abs(from_bf16(b)).max(axis=(1, 2)) / 448).astype(numpy.float32).reshape(2, 1, 1)
    d = sinter.grouped_gemm(qa, e4m3(from_bf16(b) / b_scale), offsets, a_scale=a_scale, b_scale=b_scale)
    assert numpy.linalg.norm(from_bf16(as_uint16(d)) - expected) / numpy.linalg.norm(expected) < 6e-2


def has_backward():
    try:
        sinter.runtime.make_request("grouped_wgrad", {})
        return True
    except sinter.SinterError:
        return False


@pytest.mark.skipif(not has_backward(), reason="this libsinter has no family grouped_wgrad")
def test_gradients_take_weights_and_activations_as_they_are():
    counts, n, k = [3, 0, 50, 1], 64, 48
    x, w, offsets, _ = problem(counts, n, k)
    dy = to_bf16(numpy.random.default_rng(2).standard_normal((sum(counts), n)))
    groups = list(enumerate(zip(offsets, offsets[1:])))
    wide = {name: from_bf16(array).astype(numpy.float64) for name, array in (("x", x), ("w", w), ("dy", dy))}
    dx = sinter.grouped_gemm(dy, w, offsets, b_layout="kn")
    assert relative_error(dx, numpy.concatenate([wide["dy"][first:end] @ wide["w"][g] for g, (first, end) in groups])) < 4e-3
    expected = numpy.stack([wide["dy"][first:end].T @ wide["x"][first:end] for _, (first, end) in groups])
    dw = numpy.from_dlpack(sinter.grouped_wgrad(dy, x, offsets))
    assert numpy.linalg.norm(dw - expected) / numpy.linalg.norm(expected) < 1e-5
    assert (dw[1] == 0).all()
    main_grad = numpy.ones((4, n, k), numpy.float32)
    sinter.grouped_wgrad(dy, x, offsets, dw=main_grad, accumulate=True)
    assert numpy.linalg.norm(main_grad - 1 - expected) / numpy.linalg.norm(expected) < 1e-4
    with pytest.raises(ValueError, match="must be given"):
        sinter.grouped_wgrad(dy, x, offsets, accumulate=True)


def as_uint16(tensor):
    return numpy.frombuffer(tensor.tobytes(), numpy.uint16).reshape(tensor.shape)


def e4m3(x):
    """Nearest e4m3 of values up to 448, as bits."""
    values = numpy.array([(-1.0)**(bits >> 7) * (2.0**-6 * (bits & 7) / 8 if not bits & 0x78 else 2.0**((bits >> 3 & 15) - 7) * (1 + (bits & 7) / 8))
                          for bits in range(256)])
    values[[0x7F, 0xFF]] = numpy.inf
    order = numpy.argsort(values)
    sorted_values = values[order]
    at = numpy.clip(numpy.searchsorted(sorted_values, x), 1, 255)
    closer = numpy.where(x - sorted_values[at - 1] <= sorted_values[at] - x, at - 1, at)
    return order[closer].astype(numpy.uint8)


def test_operands_that_do_not_fit_are_named():
    a, b, offsets, _ = problem([4, 4], 16, 16)
    with pytest.raises(ValueError, match=r"b has the shape \[2, 16, 8\]"):
        sinter.grouped_gemm(a, b[:, :, :8].copy(), offsets)
    with pytest.raises(ValueError, match="not contiguous"):
        sinter.grouped_gemm(a[:, ::2], b, offsets)
    with pytest.raises(TypeError, match="float32"):
        sinter.grouped_gemm(a.astype(numpy.float32), b, offsets)
    with pytest.raises(TypeError, match="__dlpack__"):
        sinter.grouped_gemm([1, 2], b, offsets)
    with pytest.raises(sinter.SinterError, match="multiple of 8") as refusal:
        sinter.grouped_gemm(a[:, :12].copy(), b[:, :, :12].copy(), offsets)
    assert refusal.value.status == "invalid_request"


def test_many_threads_share_one_runtime():
    a, b, offsets, expected = problem([5, 6], 24, 16)
    errors = []

    def work():
        for _ in range(20):
            errors.append(relative_error(sinter.grouped_gemm(a, b, offsets), expected))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 80 and max(errors) < 4e-3


def test_a_runtime_of_its_own_prefetches_counts_and_refuses_late_compiles(tmp_path):
    messages = []
    runtime = sinter.Runtime({"SINTER_CACHE_DIR": tmp_path, "SINTER_LOG": "warn"}, log=lambda level, text: messages.append(text))
    shape = {"n": 16, "k": 8, "groups": 3}
    runtime.prefetch("host", [("grouped_gemm", shape)])
    runtime.wait_background()
    kernel = runtime.get_kernel("host", "grouped_gemm", shape)
    assert kernel.name.startswith("grouped_gemm_none_bf16_n16_k8_g3_") and not kernel.stands_in
    runtime.end_warmup("error")
    with pytest.raises(sinter.SinterError) as refusal:
        runtime.get_kernel("host", "grouped_gemm", {**shape, "n": 24})
    assert refusal.value.status == "not_prebuilt"
    runtime.end_warmup("warn")
    with pytest.raises(sinter.SinterError):
        runtime.get_kernel("host", "grouped_gemm", {**shape, "n": 24}, policy="strict")
    runtime.get_kernel("host", "grouped_gemm", {**shape, "n": 24})
    assert len(messages) == 1 and "after the warm-up" in messages[0]
    stats = runtime.stats()
    assert (stats["compiles"], stats["late_compiles"]) == (2, 2)
    assert runtime.swap_ready() == 0


def test_exports_live_as_long_as_their_consumers():
    from sinter.dlpack import _Export
    tensor = sinter.Tensor((4, 4), "uint8")
    array = numpy.from_dlpack(tensor)
    tensor.__dlpack__()  # a capsule that nobody takes
    del tensor
    gc.collect()
    assert len(_Export.alive) == 1
    array = array.copy()
    gc.collect()
    assert not _Export.alive and array.shape == (4, 4)
