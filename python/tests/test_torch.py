"""Networks of `zonas.torch` as one uses them: sizes, training, what they refuse."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter, namedtuple
from pathlib import Path
from typing import Any

import pytest
from torch_here import ALL_OPERATIONS, DARTS_V2, NAS_BENCH_201, command, needs_command, torch, zt
from torch.nn import functional as F

from zonas.torch import _genotype, _space

Published = namedtuple("Published", "normal normal_concat reduce reduce_concat")


def parameters(net: Any) -> int:
    return sum(p.numel() for p in net.parameters())


def arithmetic(net: Any, *size: int) -> Counter[str]:
    """Multiply-adds of convolutions and linear layers, and numbers that other layers take, for one picture."""
    found: Counter[str] = Counter()

    def hook(layer: Any, given: Any, made: Any) -> None:
        name = type(layer).__name__
        if name in ("Conv2d", "Linear"):
            found["macs"] += layer.weight.numel() * (made[0, 0].numel() if made.dim() == 4 else 1)
        elif name in ("BatchNorm2d", "ReLU"):
            found[name] += made.numel()
        elif "Pool" in name:
            found["pooled"] += given[0].numel()

    hooks = [layer.register_forward_hook(hook) for layer in net.modules()]
    with torch.no_grad():
        net.eval()(torch.zeros(1, *size))
    for h in hooks:
        h.remove()
    return found


def test_every_form_of_a_genotype_is_the_same() -> None:
    g = _genotype.genotype(DARTS_V2)
    assert str(g) == DARTS_V2
    fields = {"normal": g.normal, "normal_concat": g.normal_concat, "reduce": g.reduce, "reduce_concat": g.reduce_concat}
    listed = DARTS_V2.replace("range(2, 6)", "[2, 3, 4, 5]")
    positional = f"Genotype({list(g.normal)}, range(2, 6), {list(g.reduce)}, list(range(2, 6)))"
    for form in (listed, f"DARTS_V2 = {DARTS_V2}\n", f"from g import Genotype\nX = g.{DARTS_V2}", positional):
        assert _genotype.genotype(form) == g, form
    for form in (fields, Published(**fields), Published(list(g.normal), range(2, 6), list(g.reduce), range(2, 6))):
        assert _genotype.genotype(form) == g, form
    cell = _genotype.genotype(NAS_BENCH_201)
    assert str(cell) == NAS_BENCH_201 and cell.every_edge
    assert _genotype.genotype(f'"{NAS_BENCH_201}"') == cell
    # As `zonas.genotype` gives it.
    assert _genotype.genotype(Published(cell.normal, (), (), ())) == cell


@needs_command
def test_json_of_the_program_is_read() -> None:
    for text in (DARTS_V2, ALL_OPERATIONS, NAS_BENCH_201):
        for form in ("json", "python"):
            assert str(_genotype.genotype(command("export", text, "--as", form))) == text


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("Genotype(normal=__import__('os').listdir(), normal_concat=[2], reduce=[], reduce_concat=[])", "no literal"),
        ("Genotype(normal=[(x, 0)], normal_concat=[2])", "no literal"),
        ("Genotype(normal=[], normal_concat=range(10**9))", "no literal"),
        (DARTS_V2.replace("dil_conv_3x3", "dil_conv_3x4"), "did you mean `dil_conv_3x3`"),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"), "may read only states 0 to 4"),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "('none', 2)"), "`none`"),
        (DARTS_V2.replace(", ('dil_conv_3x3', 2)", ""), "has 7 operations"),
        (DARTS_V2.replace("range(2, 6)", "range(2, 7)"), "concatenates"),
        (DARTS_V2 + DARTS_V2, "no genotype"),
        (DARTS_V2 + "\n" + DARTS_V2, "has 2 `Genotype"),
        (DARTS_V2.replace("normal=", "usual="), "`usual`"),
        ("Genotype(", "no genotype"),
        ("{", "no JSON"),
        ("{}", "this one has nothing"),
        ("", "no `Genotype"),
        ("|nor_conv_3x3~0|+|none~0|", "has not 2 edges"),
        ("|nor_conv_3x3~0|+|none~1|none~0|", "reads state 1, where 0 comes next"),
        ("|conv~0|", "no operation 'conv'"),
        (7, "a int"),
        ({"normal": "abc", "normal_concat": [2]}, "is a list"),
        ({"normal": [("skip_connect", 0, 1)], "normal_concat": [2]}, "list of (operation, state)"),
        ({"normal": [("skip_connect", -1), ("skip_connect", 0)], "normal_concat": [2]}, "not -1"),
        ({"normal": [], "normal_concat": []}, "no operations at all"),
    ],
)
def test_what_is_no_genotype_is_refused_with_the_reason(given: Any, why: str) -> None:
    with pytest.raises(zt.Error) as refused:
        _genotype.genotype(given)
    assert why in str(refused.value) and "\n" not in str(refused.value)


def test_the_network_for_imagenet_is_the_published_one() -> None:
    net = zt.NetworkImageNet(DARTS_V2, 48, 14, 1000)
    found = arithmetic(net, 3, 224, 224)
    # 4.7 M as published.
    assert parameters(net) == 4_718_752
    assert found["macs"] == 529_911_552
    # What ptflops, which counts norms, ReLUs and pools, finds of the published code: quark0/darts, issue 46.
    assert round((found["macs"] + 2 * found["BatchNorm2d"] + found["ReLU"] + found["pooled"]) / 1e6, 2) == 544.59
    names = set(zt.NetworkImageNet(DARTS_V2, 4, 5, 10, auxiliary=True).state_dict())
    for name in ("stem0.3.weight", "stem1.1.weight", "cells.0.preprocess0.conv_2.weight", "auxiliary_head.features.5.weight"):
        assert name in names
    # As published, the head has no norm behind its second convolution.
    assert "auxiliary_head.features.6.weight" not in names


def test_the_network_for_imagenet_trains_with_its_head() -> None:
    net = zt.NetworkImageNet(ALL_OPERATIONS, 4, 5, 7, auxiliary=True)
    x = torch.randn(2, 3, 224, 224)
    logits, helped = net.train()(x)
    assert logits.shape == helped.shape == (2, 7)
    (logits.sum() + helped.sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.eval()(x).shape == (2, 7)
    with pytest.raises(zt.Error, match="7 or 8 pixels a side"):
        net.train()(x[:, :, :100, :100])


@needs_command
@pytest.mark.parametrize(
    ("text", "auxiliary"),
    [(DARTS_V2, False), (DARTS_V2, True), (ALL_OPERATIONS, False), (ALL_OPERATIONS, True), (NAS_BENCH_201, False)],
)
def test_sizes_are_those_that_the_program_counts(text: str, auxiliary: bool) -> None:
    size = (5, 6, 7, 40)
    options = ["--channels", 5, "--cells", 6, "--classes", 7, "--size", 40, "--json"]
    if text.startswith("|"):
        net: Any = zt.NasBench201Network(text, 5, 2, 7)
    else:
        net = zt.NetworkCIFAR(text, *size[:3], auxiliary=auxiliary)
    told = json.loads(command("count", text, *options, *(["--auxiliary"] if auxiliary else [])))
    assert parameters(net) == told["parameters"]
    if not auxiliary:
        assert arithmetic(net, 3, 40, 40)["macs"] == told["macs"]


def step(net: Any, x: Any, y: Any) -> float:
    """One step of SGD, as published training takes it; the gradient's norm."""
    optimiser = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    given = net.train()(x)
    logits, helped = given if isinstance(given, tuple) else (given, None)
    loss = F.cross_entropy(logits, y)
    if helped is not None:
        loss = loss + 0.4 * F.cross_entropy(helped, y)
    loss.backward()
    norm: float = torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0).item()
    optimiser.step()
    return norm


