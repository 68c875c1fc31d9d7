"""Evaluation networks of DARTS: a genotype as a network of its own (Liu et al. 2019, arXiv 1806.09055, appendix A).

Modules have the names of the published code, so that its checkpoints and those of Zonas load with `strict=True`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ._errors import Error
from ._genotype import Genotype
from ._genotype import genotype as read
from ._operations import (
    FactorizedReduce,
    ReLUConvBN,
    check_pictures,
    check_probability,
    check_size,
    convolution,
    drop_path,
    operation,
)

NARROW, WIDE = 128, 768
"""Channels inside the auxiliary heads."""

Logits = Tensor | tuple[Tensor, Tensor]
"""`[N, classes]`; in training with an auxiliary head also that head's."""


def darts_cells(layers: int, normal: bool, reduction: bool) -> list[str]:
    """The kinds of a network's cells: numbers `layers // 3` and `2 * layers // 3` reduce, where there are both kinds."""
    reduces = [reduction and (not normal or i in (layers // 3, 2 * layers // 3)) for i in range(layers)]
    return ["reduction" if r else "normal" for r in reduces]


class Cell(nn.Module):
    """A cell of a genotype: every node is the sum of two operations on states before it.

    Args:
        genotype: A genotype.
        older: Channels of the output before the last.
        last: Channels of the last output.
        channels: C of each node.
        reduction: Whether it is a reduction cell, which halves the maps.
        halve: Whether the cell before reduced, so that the older output has twice the size.
    """

    def __init__(self, genotype: Genotype, older: int, last: int, channels: int, reduction: bool, halve: bool) -> None:
        super().__init__()
        self.preprocess0 = FactorizedReduce(older, channels) if halve else ReLUConvBN(older, channels, 1)
        self.preprocess1 = ReLUConvBN(last, channels, 1)
        choices = genotype.reduce if reduction else genotype.normal
        self._concat = genotype.reduce_concat if reduction else genotype.normal_concat
        self._indices = [source for _, source in choices]
        self._steps = len(choices) // 2
        self.multiplier = len(self._concat)
        self._ops = nn.ModuleList(
            operation(name, channels, 2 if reduction and source < 2 else 1) for name, source in choices
        )

    def forward(self, s0: Tensor, s1: Tensor, drop_probability: float = 0.0) -> Tensor:
        """Takes the outputs before: the older `s0` and the last `s1`; gives `[N, multiplier * C, H', W']`.

        In training an edge other than the identity is left out for a picture with `drop_probability`.
        """
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for node in range(self._steps):
            taken = []
            for j in (2 * node, 2 * node + 1):
                y = self._ops[j](states[self._indices[j]])
                if self.training and not isinstance(self._ops[j], nn.Identity):
                    y = drop_path(y, drop_probability)
                taken.append(y)
            states.append(taken[0] + taken[1])
        return torch.cat([states[i] for i in self._concat], dim=1)


class _AuxiliaryHead(nn.Module):
    """The classifier that helps the lower cells in training: averages to 2x2, two convolutions, a linear layer."""

    sides: tuple[int, int]
    """Least and greatest side of a map that it averages to 2x2."""
    wanted: str

    def __init__(self, channels: int, classes: int, stride: int, normed: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=stride, padding=0, count_include_pad=False),
            nn.Conv2d(channels, NARROW, 1, bias=False),
            nn.BatchNorm2d(NARROW),
            nn.ReLU(),
            nn.Conv2d(NARROW, WIDE, 2, bias=False),
            *([nn.BatchNorm2d(WIDE)] if normed else []),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(WIDE, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` to logits `[N, classes]`."""
        least, most = self.sides
        height, width = x.shape[-2:]
        if not (least <= height <= most and least <= width <= most):
            raise Error(f"the auxiliary head needs maps of {self.wanted}, not {height}x{width}")
        y: Tensor = self.classifier(self.features(x).flatten(1))
        return y


class AuxiliaryHeadCIFAR(_AuxiliaryHead):
    """For maps of 8 to 10 pixels a side."""

    sides, wanted = (8, 10), "8 to 10 pixels a side"

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes, stride=3, normed=True)


class AuxiliaryHeadImageNet(_AuxiliaryHead):
    """For maps of 7 or 8 pixels a side. As published it has no norm behind its second convolution."""

    sides, wanted = (7, 8), "7 or 8 pixels a side, as 224x224 pictures give"

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes, stride=2, normed=False)


class _Network(nn.Module):
    """What both networks have: cells, a head after cell `2 * layers // 3`, the average, a classifier."""

    def __init__(
        self,
        genotype: Any,
        channels: int,
        layers: int,
        classes: int,
        auxiliary: bool,
        in_channels: int,
        probability: float,
    ) -> None:
        super().__init__()
        self.genotype = read(genotype)
        if self.genotype.every_edge:
            raise Error("this is a cell of NAS-Bench-201, of which NasBench201Network makes a network")
        check_size(channels=channels, layers=layers, classes=classes, in_channels=in_channels)
        self.in_channels = in_channels
        self.drop_path_prob = check_probability(probability)
        """Probability that an edge is left out for a picture in training; published training raises it epoch by epoch."""
        self._layers = layers
        self._auxiliary = auxiliary

    def _stack(
        self,
        channels: int,
        stem: int,
        classes: int,
        halved: bool,
        head: type[AuxiliaryHeadCIFAR] | type[AuxiliaryHeadImageNet],
    ) -> None:
        older, last = stem, stem
        self.cells = nn.ModuleList()
        for i, kind in enumerate(darts_cells(self._layers, bool(self.genotype.normal), bool(self.genotype.reduce))):
            reduction = kind == "reduction"
            channels = 2 * channels if reduction else channels
            cell = Cell(self.genotype, older, last, channels, reduction, halved)
            self.cells.append(cell)
            older, last, halved = last, cell.multiplier * channels, reduction
            if self._auxiliary and i == 2 * self._layers // 3:
                self.auxiliary_head = head(last, classes)
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)

    def _through(self, s0: Tensor, s1: Tensor) -> Logits:
        helped: Tensor | None = None
        for i, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, self.drop_path_prob)
            if self.training and self._auxiliary and i == 2 * self._layers // 3:
                helped = self.auxiliary_head(s1)
        logits: Tensor = self.classifier(self.global_pooling(s1).flatten(1))
        return logits if helped is None else (logits, helped)


class NetworkCIFAR(_Network):
    """The evaluation network for small pictures, as published.

    Args:
        genotype: Text of Python, JSON, or an object with `normal`, `normal_concat`, `reduce`, `reduce_concat`.
        channels: C of the first cells (36 in the paper).
        layers: Cells (20 in the paper).
        classes: Classes that it tells apart.
        auxiliary: With the head that helps in training; pictures of 29 to 40 pixels a side only.
        in_channels: Channels of the pictures.
        drop_path: Probability that an edge is left out for a picture in training; as `drop_path_prob` it may change.

    Raises:
        Error: It is no genotype of DARTS' kind, or a network of no size.

    >>> model = NetworkCIFAR("Genotype(normal=[…], …)", channels=36, layers=20, classes=10)
    """

    def __init__(
        self,
        genotype: Any,
        channels: int,
        layers: int,
        classes: int,
        auxiliary: bool = False,
        in_channels: int = 3,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(genotype, channels, layers, classes, auxiliary, in_channels, drop_path)
        stem = 3 * channels
        self.stem = nn.Sequential(convolution(in_channels, stem, 3), nn.BatchNorm2d(stem))
        self._stack(channels, stem, classes, False, AuxiliaryHeadCIFAR)

    def forward(self, x: Tensor) -> Logits:
        """Pictures `[N, in_channels, H, W]` to logits `[N, classes]`; in training with an auxiliary head to a pair of them."""
        check_pictures(x, self.in_channels)
        s = self.stem(x)
        return self._through(s, s)


def imagenet_stems(in_channels: int, channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The two stems for large pictures: from `[N, in_channels, H, W]` to `[N, channels, H/4, W/4]`, and on to half of that."""
    if channels < 2:
        raise Error("the stems of this network need at least 2 for `channels`, not 1")
    half = channels // 2
    first = nn.Sequential(
        convolution(in_channels, half, 3, 2),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        convolution(half, channels, 3, 2),
        nn.BatchNorm2d(channels),
    )
    return first, nn.Sequential(nn.ReLU(), convolution(channels, channels, 3, 2), nn.BatchNorm2d(channels))


class NetworkImageNet(_Network):
    """The evaluation network for large pictures, as published: two stems halve them three times before the first cell.

    Args:
        genotype: Text of Python, JSON, or an object with `normal`, `normal_concat`, `reduce`, `reduce_concat`.
        channels: C of the first cells (48 in the paper); 2 or more.
        layers: Cells (14 in the paper).
        classes: Classes that it tells apart.
        auxiliary: With the head that helps in training; pictures of 193 to 256 pixels a side only.
        in_channels: Channels of the pictures.
        drop_path: Probability that an edge is left out for a picture in training; as `drop_path_prob` it may change.

    Raises:
        Error: It is no genotype of DARTS' kind, or a network of no size.
    """

    def __init__(
        self,
        genotype: Any,
        channels: int,
        layers: int,
        classes: int,
        auxiliary: bool = False,
        in_channels: int = 3,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(genotype, channels, layers, classes, auxiliary, in_channels, drop_path)
        self.stem0, self.stem1 = imagenet_stems(in_channels, channels)
        # The second stem halves, as a reduction cell does.
        self._stack(channels, channels, classes, True, AuxiliaryHeadImageNet)

    def forward(self, x: Tensor) -> Logits:
        """Pictures `[N, in_channels, H, W]` to logits `[N, classes]`; in training with an auxiliary head to a pair of them."""
        check_pictures(x, self.in_channels)
        s0 = self.stem0(x)
        return self._through(s0, self.stem1(s0))
