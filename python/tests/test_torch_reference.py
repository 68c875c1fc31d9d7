"""Networks of `zonas.torch` in float64 against numbers of the published code: forward passes, gradients, running statistics."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from torch_here import ALL_OPERATIONS, ROOT, read, relative, torch, zt
from torch.nn import functional as F

from zonas.torch import _operations

SHARED = ROOT.parent / "shared" / "reference"


def shared(variable: str, name: str) -> Path:
    """A large reference that does not travel with the tests."""
    path = Path(os.environ.get(variable, SHARED / name))
    if not path.exists():
        pytest.skip(f"there is no reference {path}; {variable} names one")
    return path


@pytest.fixture(scope="module", params=["small", "large"])
def darts(request: pytest.FixtureRequest) -> tuple[dict[str, str], dict[str, Any], float]:
    """Metadata, tensors, and how near float64 must be: the small one's results are rounded to float32."""
    if request.param == "small":
        return *read(ROOT / "tests" / "data" / "small_reference.safetensors"), 1e-7
    return *read(shared("ZONAS_REFERENCE", "darts_reference.safetensors")), 1e-10


def darts_net(about: dict[str, str], tensors: dict[str, Any], mask: Any = None) -> Any:
    """The reference's network, with its weights and alphas; what a mask cuts is left out."""
    net = zt.Supernet("darts", int(about["C"]), int(about["layers"]), int(about["classes"]), mask=mask).double()
    own = net.state_dict()
    lacking = {name for name in own if name not in tensors}
    assert lacking == {"mask_normal", "mask_reduce"}, "names are not those of the published code"
    if mask is None:
        published = {name for name in tensors if "/" not in name and not name.startswith(("input", "target"))}
        assert published == own.keys() - lacking
    net.load_state_dict({name: own[name] if name in lacking else tensors[name] for name in own}, strict=True)
    return net.train()


def test_the_supernet_agrees_with_published_darts(darts: Any) -> None:
    about, tensors, limit = darts
    net = darts_net(about, tensors)
    outputs: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _input: Any, output: Any) -> None:
            output.retain_grad()
            outputs[name] = output

        return hook

    hooks = [net.stem.register_forward_hook(keep("stem_out"))]
    hooks += [cell.register_forward_hook(keep(f"cell_out.{i}")) for i, cell in enumerate(net.cells)]
    x, y = tensors["input"].double(), tensors["target"].long()
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    for hook in hooks:
        hook.remove()
    errors = {
        "mix_normal": relative(net.mixing("normal"), tensors["f64/mix_normal"]),
        "mix_reduce": relative(net.mixing("reduction"), tensors["f64/mix_reduce"]),
        "logits": relative(logits, tensors["f64/logits"]),
        "loss": relative(loss.reshape(-1), tensors["f64/loss"].reshape(-1)),
    }
    for name, output in outputs.items():
        errors[name] = relative(output, tensors[f"f64/{name}"])
        if f"f64/grad/{name}" in tensors:
            errors[f"grad/{name}"] = relative(output.grad, tensors[f"f64/grad/{name}"])
    for name, parameter in net.named_parameters():
        # Gradients that are nothing but rounding have no relative error.
        errors[f"grad/{name}"] = relative(parameter.grad, tensors[f"f64/grad/{name}"], 1e-6)
    norm = torch.stack([p.grad.norm() for p in net.weight_parameters()]).norm()
    errors["grad_norm"] = relative(norm.reshape(-1), tensors["f64/grad_norm"].reshape(-1))
    running = {name: b for name, b in net.named_buffers() if "running" in name}
    for name, buffer in running.items():
        errors[name] = relative(buffer, tensors[f"f64/after_forward/{name}"], 0.1 * math.sqrt(buffer.numel()))
    assert len(running) == sum("after_forward/" in name and name.startswith("f64/") for name in tensors)
    errors["eval_logits"] = relative(net.eval()(x), tensors["f64/eval_logits"])
    worst = max(errors, key=lambda name: errors[name])
    print(f"{len(errors)} tensors, worst {worst}: {errors[worst]:.1e}")
    assert errors[worst] <= limit, worst


