"""<<TITLE>>

    python FILE WEIGHTS.safetensors PICTURES [--batch 256] [--device cpu] [--logits FILE.npy]

WEIGHTS is what `zonas export RUN --as safetensors` writes. PICTURES is an .npz with `images` (bytes, [N, H, W, C] or [N, C, H, W];
[N, H, W] where there is one channel) and, if there are any, `labels` (numbers of classes); or a folder with a folder of pictures
for each class. Prints the accuracy. Needs torch, safetensors and numpy; of a folder Pillow, too.

From run <<RUN>> by <<PROGRAM>>: <<DATA>>, test accuracy <<ACCURACY>>.
"""

import argparse
<<IMPORT>>from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

CHANNELS, CELLS, INPUT_CHANNELS, CLASSES = <<CHANNELS>>, <<CELLS>>, <<INPUT_CHANNELS>>, <<CLASSES>>
HEIGHT, WIDTH = <<HEIGHT>>, <<WIDTH>>
CLASS_NAMES = <<CLASS_NAMES>>
# By channel, of pictures from 0 to 1.
MEAN, DEVIATION = <<MEAN>>, <<DEVIATION>>


def convolution(inputs, outputs, kernel, stride=1, dilation=1, groups=1):
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)


class Layers(nn.Module):
    """Layers one after the other, as `op`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


def relu_conv_norm(inputs, outputs, kernel, stride=1):
    return Layers(nn.ReLU(), convolution(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs))


class FactorizedReduce(nn.Module):
    """Half of the resolution: 1x1 convolutions of every second pixel, and of the pixels moved by one."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = convolution(inputs, outputs // 2, 1, 2)
        self.conv_2 = convolution(inputs, outputs - outputs // 2, 1, 2)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = functional.relu(x)
        # Where a side is odd the moved pixels go on with zeros.
        moved = functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(moved)], dim=1))


def separable(c, kernel, stride, dilation, halves):
    layers = []
    for half in range(halves):
        layers += [
            nn.ReLU(),
            convolution(c, c, kernel, stride if half == 0 else 1, dilation, c),
            convolution(c, c, 1),
            nn.BatchNorm2d(c),
        ]
    return Layers(*layers)


def pool(kind, window, stride, **how):
    return kind(window, stride, (window - 1) // 2, **how)


def factorised(c, kernel, stride):
    row = nn.Conv2d(c, c, (1, kernel), (1, stride), (0, kernel // 2), bias=False)
    column = nn.Conv2d(c, c, (kernel, 1), (stride, 1), (kernel // 2, 0), bias=False)
    return nn.Sequential(nn.ReLU(), row, column, nn.BatchNorm2d(c))


OPERATIONS = {
    "max_pool_3x3": lambda c, stride: pool(nn.MaxPool2d, 3, stride),
    "max_pool_5x5": lambda c, stride: pool(nn.MaxPool2d, 5, stride),
    "avg_pool_3x3": lambda c, stride: pool(nn.AvgPool2d, 3, stride, count_include_pad=False),
    "skip_connect": lambda c, stride: nn.Identity() if stride == 1 else FactorizedReduce(c, c),
    "sep_conv_3x3": lambda c, stride: separable(c, 3, stride, 1, 2),
    "sep_conv_5x5": lambda c, stride: separable(c, 5, stride, 1, 2),
    "sep_conv_7x7": lambda c, stride: separable(c, 7, stride, 1, 2),
    "dil_conv_3x3": lambda c, stride: separable(c, 3, stride, 2, 1),
    "dil_conv_5x5": lambda c, stride: separable(c, 5, stride, 2, 1),
    "nor_conv_1x1": lambda c, stride: relu_conv_norm(c, c, 1, stride),
    "nor_conv_3x3": lambda c, stride: relu_conv_norm(c, c, 3, stride),
    "conv_1x1": lambda c, stride: relu_conv_norm(c, c, 1, stride),
    "conv_7x1_1x7": lambda c, stride: factorised(c, 7, stride),
}
