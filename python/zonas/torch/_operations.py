"""The catalogue of operations as modules, with the parameter names of published code. Tensors are `[N, C, H, W]`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._errors import Error
from ._genotype import operation as checked


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, dilation: int = 1, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the size, or halves it (rounded up) with stride 2."""
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias)


class Layers(nn.Module):
    """Layers one after the other, under the name `op`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` to what the last layer makes of it."""
        y: Tensor = self.op(x)
        return y


class ReLUConvBN(Layers):
    """ReLU, dense convolution, norm. The convolution has a bias where `bias` is, which published code has where the norm
    neither scales nor shifts."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, affine: bool = True, bias: bool = False
    ) -> None:
        convolve = convolution(inputs, outputs, kernel, stride, bias=bias)
        super().__init__(nn.ReLU(), convolve, nn.BatchNorm2d(outputs, affine=affine))


def _separable(channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    return [
        nn.ReLU(),
        convolution(channels, channels, kernel, stride, dilation=dilation, groups=channels),
        convolution(channels, channels, 1),
        nn.BatchNorm2d(channels, affine=affine),
    ]


class SepConv(Layers):
    """ReLU, depthwise convolution, 1x1 convolution, norm, twice; the stride is the first's."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__(*_separable(channels, kernel, stride, 1, affine), *_separable(channels, kernel, 1, 1, affine))


class DilConv(Layers):
    """ReLU, depthwise convolution with holes of one pixel, 1x1 convolution, norm."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__(*_separable(channels, kernel, stride, 2, affine))


class FactorisedConv(nn.Sequential):
    """ReLU, dense convolutions of `kernel` pixels of a row and then of a column, norm. Each strides along its window."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        pad = kernel // 2
        row = nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad), bias=False)
        column = nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (pad, 0), bias=False)
        super().__init__(nn.ReLU(), row, column, nn.BatchNorm2d(channels, affine=affine))


class FactorizedReduce(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2, of which the second reads the map moved by one pixel, norm.

    At odd sizes the moved map is continued with zeros, so that both have `ceil(size / 2)` pixels.
    """

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = convolution(inputs, outputs // 2, 1, 2)
        self.conv_2 = convolution(inputs, outputs - outputs // 2, 1, 2)
        self.bn = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C_in, H, W]` to `[N, C_out, ceil(H / 2), ceil(W / 2)]`."""
        x = self.relu(x)
        height, width = x.shape[-2:]
        moved = F.pad(x, (0, width % 2, 0, height % 2))[:, :, 1:, 1:]
        y: Tensor = self.bn(torch.cat([self.conv_1(x), self.conv_2(moved)], dim=1))
        return y


class Zero(nn.Module):
    """Zeros: as if the edge were not there."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of `[N, C, ceil(H / stride), ceil(W / stride)]`."""
        # As published: weights that nothing else reads have a gradient, 0, so that weight decay goes on.
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class Noise(nn.Module):
    """N(0, 1), drawn anew in every pass by PyTorch's generator, so that `torch.manual_seed` decides; not the draws that
    Zonas makes. Nothing of the input, and no gradient to it."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Noise of `[N, C, ceil(H / stride), ceil(W / stride)]`."""
        return torch.randn_like(x[:, :, :: self.stride, :: self.stride])


def operation(name: str, channels: int, stride: int, *, affine: bool = True, dense_bias: bool = False) -> nn.Module:
    """An operation of the catalogue, from `[N, C, H, W]` to `[N, C, ceil(H / stride), ceil(W / stride)]`.

    Args:
        name: As published code calls it, `sep_conv_3x3` and so on.
        channels: C.
        stride: 1 or 2.
        affine: Norms have a scale and a shift.
        dense_bias: Dense convolutions have a bias.

    Raises:
        Error: There is no such operation.
    """
    name = checked(name)
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if name == "none":
        return Zero(stride)
    if name == "noise":
        return Noise(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    if name.startswith("max_pool"):
        return nn.MaxPool2d(kernel, stride, kernel // 2)
    if name.startswith("avg_pool"):
        return nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)
    if name.startswith("sep_conv"):
        return SepConv(channels, kernel, stride, affine)
    if name.startswith("dil_conv"):
        return DilConv(channels, kernel, stride, affine)
    if name == "conv_7x1_1x7":
        return FactorisedConv(channels, 7, stride, affine)
    return ReLUConvBN(channels, channels, kernel, stride, affine=affine, bias=dense_bias)


def is_pooling(name: str) -> bool:
    return "_pool_" in name


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Leaves an edge out for some pictures, and scales it up for the others (FractalNet; DARTS, appendix A.2.1).

    Args:
        x: What the edge gives, `[N, C, H, W]`.
        probability: That it is left out for a picture, from 0 to below 1. The draws are those of PyTorch's generator, so
            that `torch.manual_seed` decides.
    """
    if probability <= 0.0:
        return x
    keep = 1.0 - probability
    return x * (x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep) / keep)


def check_probability(probability: float) -> float:
    if not 0.0 <= probability < 1.0:
        raise Error(f"drop path leaves edges out with a probability from 0 to below 1, not {probability}")
    return float(probability)


def check_size(**sizes: int) -> None:
    for what, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise Error(f"a network needs at least 1 for `{what}`, not {size!r}")


def check_pictures(x: Tensor, channels: int) -> None:
    if x.dim() != 4 or x.shape[1] != channels:
        raise Error(f"this network takes pictures [N, {channels}, H, W], not {list(x.shape)}")