@pytest.mark.parametrize("kind", ["cifar", "nas_bench_201"])
def test_a_step_trains_and_drop_path_is_seeded(kind: str) -> None:
    torch.manual_seed(0)
    if kind == "cifar":
        net: Any = zt.NetworkCIFAR(ALL_OPERATIONS, 4, 3, 10, auxiliary=True, drop_path=0.5)
    else:
        net = zt.NasBench201Network(NAS_BENCH_201, 4, 1, drop_path=0.5)
    x, y = torch.randn(8, 3, 32, 32), torch.arange(8)

    def answers(seed: int, drop: float = 0.5) -> Any:
        fresh = copy.deepcopy(net).train()
        fresh.drop_path_prob = drop
        torch.manual_seed(seed)
        given = fresh(x)
        return given[0] if isinstance(given, tuple) else given

    assert torch.equal(answers(1), answers(1))
    assert not torch.equal(answers(1), answers(2)) and not torch.equal(answers(1), answers(1, drop=0.0))
    assert torch.equal(answers(1, drop=0.0), answers(2, drop=0.0))
    before = copy.deepcopy(net.state_dict())
    norm = step(net, x, y)
    assert 0 < norm < 1e4
    after = net.state_dict()
    assert all(t.isfinite().all() for t in after.values())
    assert all(not torch.equal(before[name], p) for name, p in net.named_parameters() if p.grad is not None and p.grad.any())
    # Nothing is left out in evaluation mode.
    net.eval()
    torch.manual_seed(1)
    first = net(x)
    torch.manual_seed(2)
    assert torch.equal(first, net(x)) and first.shape == (8, 10)


