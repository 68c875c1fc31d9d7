"""Writes evaluation_reference.json: what PyTorch makes of an evaluation network whose weights and pictures are a formula, so
that nothing but results has to be kept. `python tests/evaluation_reference.py > tests/evaluation_reference.json`; with
`imagenet` the network for large pictures, for tests/imagenet_reference.json; with `count` what DARTS_V2 is there."""
import json
import math
import sys

import torch
from torch import nn
from torch.nn import functional as F

NORMAL = [("sep_conv_3x3", 0), ("max_pool_3x3", 1), ("dil_conv_3x3", 0), ("skip_connect", 2),
          ("sep_conv_5x5", 1), ("avg_pool_3x3", 3), ("skip_connect", 0), ("dil_conv_5x5", 4)]
REDUCE = [("max_pool_3x3", 0), ("sep_conv_3x3", 1), ("skip_connect", 0), ("dil_conv_5x5", 2),
          ("avg_pool_3x3", 1), ("dil_conv_3x3", 0), ("sep_conv_5x5", 0), ("skip_connect", 1)]


def half(c, k, stride, dilation):
    pad = dilation * (k - 1) // 2
    return [nn.ReLU(), nn.Conv2d(c, c, k, stride, pad, dilation, groups=c, bias=False), nn.Conv2d(c, c, 1, bias=False),
            nn.BatchNorm2d(c)]


class Ops(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class Halve(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.conv_2 = nn.Conv2d(inputs, outputs - outputs // 2, 1, 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


def operation(name, c, stride):
    k = int(name[-1]) if name[-1].isdigit() else 0
    if name.startswith("sep"):
        return Ops(*half(c, k, stride, 1), *half(c, k, 1, 1))
    if name.startswith("dil"):
        return Ops(*half(c, k, stride, 2))
    if name.startswith("max"):
        return nn.MaxPool2d(3, stride, 1)
    if name.startswith("avg"):
        return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    return nn.Identity() if stride == 1 else Halve(c, c)


def projection(inputs, outputs):
    return Ops(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class Cell(nn.Module):
    def __init__(self, older, last, c, reduction, halve):
        super().__init__()
        self.preprocess0 = Halve(older, c) if halve else projection(older, c)
        self.preprocess1 = projection(last, c)
        self.choices = REDUCE if reduction else NORMAL
        self._ops = nn.ModuleList(operation(n, c, 2 if reduction and s < 2 else 1) for n, s in self.choices)

    def forward(self, a, b):
        states = [self.preprocess0(a), self.preprocess1(b)]
        for i in range(4):
            first, second = (self._ops[j](states[self.choices[j][1]]) for j in (2 * i, 2 * i + 1))
            states.append(first + second)
        return torch.cat(states[2:], 1)


class Auxiliary(nn.Module):
    def __init__(self, c, classes, imagenet):
        super().__init__()
        # That for ImageNet has been published, and trained, without the second norm.
        norm = [] if imagenet else [nn.BatchNorm2d(768)]
        self.features = nn.Sequential(nn.ReLU(), nn.AvgPool2d(5, 2 if imagenet else 3, 0, count_include_pad=False),
                                      nn.Conv2d(c, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
                                      nn.Conv2d(128, 768, 2, bias=False), *norm, nn.ReLU())
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def halving(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)


class Net(nn.Module):
    def __init__(self, c, cells, classes, imagenet=False):
        super().__init__()
        if imagenet:
            self.stem0 = nn.Sequential(halving(3, c // 2), nn.BatchNorm2d(c // 2), nn.ReLU(), halving(c // 2, c),
                                       nn.BatchNorm2d(c))
            self.stem1 = nn.Sequential(nn.ReLU(), halving(c, c), nn.BatchNorm2d(c))
        else:
            self.stem = nn.Sequential(nn.Conv2d(3, 3 * c, 3, padding=1, bias=False), nn.BatchNorm2d(3 * c))
        older = last = c if imagenet else 3 * c
        halve = imagenet
        self.cells = nn.ModuleList()
        self.after = 2 * cells // 3
        for i in range(cells):
            reduction = i in (cells // 3, 2 * cells // 3)
            c *= 2 if reduction else 1
            self.cells.append(Cell(older, last, c, reduction, halve))
            older, last, halve = last, 4 * c, reduction
            if i == self.after:
                self.auxiliary_head = Auxiliary(last, classes, imagenet)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        if hasattr(self, "stem"):
            older = last = self.stem(x)
        else:
            older = self.stem0(x)
            last = self.stem1(older)
        auxiliary = None
        for i, cell in enumerate(self.cells):
            older, last = last, cell(older, last)
            if i == self.after and self.training:
                auxiliary = self.auxiliary_head(last)
        return self.classifier(last.mean((2, 3))), auxiliary


def formula(shape, key, scale, offset=0.0):
    n = math.prod(shape)
    return torch.tensor([offset + scale * math.sin(0.37 * i + key) for i in range(n)], dtype=torch.float64).reshape(shape)


def count():
    """Parameters and multiply-accumulates of DARTS_V2 as published on ImageNet, without and with the auxiliary head."""
    global NORMAL, REDUCE
    NORMAL = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 1),
              ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)]
    REDUCE = [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1), ("max_pool_3x3", 0),
              ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)]
    net = Net(48, 14, 1000, True)
    macs = {}

    def seen(module, inputs, output):
        places = output[0].numel() if isinstance(module, nn.Linear) else output[0, 0].numel() * module.out_channels
        taps = module.in_features if isinstance(module, nn.Linear) else module.weight[0].numel()
        macs[names[module]] = places * taps

    names = {m: n for n, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    for module in names:
        module.register_forward_hook(seen)
    net(torch.zeros(2, 3, 224, 224))
    own = lambda head: (sum(p.numel() for n, p in net.named_parameters() if head or not n.startswith("auxiliary")),
                        sum(v for n, v in macs.items() if head or not n.startswith("auxiliary")))
    print(own(False), own(True))


def main(imagenet):
    torch.manual_seed(0)
    dtype = torch.float64
    net = Net(4, 4, 10, imagenet).to(dtype)
    for k, (name, p) in enumerate(sorted(net.named_parameters())):
        norm = p.dim() == 1 and name.endswith("weight")
        fan = math.prod(p.shape[1:]) if p.dim() > 1 else 16
        value = formula(p.shape, k, 0.2, 1.0) if norm else formula(p.shape, k, 1.5 / math.sqrt(fan))
        # Float32 on both sides.
        p.data = value.float().to(dtype)
    # Of an odd half: 222 gives 111, then 56.
    count, height, width = (3, 222, 256) if imagenet else (6, 32, 32)
    images = formula((count, 3, height, width), 0.5, 1.0) * formula((count, 1, 1, 1), 1.0, 1.0, 1.5)
    images = (images + formula((3, height, width), 2.0, 0.7)[None] ** 3).float().to(dtype)
    labels = torch.tensor([3, 1, 4, 1, 5, 9][:count])
    logits, auxiliary = net(images)
    loss = F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)
    loss.backward()
    out = {"logits": logits.flatten().tolist(), "auxiliary": auxiliary.flatten().tolist(), "loss": loss.item(), "gradients": {}}
    for name, p in sorted(net.named_parameters()):
        pattern = formula(p.shape, 0.25, 1.0)
        out["gradients"][name] = [p.grad.norm().item(), (p.grad * pattern).sum().item()]
    net.eval()
    out["tested"] = net(images)[0].flatten().tolist()
    json.dump(out, sys.stdout, indent=0)


if __name__ == "__main__":
    if "count" in sys.argv:
        count()
    else:
        main("imagenet" in sys.argv)