def test_a_cut_supernet_agrees_with_published_darts(darts: Any) -> None:
    about, tensors, limit = darts
    kept = about["mask_keep"].split(",")
    row = [int(name in kept) for name in about["primitives"].split(",")]
    mask = {"normal": [row] * 14, "reduction": [row] * 14}
    net = darts_net(about, tensors, mask)
    logits = net(tensors["input"].double())
    loss = F.cross_entropy(logits, tensors["target"].long())
    loss.backward()
    assert relative(logits, tensors["f64/masked/logits"]) <= limit
    assert relative(loss.reshape(-1), tensors["f64/masked/loss"].reshape(-1)) <= limit
    for name in ("alphas_normal", "alphas_reduce"):
        assert relative(getattr(net, name).grad, tensors[f"f64/masked/grad/{name}"]) <= limit


def test_search_steps_agree_with_published_darts(darts: Any) -> None:
    about, tensors, limit = darts
    net = darts_net(about, tensors)
    weights = torch.optim.SGD(net.weight_parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
    alphas = torch.optim.Adam(net.arch_parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    for step in ("step1", "step2"):
        alphas.zero_grad()
        loss = F.cross_entropy(net(tensors["input_valid"].double()), tensors["target_valid"].long())
        loss.backward()
        alphas.step()
        assert relative(loss.reshape(-1), tensors[f"f64/{step}/loss_valid"].reshape(-1)) <= limit
        weights.zero_grad()
        loss = F.cross_entropy(net(tensors["input"].double()), tensors["target"].long())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.weight_parameters(), 5)
        weights.step()
        assert relative(loss.reshape(-1), tensors[f"f64/{step}/loss_train"].reshape(-1)) <= limit
    named = {name: p for name, p in net.named_parameters() if f"f64/step2/{name}" in tensors}
    assert len(named) > 2
    for name, parameter in named.items():
        assert relative(parameter, tensors[f"f64/step2/{name}"], 1e-6) <= 10 * limit, name


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "name",
    "none max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5".split(),
)
def test_operations_agree_with_published_darts(darts: Any, name: str, stride: int) -> None:
    _, tensors, limit = darts
    key, channels = f"ops/{name}.s{stride}", tensors["ops/x"].shape[1]
    net = _operations.operation(name, channels, stride, affine=False)
    if "pool" in name:
        net = torch.nn.Sequential(net, torch.nn.BatchNorm2d(channels, affine=False))
    net = net.double()
    for weight, parameter in net.named_parameters():
        parameter.data = tensors[f"{key}/{weight}"].double()
    x = tensors["ops/x"].double().requires_grad_()
    out = net(x)
    assert relative(out, tensors[f"f64/{key}/out"]) <= limit
    out.backward(tensors[f"ops/gy.s{stride}"].double())
    assert relative(x.grad, tensors[f"f64/{key}/grad_x"]) <= 10 * limit
    for weight, parameter in net.named_parameters():
        assert relative(parameter.grad, tensors[f"f64/{key}/grad/{weight}"]) <= 10 * limit


def formula(shape: tuple[int, ...], key: float, scale: float, offset: float = 0.0) -> Any:
    """Numbers of tests/evaluation_reference.py."""
    numbers = [offset + scale * math.sin(0.37 * i + key) for i in range(math.prod(shape))]
    return torch.tensor(numbers, dtype=torch.float64).reshape(shape)


