"""The network that a search trains: every edge is a mixture of the operations that a mask keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._errors import Error
from ._genotype import Choice, Genotype
from ._nas_bench_201 import ResNetBasicblock, halves_before
from ._networks import darts_cells, imagenet_stems
from ._operations import FactorizedReduce, ReLUConvBN, check_pictures, check_size, convolution, is_pooling, operation
from ._space import KINDS, Edge, Rows, Space, mask_table
from ._space import mask as read_mask
from ._space import space as read_space

NAMES = {"normal": "alphas_normal", "reduction": "alphas_reduce"}
MASKS = {"normal": "mask_normal", "reduction": "mask_reduce"}


def _mixed(space: Space, kept: tuple[bool, ...], channels: int, stride: int) -> nn.ModuleDict:
    """The operations of an edge by column. Norms neither scale nor shift; in DARTS one stands behind each pooling."""
    there: dict[str, nn.Module] = {}
    for column, (name, keeps) in enumerate(zip(space.operations, kept, strict=True)):
        if keeps:
            own = operation(name, channels, stride, affine=False, dense_bias=True)
            if is_pooling(name) and space.stacking == "darts":
                own = nn.Sequential(own, nn.BatchNorm2d(channels, affine=False))
            there[str(column)] = own
    return nn.ModuleDict(there)


def _mixture(operations: nn.ModuleDict, x: Tensor, weights: Tensor) -> Tensor:
    """`[N, C, H, W]` through every operation, summed with the edge's `weights` `[operations]`."""
    terms: list[Tensor] = [weights[int(column)] * own(x) for column, own in operations.items()]
    return sum(terms[1:], terms[0])


class MixedOp(nn.Module):
    """An edge of DARTS: the operations, in columns, are in `_ops`."""

    def __init__(self, space: Space, kept: tuple[bool, ...], channels: int, stride: int) -> None:
        super().__init__()
        self._ops = _mixed(space, kept, channels, stride)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """`[N, C, H, W]` and the mixing weights `[operations]` to `[N, C, H', W']`."""
        return _mixture(self._ops, x, weights)


class SearchCell(nn.Module):
    """A cell of DARTS whose edges are mixtures; its output is the concatenation of its nodes."""

    def __init__(self, space: Space, kind: str, kept: Rows, older: int, last: int, channels: int, halve: bool) -> None:
        super().__init__()
        project = (
            FactorizedReduce(older, channels, affine=False) if halve else ReLUConvBN(older, channels, 1, affine=False)
        )
        self.preprocess0 = project
        self.preprocess1 = ReLUConvBN(last, channels, 1, affine=False)
        self._edges, self._nodes = space.edges[kind], space.nodes(kind)
        strides = [2 if kind == "reduction" and source < 2 else 1 for source, _ in self._edges]
        self._ops = nn.ModuleList(
            MixedOp(space, row, channels, stride) for row, stride in zip(kept, strides, strict=True)
        )

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        """Takes the outputs before and the mixing weights `[edges, operations]`; gives `[N, nodes * C, H', W']`."""
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for target in range(2, 2 + self._nodes):
            states.append(_node(target, self._edges, states, self._ops, weights))
        return torch.cat(states[2:], dim=1)


class NAS201SearchCell(nn.Module):
    """A cell of NAS-Bench-201 whose edges, in `edges` by name, are mixtures; its output is its last node."""

    def __init__(self, space: Space, kept: Rows, channels: int) -> None:
        super().__init__()
        self._edges, self._nodes = space.edges["normal"], space.nodes("normal")
        named = {f"{target}<-{source}": row for (source, target), row in zip(self._edges, kept, strict=True)}
        self.edges = nn.ModuleDict({name: _mixed(space, row, channels, 1) for name, row in named.items()})

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """`[N, C, H, W]` and the mixing weights `[edges, operations]` to the same shape."""
        states = [x]
        for target in range(1, 1 + self._nodes):
            states.append(_node(target, self._edges, states, self.edges.values(), weights))
        return states[-1]


def _node(
    target: int, edges: tuple[Edge, ...], states: list[Tensor], mixtures: Iterable[nn.Module], weights: Tensor
) -> Tensor:
    """The sum of the edges into a state."""
    terms: list[Tensor] = []
    for row, ((source, to), edge) in enumerate(zip(edges, mixtures, strict=True)):
        if to == target:
            x = states[source]
            terms.append(_mixture(edge, x, weights[row]) if isinstance(edge, nn.ModuleDict) else edge(x, weights[row]))
    return sum(terms[1:], terms[0])


