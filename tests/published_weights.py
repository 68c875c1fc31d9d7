"""Loads what `zonas train` took home into PyTorch, as a user of the published code would, and holds it against what the program
says: the same logits to 1e-5, and the same accuracy.

    python tests/published_weights.py RUN_FOLDER DATA

RUN_FOLDER has `weights.safetensors` and `logits.safetensors`; DATA is the test file of CIFAR-10 in its binary version
(`test_batch.bin`). Nothing but the file's metadata says what the network is and how pictures are prepared.
"""
import json
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")


def conv(inputs, outputs, kernel, stride=1, dilation=1, groups=1):
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)


class Sequence(nn.Module):
    """Layers under the name `op`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = conv(inputs, outputs // 2, 1, 2)
        self.conv_2 = conv(inputs, outputs - outputs // 2, 1, 2)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))


def depthwise(c, kernel, stride, dilation):
    return [nn.ReLU(), conv(c, c, kernel, stride, dilation, c), conv(c, c, 1), nn.BatchNorm2d(c)]


OPS = {
    "max_pool_3x3": lambda c, s: nn.MaxPool2d(3, s, 1),
    "avg_pool_3x3": lambda c, s: nn.AvgPool2d(3, s, 1, count_include_pad=False),
    "skip_connect": lambda c, s: nn.Identity() if s == 1 else FactorizedReduce(c, c),
    "sep_conv_3x3": lambda c, s: Sequence(*depthwise(c, 3, s, 1), *depthwise(c, 3, 1, 1)),
    "sep_conv_5x5": lambda c, s: Sequence(*depthwise(c, 5, s, 1), *depthwise(c, 5, 1, 1)),
    "dil_conv_3x3": lambda c, s: Sequence(*depthwise(c, 3, s, 2)),
    "dil_conv_5x5": lambda c, s: Sequence(*depthwise(c, 5, s, 2)),
}


def project(inputs, outputs):
    return Sequence(nn.ReLU(), conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))


class Cell(nn.Module):
    def __init__(self, genotype, before, last, c, reduction, after_reduction):
        super().__init__()
        self.preprocess0 = FactorizedReduce(before, c) if after_reduction else project(before, c)
        self.preprocess1 = project(last, c)
        pairs, self.concat = (
            (genotype.reduce, genotype.reduce_concat) if reduction else (genotype.normal, genotype.normal_concat)
        )
        self.sources = [source for _, source in pairs]
        self._ops = nn.ModuleList(OPS[name](c, 2 if reduction and source < 2 else 1) for name, source in pairs)

    def forward(self, a, b):
        states = [self.preprocess0(a), self.preprocess1(b)]
        for node in range(4):
            first, second = 2 * node, 2 * node + 1
            states.append(
                self._ops[first](states[self.sources[first]]) + self._ops[second](states[self.sources[second]])
            )
        return torch.cat([states[i] for i in self.concat], dim=1)


class AuxiliaryHead(nn.Module):
    def __init__(self, c, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(), nn.AvgPool2d(5, 3, 0, count_include_pad=False), nn.Conv2d(c, 128, 1, bias=False),
            nn.BatchNorm2d(128), nn.ReLU(), nn.Conv2d(128, 768, 2, bias=False), nn.BatchNorm2d(768), nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)


class NetworkCIFAR(nn.Module):
    def __init__(self, channels, classes, cells, auxiliary, genotype, inputs):
        super().__init__()
        c = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(inputs, c, 3, padding=1, bias=False), nn.BatchNorm2d(c))
        before, last, c, halved = c, c, channels, False
        self.cells = nn.ModuleList()
        for i in range(cells):
            reduction = i in (cells // 3, 2 * cells // 3)
            c = 2 * c if reduction else c
            cell = Cell(genotype, before, last, c, reduction, halved)
            self.cells.append(cell)
            before, last, halved = last, len(cell.concat) * c, reduction
            if i == 2 * cells // 3 and auxiliary:
                self.auxiliary_head = AuxiliaryHead(last, classes)
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.classifier(self.global_pooling(last).flatten(1))


def main():
    folder, data = map(Path, sys.argv[1:3])
    with safe_open(folder / "weights.safetensors", "pt") as file:
        about = file.metadata()
    names = json.loads(about["class_names"])
    genotype = eval(about["genotype"], {"Genotype": Genotype, "range": range})
    size = [int(about[key]) for key in ("input_channels", "height", "width")]
    net = NetworkCIFAR(
        int(about["channels"]), int(about["classes"]), int(about["cells"]), about["auxiliary"] == "true", genotype, size[0]
    )
    net.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    net.eval()

    # One byte for the class, then the planes of a picture.
    records = np.fromfile(data, dtype=np.uint8).reshape(-1, 1 + int(np.prod(size)))
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    pictures = torch.from_numpy(records[:, 1:].reshape(-1, *size).astype(np.float32)) / 255
    mean, deviation = (torch.tensor(json.loads(about[key])).reshape(1, -1, 1, 1) for key in ("mean", "deviation"))
    with torch.no_grad():
        logits = torch.cat([net(batch) for batch in ((pictures - mean) / deviation).split(64)])

    told = load_file(folder / "logits.safetensors")
    assert torch.equal(told["labels"], labels), "other labels"
    apart = (logits - told["logits"]).abs().max().item()
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    print(
        f"{len(labels)} test pictures, {len(names)} classes: logits of {logits.abs().max():.2f} at most are apart by {apart:.1e}; "
        f"accuracy {accuracy}, told {about['test_accuracy']}"
    )
    assert len(names) == logits.shape[1]
    assert apart <= 1e-5 * max(1.0, logits.abs().max().item()), "other logits"
    assert abs(accuracy - float(about["test_accuracy"])) < 1e-9, "another accuracy"


main()
