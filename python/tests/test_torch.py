# SPDX-License-Identifier: Apache-2.0
"""grouped_linear in torch, on every device that is there: the CPU always, a GPU where there is one."""
import pytest

torch = pytest.importorskip("torch")
import sinter.torch_ops  # noqa: E402



def has_host():
    """The host device needs a compiler for it, which machines with a GPU may lack."""
    try:
        sinter.default_runtime().get_kernel("host", "quantize", {"k": 128})
        return True
    except sinter.SinterError:
        return False


DEVICES = [pytest.param("cpu", marks=pytest.mark.skipif(not has_host(), reason="no compiler for the host")),
           pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def has_backward():
    from sinter.runtime import make_request
    try:
        make_request("grouped_wgrad", {})
        return True
    except sinter.SinterError:
        return False


needs_backward = pytest.mark.skipif(not has_backward(), reason="this libsinter has no family grouped_wgrad")


def problem(device, counts, k=64, n=96, separate=False):
    generator = torch.Generator(device=device).manual_seed(1)
    x = torch.randn(sum(counts), k, device=device, generator=generator).bfloat16().requires_grad_()
    w = torch.randn(len(counts), n, k, device=device, generator=generator).bfloat16()
    w = [matrix.clone().requires_grad_() for matrix in w] if separate else w.requires_grad_()
    return x, w


def reference(x, w, counts):
    return torch.cat([part @ matrix.t() for part, matrix in zip(x.split(counts), w)])


def relative_error(actual, expected):
    expected = expected.double()
    return ((actual.double() - expected).norm() / expected.norm()).item()


COUNTS = [3, 0, 40, 21]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["list", "tensor"])
def test_the_product_is_right_for_splits_of_either_kind(device, kind):
    x, w = problem(device, COUNTS)
    m_splits = COUNTS if kind == "list" else torch.tensor(COUNTS, device=device)
    y = sinter.grouped_linear(x, w, m_splits)
    assert relative_error(y, reference(x.double(), w.double(), COUNTS)) < 4e-3


@needs_backward
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("separate", [False, True])
def test_gradients_are_those_of_the_loop_of_products(device, separate):
    x, w = problem(device, COUNTS, separate=separate)
    dy = torch.randn(sum(COUNTS), 96, device=device).bfloat16()
    sinter.grouped_linear(x, w, COUNTS).backward(dy)
    wide_x, wide_w = x.detach().double().requires_grad_(), [matrix.detach().double().requires_grad_() for matrix in w]
    reference(wide_x, wide_w, COUNTS).backward(dy.double())
    assert relative_error(x.grad, wide_x.grad) < 4e-3
    for g, matrix in enumerate(wide_w):
        actual = w[g].grad if separate else w.grad[g]
        assert (actual == 0).all() if COUNTS[g] == 0 else relative_error(actual, matrix.grad) < 4e-3


@needs_backward
@pytest.mark.parametrize("device", DEVICES)
def test_weight_gradients_are_added_to_a_float32_main_grad(device):
    x, w = problem(device, COUNTS)
    dy = torch.randn(sum(COUNTS), 96, device=device).bfloat16()
    main_grad = torch.ones(4, 96, 64, device=device)
    torch.ops.sinter.grouped_linear_wgrad_add(main_grad, dy, x.detach(), None, COUNTS)
    expected = torch.stack([part.t() @ rows for part, rows in zip(dy.double().split(COUNTS), x.detach().double().split(COUNTS))])
    assert relative_error(main_grad - 1, expected) < 1e-4


@pytest.mark.parametrize("device", DEVICES)
def test_the_operator_passes_torchs_own_checks(device):
    x, w = problem(device, COUNTS)
    offsets = torch.tensor([0, 3, 3, 43, 64], dtype=torch.int32, device=device)
    tests = ("test_schema", "test_faketensor") + (("test_autograd_registration",) if has_backward() else ())
    torch.library.opcheck(torch.ops.sinter.grouped_linear, (x.detach(), [w.detach()], offsets, []), test_utils=tests)


@pytest.mark.parametrize("device", DEVICES)
def test_it_compiles_without_a_graph_break(device):
    x, w = problem(device, COUNTS)

    @torch.compile(fullgraph=True, dynamic=False, backend="aot_eager")
    def layer(x, w, counts):
        return torch.nn.functional.silu(sinter.grouped_linear(x, w, counts))
    counts = torch.tensor(COUNTS, device=device)
    expected = torch.nn.functional.silu(reference(x.double(), w.double(), COUNTS))
    assert relative_error(layer(x, w, counts), expected) < 8e-3


@pytest.mark.parametrize("device", DEVICES)
def test_what_does_not_fit_is_named(device):
    x, w = problem(device, COUNTS)
    with pytest.raises(ValueError, match="add up to 65 rows, x has 64"):
        sinter.grouped_linear(x, w, [4, 0, 40, 21])
    with pytest.raises(ValueError, match="3 entries for 4 groups"):
        sinter.grouped_linear(x, w, [3, 40, 21])
    with pytest.raises(TypeError, match="float32"):
        sinter.grouped_linear(x.float(), w.float(), COUNTS)
    with pytest.raises(ValueError, match="not contiguous"):
        sinter.grouped_linear(x, w.transpose(0, 1).contiguous().transpose(0, 1), COUNTS)


@needs_backward
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("separate", [False, True])
def test_the_module_trains(device, separate):
    torch.manual_seed(0)
    layer = sinter.GroupedLinear(4, 64, 96, device=device, separate=separate)
    assert len(list(layer.parameters())) == (4 if separate else 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    x, target = torch.randn(64, 64, device=device).bfloat16(), torch.randn(64, 96, device=device)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (layer(x, COUNTS).float() - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@needs_gpu
def test_a_captured_graph_follows_splits_that_change_on_the_device():
    x, w = problem("cuda", COUNTS)
    x, w = x.detach(), w.detach()
    counts = torch.tensor(COUNTS, device="cuda")
    sinter.grouped_linear(x, w, counts)  # live before the capture
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = sinter.grouped_linear(x, w, counts)
    for splits in (COUNTS, [0, 0, 64, 0], [10, 20, 30, 4]):
        counts.copy_(torch.tensor(splits))
        y.fill_(float("nan"))
        graph.replay()
        assert relative_error(y, reference(x.double(), w.double(), splits)) < 4e-3


@needs_gpu
def test_in_a_capture_a_kernel_that_is_not_live_is_refused_and_the_capture_goes_on():
    x, w = (tensor.detach() for tensor in problem("cuda", COUNTS, k=72))
    counts, z = torch.tensor(COUNTS, device="cuda"), torch.ones(4, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        with pytest.raises(sinter.SinterError, match="captured"):
            sinter.grouped_linear(x, w, counts)
        with pytest.raises(ValueError, match="captured"):
            sinter.grouped_linear(x, w, COUNTS)
        z.add_(1)
    graph.replay()
    assert z.tolist() == [2, 2, 2, 2]
    sinter.grouped_linear(x, w, counts)


@needs_gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_one_runtime_serves_two_gpus():
    for device in ("cuda:0", "cuda:1", "cuda:0"):
        x, w = problem(device, COUNTS)
        assert relative_error(sinter.grouped_linear(x, w, COUNTS), reference(x.double(), w.double(), COUNTS)) < 4e-3
