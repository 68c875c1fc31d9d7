"""Networks of NAS-Bench-201 (Dong & Yang 2020, arXiv 2001.00326), with the names of the published code."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ._errors import Error
from ._genotype import Genotype, nodes_of_edges
from ._genotype import genotype as read
from ._operations import ReLUConvBN, check_pictures, check_probability, check_size, convolution, drop_path, operation


def halves_before(cell: int, cells: int) -> bool:
    """Whether a residual block stands before a cell: where the second and the third of three stages begin."""
    return cell > 0 and cell in (cells // 3, 2 * cells // 3)


class ResNetBasicblock(nn.Module):
    """The block between two stages, which halves the maps: two 3x3 convolutions, and beside them averages of 2x2 pixels and a
    1x1 convolution. At odd sizes the last row and column are averaged by themselves, where the published code cannot run.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(inputs, outputs, 3, 2)
        self.conv_b = ReLUConvBN(outputs, outputs, 3)
        average = nn.AvgPool2d(2, stride=2, padding=0, ceil_mode=True, count_include_pad=False)
        self.downsample = nn.Sequential(average, convolution(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C_in, H, W]` to `[N, C_out, ceil(H / 2), ceil(W / 2)]`."""
        y: Tensor = self.downsample(x) + self.conv_b(self.conv_a(x))
        return y


class InferCell(nn.Module):
    """A cell: every node is the sum of one operation on each state before it, and the last node is the output."""

    def __init__(self, genotype: Genotype, channels: int) -> None:
        super().__init__()
        self.nodes = nodes_of_edges(len(genotype.normal))
        self.layers = nn.ModuleList(operation(name, channels, 1) for name, _ in genotype.normal)

    def forward(self, x: Tensor, drop_probability: float = 0.0) -> Tensor:
        """`[N, C, H, W]` to the same. In training an edge other than the identity is left out for a picture with
        `drop_probability`."""
        states, edge = [x], 0
        for _ in range(self.nodes):
            terms = []
            for state in states:
                y = self.layers[edge](state)
                if self.training and not isinstance(self.layers[edge], nn.Identity):
                    y = drop_path(y, drop_probability)
                terms.append(y)
                edge += 1
            states.append(sum(terms[1:], terms[0]))
        return states[-1]


class NasBench201Network(nn.Module):
    """The evaluation network of a cell of NAS-Bench-201.

    Args:
        genotype_text: `|nor_conv_3x3~0|+|…|`, or the JSON of `zonas export --as json`.
        channels: C of the first stage (16 as published), doubled by the second and the third.
        blocks: Cells of each of the three stages (5 as published).
        classes: Classes that it tells apart.
        in_channels: Channels of the pictures.
        drop_path: Probability that an edge is left out for a picture in training; as `drop_path_prob` it may change.
        cells: Cells of all stages, where they are no multiple of 3; instead of `blocks`.

    Raises:
        Error: It is no cell of NAS-Bench-201, or a network of no size.

    >>> model = NasBench201Network("|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
    """

    def __init__(
        self,
        genotype_text: Any,
        channels: int = 16,
        blocks: int = 5,
        classes: int = 10,
        *,
        in_channels: int = 3,
        drop_path: float = 0.0,
        cells: int | None = None,
    ) -> None:
        super().__init__()
        self.genotype = read(genotype_text)
        if not self.genotype.every_edge:
            raise Error("this is a genotype of DARTS' kind, of which NetworkCIFAR makes a network")
        count = 3 * blocks if cells is None else cells
        check_size(channels=channels, blocks=blocks, classes=classes, in_channels=in_channels, cells=count)
        self.in_channels = in_channels
        self.drop_path_prob = check_probability(drop_path)
        """Probability that an edge is left out for a picture in training."""
        self.stem = nn.Sequential(convolution(in_channels, channels, 3), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for i in range(count):
            if halves_before(i, count):
                self.cells.append(ResNetBasicblock(channels, 2 * channels))
                channels = 2 * channels
            self.cells.append(InferCell(self.genotype, channels))
        self.lastact = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `[N, in_channels, H, W]` to logits `[N, classes]`."""
        check_pictures(x, self.in_channels)
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x, self.drop_path_prob) if isinstance(cell, InferCell) else cell(x)
        y: Tensor = self.classifier(self.global_pooling(self.lastact(x)).flatten(1))
        return y