def test_drop_path_keeps_the_mean() -> None:
    torch.manual_seed(0)
    x = torch.ones(20_000, 1, 2, 2)
    y = zt.drop_path(x, 0.3)
    # A picture is left out whole, the others are scaled up.
    assert torch.equal(y, y[:, :, :1, :1].expand_as(y)) and set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.7).item()}
    assert abs(y.mean().item() - 1.0) < 0.02
    assert zt.drop_path(x, 0.0) is x
    for probability in (1.0, -0.1, float("nan")):
        with pytest.raises(zt.Error, match="from 0 to below 1"):
            zt.NetworkCIFAR(DARTS_V2, 4, 3, 10, drop_path=probability)


def test_the_identity_is_never_dropped() -> None:
    skips = {"normal": [("skip_connect", 0), ("skip_connect", 1)], "normal_concat": [2], "reduce": [], "reduce_concat": []}
    torch.manual_seed(0)
    net = zt.NetworkCIFAR(skips, 4, 2, 10, drop_path=0.5).train()
    x = torch.randn(32, 3, 8, 8)
    assert torch.equal(net(x), net(x))


def test_cells_of_one_kind_of_other_sizes_and_with_the_rest_of_the_catalogue() -> None:
    one = {"normal": [("sep_conv_7x7", 0), ("max_pool_5x5", 1), ("conv_7x1_1x7", 2), ("conv_1x1", 0)], "normal_concat": [3]}
    net = zt.NetworkCIFAR(one, 4, 3, 10, in_channels=1)
    # Nothing is halved; an odd size is no hindrance.
    assert net(torch.randn(2, 1, 9, 9)).shape == (2, 10)
    both = {**one, "reduce": [("conv_7x1_1x7", 0), ("noise", 1)], "reduce_concat": [2]}
    net = zt.NetworkCIFAR(both, 4, 4, 10)
    torch.manual_seed(0)
    first = net.eval()(torch.zeros(2, 3, 15, 13))
    torch.manual_seed(0)
    assert torch.equal(first, net(torch.zeros(2, 3, 15, 13)))
    assert not torch.equal(first, net(torch.zeros(2, 3, 15, 13))), "noise is drawn anew"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: zt.NetworkCIFAR(NAS_BENCH_201, 4, 3, 10), "NasBench201Network"),
        (lambda: zt.NasBench201Network(DARTS_V2), "NetworkCIFAR"),
        (lambda: zt.NetworkCIFAR(DARTS_V2, 0, 3, 10), "`channels`, not 0"),
        (lambda: zt.NetworkCIFAR(DARTS_V2, 4, 2.5, 10), "`layers`, not 2.5"),
        (lambda: zt.NetworkImageNet(DARTS_V2, 1, 3, 10), "at least 2"),
        (lambda: zt.NetworkCIFAR(DARTS_V2, 4, 3, 10)(torch.zeros(2, 1, 8, 8)), r"[N, 3, H, W], not [2, 1, 8, 8]"),
        (lambda: zt.NetworkCIFAR(DARTS_V2, 4, 3, 10, auxiliary=True)(torch.zeros(2, 3, 28, 28)), "8 to 10 pixels a side, not 7x7"),
        (lambda: zt.Supernet("dart", 4, 3, 10), "did you mean `darts`"),
        (lambda: zt.Supernet("darts", 4, ["normal", "big"], 10), "called 'big'"),
        (lambda: zt.Supernet("darts", 4, [], 10), "`layers`, not 0"),
        (lambda: zt.Supernet("nas_bench_201", 4, 3, 10, stem_multiplier=3), "is 1"),
        (lambda: zt.Supernet("darts", 4, 3, 10, mask={"normal": [[1]]}), "rows for normal and reduction"),
        (lambda: zt.Supernet("nas_bench_201", 4, 3, 10, mask={"normal": [[1] * 5] * 5}), "6 rows of 5"),
        (lambda: zt.Supernet("nas_bench_201", 4, 3, 10, mask={"normal": [[0] * 5] * 6}), "0>1 of the normal cell keeps no"),
        (lambda: zt.Supernet("nas_bench_201", 4, 3, 10, mask={"space": "darts", "normal": []}), "space darts, not of nas"),
        (lambda: zt.Supernet("darts_s1", 4, 3, 10, mask={"normal": [[1] * 6] * 14, "reduction": [[1] * 6] * 14}), "no candidate"),
        (lambda: zt.Supernet("nas_bench_201", 4, 3, 10, mask="nothing.json"), "can't be read"),
        (lambda: zt.Supernet({"operations": 3, "normal": {"nodes": 1}}, 4, 3, 10), "are a list"),
        (lambda: zt.Supernet({"operations": ["none"], "normal": {"nodes": 9}}, 4, 3, 10), "`nodes`, not 9"),
    ],
)
def test_what_is_no_network_is_refused_with_the_reason(make: Any, why: str) -> None:
    with pytest.raises(zt.Error) as refused:
        make()
    assert why in str(refused.value) and "\n" not in str(refused.value)