class Supernet(nn.Module):
    """The network that a search trains: every edge is a mixture of the operations that a mask keeps; the others are neither
    made nor run.

    Weights have the names of the published search code (`Network` of DARTS, `TinyNetwork` of NAS-Bench-201), and an
    operation keeps the number that it has in the whole space: `cells.0._ops.3._ops.4.op.1.weight`. `alphas_normal` and
    `alphas_reduce` `[edges, operations]` are parameters, those of what is cut 0 and without effect; `mask_normal` and
    `mask_reduce` say what is kept.

    Args:
        space: A search space: a built-in name (`darts`, `darts_s1` to `darts_s4`, `nas_bench_201`), a TOML file or its
            text, or a mapping of that form; or a mask of a built-in space, as `zonas mask` prints.
        channels: C of the first cells.
        layers: Cells; or their kinds, `normal` and `reduction`, in order.
        classes: Classes that it tells apart.
        mask: What is kept of the space: rows of zeros and ones by kind, or `run.kept`; None keeps all candidates.
        in_channels: Channels of the pictures.
        stem_multiplier: The stem has so many times C channels [default: 3; of NAS-Bench-201 1].
        imagenet: With the two stems for large pictures, which halve them three times.

    Raises:
        Error: It is no space, or no mask of it, or a network of no size.

    >>> net = Supernet("darts", channels=16, layers=8, classes=10)
    >>> logits = net(torch.randn(2, 3, 32, 32))     # [2, 10]
    """

    def __init__(
        self,
        space: Any,
        channels: int,
        layers: int | Sequence[str],
        classes: int,
        *,
        mask: Any = None,
        in_channels: int = 3,
        stem_multiplier: int | None = None,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        self.space, self.kept = _space_and_mask(space, mask)
        darts = self.space.stacking == "darts"
        if imagenet and not darts:
            raise Error("networks of NAS-Bench-201 have no stems for ImageNet")
        multiplier = (3 if darts else 1) if stem_multiplier is None else stem_multiplier
        self.layout = self._kinds(layers)
        check_size(
            channels=channels,
            layers=len(self.layout),
            classes=classes,
            in_channels=in_channels,
            stem_multiplier=multiplier,
        )
        self.in_channels = in_channels
        stem = multiplier * channels
        self._imagenet = imagenet
        if imagenet:
            self.stem0, self.stem1 = imagenet_stems(in_channels, stem)
        else:
            self.stem = nn.Sequential(convolution(in_channels, stem, 3), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList(self._darts(channels, stem) if darts else self._nas_bench_201(channels, stem))
        if not darts:
            self.lastact = nn.Sequential(nn.BatchNorm2d(self._features), nn.ReLU())
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(self._features, classes)
        for kind in self.space.edges:
            table = torch.tensor(self.kept[kind])
            self.register_parameter(
                NAMES[kind], nn.Parameter((1e-3 * torch.randn(table.shape)).masked_fill(~table, 0.0))
            )
            self.register_buffer(MASKS[kind], table)
        after_load: Any = self.register_load_state_dict_post_hook
        after_load(_settle)

    def _kinds(self, layers: int | Sequence[str]) -> list[str]:
        if isinstance(layers, int):
            check_size(layers=layers)
            if self.space.stacking == "darts":
                return darts_cells(layers, "normal" in self.space.edges, "reduction" in self.space.edges)
            return ["normal"] * layers
        for kind in layers:
            if kind not in self.space.edges:
                raise Error(
                    f"the search space {self.space.name} has no cells called {kind!r}, only {' and '.join(self.space.edges)}"
                )
        return list(layers)

    def _darts(self, channels: int, stem: int) -> Iterator[nn.Module]:
        # The second stem for ImageNet halves, as a reduction cell does.
        older, last, halved = stem, stem, self._imagenet
        for kind in self.layout:
            channels = 2 * channels if kind == "reduction" else channels
            yield SearchCell(self.space, kind, self.kept[kind], older, last, channels, halved)
            older, last, halved = last, self.space.nodes(kind) * channels, kind == "reduction"
        self._features = last

    def _nas_bench_201(self, channels: int, stem: int) -> Iterator[nn.Module]:
        if stem != channels:
            raise Error(
                "the stem of a network of NAS-Bench-201 has as many channels as its cells: `stem_multiplier` is 1"
            )
        for i in range(len(self.layout)):
            if halves_before(i, len(self.layout)):
                yield ResNetBasicblock(channels, 2 * channels)
                channels = 2 * channels
            yield NAS201SearchCell(self.space, self.kept["normal"], channels)
        self._features = channels

    def mixing(self, kind: str = "normal") -> Tensor:
        """The mixing weights `[edges, operations]` of a kind of cell: softmax over what each edge keeps, 0 where cut."""
        alphas, kept = getattr(self, NAMES[kind]), getattr(self, MASKS[kind])
        weights: Tensor = alphas.masked_fill(~kept, -torch.inf).softmax(dim=-1)
        return weights

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `[N, in_channels, H, W]` to logits `[N, classes]`."""
        check_pictures(x, self.in_channels)
        weights = {kind: self.mixing(kind) for kind in self.space.edges}
        s0 = self.stem0(x) if self._imagenet else self.stem(x)
        x = self.stem1(s0) if self._imagenet else s0
        if self.space.stacking == "darts":
            for kind, cell in zip(self.layout, self.cells, strict=True):
                s0, x = x, cell(s0, x, weights[kind])
        else:
            for cell in self.cells:
                x = cell(x) if isinstance(cell, ResNetBasicblock) else cell(x, weights["normal"])
            x = self.lastact(x)
        y: Tensor = self.classifier(self.global_pooling(x).flatten(1))
        return y

    def arch_parameters(self) -> list[nn.Parameter]:
        """The alphas, for the architecture's optimiser."""
        return [getattr(self, NAMES[kind]) for kind in self.space.edges]

    def weight_parameters(self) -> list[nn.Parameter]:
        """All other parameters, for the weights' optimiser."""
        alphas = {id(p) for p in self.arch_parameters()}
        return [p for p in self.parameters() if id(p) not in alphas]

    def genotype(self) -> str:
        """What the alphas choose now, as text: every node's two inputs whose best operation other than `none` has the
        greatest mixing weight (Liu et al. 2019, section 2.4); in NAS-Bench-201 the greatest on each edge, `none` too.

        Raises:
            Error: A node has fewer than two edges with anything but `none`.
        """
        if self.space.stacking != "darts":
            return str(Genotype(self._chosen("normal"), (), (), (), every_edge=True))
        chosen = {kind: self._chosen(kind) if kind in self.space.edges else () for kind in KINDS}
        concat = {kind: tuple(range(2, 2 + len(choices) // 2)) for kind, choices in chosen.items()}
        return str(Genotype(chosen["normal"], concat["normal"], chosen["reduction"], concat["reduction"]))

    def _chosen(self, kind: str) -> tuple[Choice, ...]:
        """What the nodes of a kind of cell take, node by node."""
        darts, inputs = self.space.stacking == "darts", self.space.inputs
        best: dict[int, list[tuple[float, str, int]]] = {inputs + node: [] for node in range(self.space.nodes(kind))}
        rows = zip(self.space.edges[kind], self.mixing(kind).tolist(), self.kept[kind], strict=True)
        for (source, target), weights, kept in rows:
            there = [(w, name) for name, w, k in zip(self.space.operations, weights, kept, strict=True) if k]
            there = [(w, name) for w, name in there if not darts or name != "none"]
            if there:
                # Of equal ones the first.
                best[target].append((*max(there, key=lambda pair: pair[0]), source))
        if darts:
            for target, edges in best.items():
                if len(edges) < 2:
                    where = f"node {target - inputs} of the {kind} cell"
                    raise Error(f"{where} has fewer than two edges with anything but `none`")
                best[target] = sorted(edges, key=lambda b: -b[0])[:2]
        return tuple((name, source) for edges in best.values() for _, name, source in edges)


def _space_and_mask(given: Any, mask: Any) -> tuple[Space, dict[str, Rows]]:
    """A space with a mask; or a mask alone, which says of which built-in space it is."""
    if mask is None and not isinstance(given, Space):
        text = given if isinstance(given, str) and given.lstrip().startswith("{") else None
        table = mask_table(text) if text is not None else given
        if isinstance(table, Mapping) and "operations" not in table and any(kind in table for kind in KINDS):
            space = read_space(str(table.get("space", "darts")))
            return space, read_mask(space, table)
    space = read_space(given)
    return space, read_mask(space, mask)


def _settle(net: nn.Module, _: Any) -> None:
    """After a load: the alphas of what is cut, -inf in files, are 0, so that no optimiser makes NaN of them; and the mask
    is the one that the network is built of."""
    assert isinstance(net, Supernet)
    for kind in net.space.edges:
        alphas, mask = getattr(net, NAMES[kind]), getattr(net, MASKS[kind])
        built = torch.tensor(net.kept[kind], device=mask.device)
        if not torch.equal(mask, built):
            with torch.no_grad():
                mask.copy_(built)
            raise Error(f"`{MASKS[kind]}` of the file keeps other operations than this network is built of")
        with torch.no_grad():
            alphas.masked_fill_(~built, 0.0)
