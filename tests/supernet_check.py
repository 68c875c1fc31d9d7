"""Reads the supernet of a search as its header describes it: every name and shape that the published code has for what the cut
kept, none of what it cut, and mixing weights that add up.

    python tests/supernet_check.py SUPERNET.safetensors
"""
import json
import sys

import numpy as np
from safetensors import safe_open

WINDOWS = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "sep_conv_7x7": 7, "dil_conv_3x3": 3, "dil_conv_5x5": 5}


def norm(wanted, name, c, affine=False):
    for part in ("running_mean", "running_var") + (("weight", "bias") if affine else ()):
        wanted[f"{name}.{part}"] = (c,)
    wanted[f"{name}.num_batches_tracked"] = ()


def halving(wanted, name, inputs, c):
    wanted[f"{name}.conv_1.weight"] = (c // 2, inputs, 1, 1)
    wanted[f"{name}.conv_2.weight"] = (c - c // 2, inputs, 1, 1)
    norm(wanted, f"{name}.bn", c)


def operation(wanted, name, kind, c, stride):
    if kind in WINDOWS:
        for half in range(2 if kind.startswith("sep") else 1):
            wanted[f"{name}.op.{1 + 4 * half}.weight"] = (c, 1, WINDOWS[kind], WINDOWS[kind])
            wanted[f"{name}.op.{2 + 4 * half}.weight"] = (c, c, 1, 1)
            norm(wanted, f"{name}.op.{3 + 4 * half}", c)
    elif kind == "conv_7x1_1x7":
        wanted[f"{name}.1.weight"], wanted[f"{name}.2.weight"] = (c, c, 1, 7), (c, c, 7, 1)
        norm(wanted, f"{name}.3", c)
    elif "pool" in kind:
        norm(wanted, f"{name}.1", c)
    elif kind == "skip_connect" and stride == 2:
        halving(wanted, name, c, c)


def main(path):
    with safe_open(path, "np") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    assert about["network"] == "Network", f"made for DARTS' network, not for {about['network']}"
    said = {key: json.loads(about[key]) for key in ("layout", "edges", "operations", "kinds", "kept")}
    channels, inputs, classes, stem = (int(about[k]) for k in ("channels", "input_channels", "classes", "stem_multiplier"))
    assert len(said["layout"]) == int(about["cells"])
    wanted, last = {"stem.0.weight": (stem * channels, inputs, 3, 3)}, stem * channels
    norm(wanted, "stem.1", last, affine=True)
    before, c, halved = last, channels, False
    for i, kind in enumerate(said["layout"]):
        reduces = kind == "reduction"
        c = 2 * c if reduces else c
        for which, width in enumerate((before, last)):
            if which == 0 and halved:
                halving(wanted, f"cells.{i}.preprocess0", width, c)
            else:
                wanted[f"cells.{i}.preprocess{which}.op.1.weight"] = (c, width, 1, 1)
                norm(wanted, f"cells.{i}.preprocess{which}.op.2", c)
        edges = said["edges"] if isinstance(said["edges"], list) else said["edges"][kind]
        for n, (source, _) in enumerate(edges):
            for name in said["kept"][kind][n]:
                column = said["operations"].index(name)
                operation(wanted, f"cells.{i}._ops.{n}._ops.{column}", name, c, 2 if reduces and source < 2 else 1)
        nodes = len({target for _, target in edges})
        before, last, halved = last, nodes * c, reduces
    wanted |= {"classifier.weight": (classes, last), "classifier.bias": (classes,)}
    for kind in said["kinds"]:
        short = {"normal": "normal", "reduction": "reduce"}[kind]
        edges = said["edges"] if isinstance(said["edges"], list) else said["edges"][kind]
        shape = (len(edges), len(said["operations"]))
        wanted |= {f"alphas_{short}": shape, f"mask_{short}": shape}
        alphas, mask = tensors[f"alphas_{short}"].astype(np.float64), tensors[f"mask_{short}"]
        assert mask.dtype == bool and (np.isneginf(alphas) == ~mask).all() and np.isfinite(alphas[mask]).all()
        rows = [[o for o, there in zip(said["operations"], row) if there] for row in mask]
        assert rows == said["kept"][kind]
        mixing = np.exp(alphas - alphas.max(axis=1, keepdims=True))
        assert np.allclose((mixing / mixing.sum(axis=1, keepdims=True)).sum(axis=1), 1)
    found = {name: tensor.shape for name, tensor in tensors.items()}
    assert found == wanted, sorted(set(found.items()) ^ set(wanted.items()))[:10]
    assert all(np.isfinite(t).all() for name, t in tensors.items() if not name.startswith("alphas"))
    counters = {int(t) for name, t in tensors.items() if name.endswith("num_batches_tracked")}
    assert len(counters) == 1 and counters.pop() > 0
    print(f"{len(found)} tensors, as the published search code names and shapes them; epoch {about['epoch']}")


main(*sys.argv[1:])