def test_the_evaluation_network_agrees_with_a_reference_of_its_own() -> None:
    expected = json.loads((ROOT / "tests" / "evaluation_reference.json").read_text())
    net = zt.NetworkCIFAR(ALL_OPERATIONS, 4, 4, 10, auxiliary=True).double()
    for k, (name, p) in enumerate(sorted(net.named_parameters())):
        norm = p.dim() == 1 and name.endswith("weight")
        fan = math.prod(p.shape[1:]) if p.dim() > 1 else 16
        value = formula(p.shape, k, 0.2, 1.0) if norm else formula(p.shape, k, 1.5 / math.sqrt(fan))
        p.data = value.float().double()
    images = formula((6, 3, 32, 32), 0.5, 1.0) * formula((6, 1, 1, 1), 1.0, 1.0, 1.5)
    images = (images + formula((3, 32, 32), 2.0, 0.7)[None] ** 3).float().double()
    labels = torch.tensor([3, 1, 4, 1, 5, 9])
    logits, auxiliary = net(images)
    loss = F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)
    loss.backward()
    assert torch.allclose(logits.flatten(), torch.tensor(expected["logits"]).double(), rtol=1e-6, atol=1e-6)
    assert torch.allclose(auxiliary.flatten(), torch.tensor(expected["auxiliary"]).double(), rtol=1e-6, atol=1e-6)
    assert abs(loss.item() - expected["loss"]) < 1e-9
    assert expected["gradients"].keys() == dict(net.named_parameters()).keys()
    for name, p in net.named_parameters():
        norm, along = expected["gradients"][name]
        assert abs(p.grad.norm().item() - norm) <= 1e-8 * max(norm, 1e-3), name
        assert abs((p.grad * formula(p.shape, 0.25, 1.0)).sum().item() - along) <= 1e-8 * max(norm, 1e-3) * math.sqrt(p.numel()), name
    tested = net.eval()(images)
    assert torch.allclose(tested.flatten(), torch.tensor(expected["tested"]).double(), rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def nb201() -> tuple[dict[str, str], dict[str, Any]]:
    return read(shared("ZONAS_NB201_REFERENCE", "nb201_reference.safetensors"))


def check_gradients(net: Any, prefix: str, tensors: dict[str, Any]) -> None:
    checked = 0
    for name, p in net.named_parameters():
        key = f"{prefix}.grad.{'arch_parameters' if name == 'alphas_normal' else name}"
        # A norm takes the bias before it away, so that its gradient is nothing but rounding.
        assert relative(p.grad, tensors[key], 1e-3) <= 1e-10, name
        checked += 1
    assert checked == sum(name.startswith(f"{prefix}.grad.") for name in tensors) - (f"{prefix}.grad.x" in tensors)


@pytest.mark.parametrize("prefix", ["all", "cut"])
def test_the_supernet_agrees_with_published_nas_bench_201(nb201: Any, prefix: str) -> None:
    about, tensors = nb201
    mask = {"normal": (tensors["mask"] > 0).int().tolist()} if prefix == "cut" else None
    net = zt.Supernet("nas_bench_201", int(about["channels"]), 3 * int(about["n"]), 10, mask=mask).double()
    state = {name.removeprefix("state."): t for name, t in tensors.items() if name.startswith("state.")}
    state["alphas_normal"] = state.pop("arch_parameters")
    told = net.load_state_dict(state, strict=False)
    # As published there, cells keep no running statistics.
    assert all(".edges." in name or name == "mask_normal" for name in told.missing_keys)
    assert prefix == "cut" or not told.unexpected_keys
    assert all(".op.1." in name for name in told.unexpected_keys)
    assert all(p in state for p, _ in net.named_parameters())
    x = tensors["x"].double().requires_grad_()
    logits = net.train()(x)
    loss = F.cross_entropy(logits, tensors["y"])
    loss.backward()
    assert relative(logits, tensors[f"{prefix}.logits"]) <= 1e-10
    assert relative(loss.reshape(-1), tensors[f"{prefix}.loss"]) <= 1e-10
    assert relative(x.grad, tensors[f"{prefix}.grad.x"]) <= 1e-10
    if prefix == "all":
        check_gradients(net, prefix, tensors)
    else:
        assert relative(net.alphas_normal.grad, tensors["cut.grad.arch_parameters"]) <= 1e-10
        for name, p in net.named_parameters():
            if name != "alphas_normal":
                assert relative(p.grad, tensors[f"cut.grad.{name}"], 1e-3) <= 1e-10, name
    for name, buffer in net.named_buffers():
        if f"{prefix}.after.{name}" in tensors:
            assert relative(buffer, tensors[f"{prefix}.after.{name}"], 0.1) <= 1e-10, name


def test_the_evaluation_network_agrees_with_published_nas_bench_201(nb201: Any) -> None:
    about, tensors = nb201
    net = zt.NasBench201Network(about["cell"], int(about["channels"]), blocks=int(about["n"])).double()
    assert sum(p.numel() for p in net.parameters()) == int(about["cell_parameters"])
    state = {name.removeprefix("cell.state."): t for name, t in tensors.items() if name.startswith("cell.state.")}
    net.load_state_dict(state, strict=True)
    logits = net.train()(tensors["x"].double())
    loss = F.cross_entropy(logits, tensors["y"])
    loss.backward()
    assert relative(logits, tensors["cell.logits"]) <= 1e-10
    assert relative(loss.reshape(-1), tensors["cell.loss"]) <= 1e-10
    check_gradients(net, "cell", tensors)
    for name, buffer in net.named_buffers():
        if "running" in name:
            assert relative(buffer, tensors[f"cell.after.{name}"], 0.1) <= 1e-10, name
    assert relative(net.eval()(tensors["x"].double()), tensors["cell.eval_logits"]) <= 1e-10