@needs_command
def test_spaces_are_those_of_the_program() -> None:
    tomllib = pytest.importorskip("tomllib")
    names = {line.split()[0] for line in command("spaces").splitlines() if line.split()[:1]} & _space._BUILT_IN.keys()
    assert names == _space._BUILT_IN.keys()
    for name in names:
        text = command("spaces", name)
        assert _space.space(text) == _space.space(tomllib.loads(text)) == _space.space(name)


def test_a_space_of_ones_own(tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    file = Path(__file__).resolve().parents[2] / "docs" / "small_space.toml"
    net = zt.Supernet(file, 3, 3, 10, in_channels=1)
    assert net.alphas_normal.shape == (5, 3) and net.alphas_reduce.shape == (4, 3)
    # 2>3 has two candidates, and 0>3 is no edge of reduction cells' node 1 but by name.
    assert net.mask_normal.tolist()[4] == [True, True, False]
    assert set(net.cells[0]._ops[4]._ops) == {"0", "1"}
    assert net(torch.randn(2, 1, 9, 9)).shape == (2, 10)
    assert _genotype.genotype(net.genotype()).normal_concat == (2, 3)


def test_a_cut_takes_operations_and_their_weights_away() -> None:
    kept = {"none": 0, "max_pool_3x3": 1, "sep_conv_3x3": 4}
    row = [int(i in kept.values()) for i in range(8)]
    mask = {"normal": [row] * 14, "reduction": [row] * 14}
    for net in (zt.Supernet("darts", 4, 3, 10, mask=mask), zt.Supernet(mask, 4, 3, 10), zt.Supernet(json.dumps(mask), 4, 3, 10)):
        assert set(net.cells[0]._ops[3]._ops) == {"0", "1", "4"}
        names = net.state_dict()
        assert "cells.0._ops.3._ops.4.op.1.weight" in names and "cells.0._ops.3._ops.5.op.1.weight" not in names
        mixing = net.mixing("reduction")
        assert torch.equal(mixing > 0, torch.tensor(mask["reduction"]).bool()) and torch.allclose(mixing.sum(1), torch.ones(14))
    by_name = {kind: {f"{s}>{t}": list(kept) for t in range(2, 6) for s in range(t)} for kind in ("normal", "reduction")}
    assert zt.Supernet("darts", 4, 3, 10, mask=by_name).kept == net.kept


@pytest.mark.parametrize("space", ["darts", "darts_s1", "darts_s4", "nas_bench_201"])
def test_a_supernet_searches(space: str) -> None:
    torch.manual_seed(0)
    net = zt.Supernet(space, 2, 3, 10)
    weights = torch.optim.SGD(net.weight_parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    alphas = torch.optim.Adam(net.arch_parameters(), 3e-3, betas=(0.5, 0.999), weight_decay=1e-3)
    assert len(net.weight_parameters()) + len(net.arch_parameters()) == len(list(net.parameters()))
    before = [a.detach().clone() for a in net.arch_parameters()]
    for optimiser in (alphas, weights):
        net.zero_grad()
        F.cross_entropy(net(torch.randn(4, 3, 16, 16)), torch.arange(4)).backward()
        optimiser.step()
    assert all(p.isfinite().all() for p in net.parameters())
    for alpha, was, mask in zip(net.arch_parameters(), before, [b for n, b in net.named_buffers() if "mask" in n], strict=True):
        assert not alpha.masked_select(~mask).any() and not torch.equal(alpha, was)
    found = _genotype.genotype(net.genotype())
    chosen = (zt.NasBench201Network if found.every_edge else zt.NetworkCIFAR)(net.genotype(), 2, 3, 10)
    assert chosen(torch.randn(4, 3, 16, 16)).shape == (4, 10)


def test_what_is_cut_does_not_come_back_with_a_load() -> None:
    row = [0, 1, 0, 1, 0]
    cut = zt.Supernet("nas_bench_201", 2, 3, 10, mask={"normal": [row] * 6})
    state = cut.state_dict()
    # As files have it.
    state["alphas_normal"] = state["alphas_normal"].masked_fill(~state["mask_normal"], -torch.inf)
    cut.load_state_dict(state, strict=True)
    assert cut.alphas_normal.isfinite().all()
    other = pickle.loads(pickle.dumps(cut))
    assert torch.equal(other.mixing(), cut.mixing())
    state["mask_normal"] = ~state["mask_normal"]
    with pytest.raises(zt.Error, match="`mask_normal` of the file keeps other operations"):
        cut.load_state_dict(state, strict=True)
    assert torch.equal(cut.mask_normal, other.mask_normal)


def test_a_node_with_nothing_but_none_has_no_genotype() -> None:
    row = [1, 0, 0, 0, 0, 0, 0, 0]
    net = zt.Supernet("darts", 2, 3, 10, mask={"normal": [row] * 14, "reduction": [[0, 1, 0, 0, 0, 0, 0, 0]] * 14})
    with pytest.raises(zt.Error, match="node 0 of the normal cell has fewer than two edges"):
        net.genotype()
