"""Networks with the weights that Zonas trained: nothing but the file's metadata says what to build."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ._errors import Error
from ._genotype import genotype as read_genotype
from ._genotype import operation
from ._nas_bench_201 import NasBench201Network
from ._networks import NetworkCIFAR, NetworkImageNet
from ._space import Edge, Space, edge
from ._supernet import MASKS, Supernet
from ._transform import Transform

WEIGHTS = "weights.safetensors"
JOURNAL = "events.jsonl"

T = TypeVar("T")
Source = str | os.PathLike[str]


def load(run: Source) -> tuple[NetworkCIFAR | NetworkImageNet | NasBench201Network, Transform]:
    """The network that a run has trained, in evaluation mode on the CPU, and what its pictures go through.

    Args:
        run: The run's folder, its `weights.safetensors` (`zonas export RUN --as safetensors` writes it, too), or, where
            the rest of the package is, the run's name.

    Returns:
        The network, and a callable from pictures to what it takes ([`Transform`][zonas.torch.Transform]).

    Raises:
        Error: There is no such run or file, the run has no weights, or they are not those of the network that the file
            tells of.

    >>> model, transform = zonas.torch.load("runs/demo-train")
    >>> logits = model(transform(picture).unsqueeze(0))     # [1, classes]
    """
    path = _weights(run)
    about, tensors = _read(path)
    if _is_supernet(about):
        raise Error(f"`{path}` has the weights of a supernet, not of a trained genotype; load_supernet reads those")
    genotype = read_genotype(_need(path, about, "genotype", str))
    channels, cells, classes, inputs = (
        _need(path, about, key, int) for key in ("channels", "cells", "classes", "input_channels")
    )
    net: NetworkCIFAR | NetworkImageNet | NasBench201Network
    if genotype.every_edge:
        net = NasBench201Network(genotype, channels, classes=classes, cells=cells, in_channels=inputs)
    else:
        auxiliary = about.get("auxiliary") == "true"
        network = NetworkImageNet if about.get("stem") == "imagenet" else NetworkCIFAR
        net = network(genotype, channels, cells, classes, auxiliary, inputs)
    _fill(net, tensors, path)
    return net.eval(), _transform(path, about)


def load_supernet(file: Source) -> Supernet:
    """The supernet of a search, with its alphas, in evaluation mode on the CPU. :func:`transform` reads the same file.

    Args:
        file: What `zonas export RUN --as supernet --out FILE` wrote.

    Raises:
        Error: There is no such file, or its tensors are not those of the network that it tells of.
    """
    path = Path(file)
    if path.is_dir():
        raise Error(
            f"`{path}` is a folder; `zonas export {path} --as supernet --out FILE` writes a file of its supernet"
        )
    about, tensors = _read(_file(path))
    if not _is_supernet(about):
        raise Error(f"`{path}` has the weights of a trained genotype, not of a supernet; load reads those")
    space = _space(path, about)
    masks = {}
    for kind in space.edges:
        table = tensors.get(MASKS[kind])
        if table is None or list(table.shape) != [len(space.edges[kind]), len(space.operations)]:
            raise Error(
                f"`{path}` lacks `{MASKS[kind]}` [{len(space.edges[kind])}, {len(space.operations)}], which says what is kept"
            )
        masks[kind] = table.tolist()
    channels, classes, inputs = (_need(path, about, key, int) for key in ("channels", "classes", "input_channels"))
    multiplier = _need(path, about, "stem_multiplier", int)
    layout = _need(path, about, "layout", json.loads)
    net = Supernet(
        space,
        channels,
        layout,
        classes,
        mask=masks,
        in_channels=inputs,
        stem_multiplier=multiplier,
        imagenet=about.get("stem") == "imagenet",
    )
    _fill(net, tensors, path)
    return net.eval()


def transform(run: Source) -> Transform:
    """What pictures of a run go through before its network takes them.

    Args:
        run: As :func:`load` takes it, or a file of a supernet.

    Raises:
        Error: There is no such run or file, or it does not say how pictures are prepared.
    """
    path = _weights(run)
    return _transform(path, _read(path)[0])


def _weights(run: Source) -> Path:
    """The file of weights of a run."""
    path = Path(run)
    if not path.exists() and len(path.parts) == 1:
        try:
            from .. import _zonas
        except ImportError:
            pass
        else:
            path = Path(json.loads(_zonas.load(os.fspath(run), None))["folder"])
    if not path.is_dir():
        return _file(path)
    if not (path / WEIGHTS).exists():
        raise Error(_why_not(path))
    return path / WEIGHTS


def _file(path: Path) -> Path:
    if not path.is_file():
        raise Error(f"there is no file `{path}`" + ("" if path.suffix else ", and no run's folder of that name"))
    return path


def _why_not(folder: Path) -> str:
    """Why a folder has no weights."""
    name = folder.resolve().name
    try:
        with open(folder / JOURNAL, encoding="utf-8") as journal:
            begun: Any = json.loads(journal.readline() or "null")
    except (OSError, ValueError):
        return f"`{folder}` is no run's folder: it has neither `{WEIGHTS}` nor a journal, `{JOURNAL}`"
    if isinstance(begun, dict) and begun.get("trains") is True:
        return f"{name} has not trained to its end: `{WEIGHTS}` comes with the last epoch"
    return f"{name} is a search, which has no weights of a trained genotype: `zonas train {name}` trains what it found"


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise Error("reading weights needs the package safetensors: `pip install safetensors`") from None
    try:
        with safe_open(path, "pt") as file:
            about: dict[str, str] | None = file.metadata()
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as e:
        raise Error(f"`{path}` is no readable safetensors file: {e}") from None
    if not about or "network" not in about:
        raise Error(f"the metadata of `{path}` do not say what network it is of; Zonas wrote none such")
    return about, tensors


def _is_supernet(about: dict[str, str]) -> bool:
    """Only of a supernet it is told which operations are its columns: names of networks do not tell, since published code
    of NAS-Bench-201 calls both the same."""
    return "operations" in about


def _need(path: Path, about: dict[str, str], key: str, read: Callable[[str], T]) -> T:
    """An entry of the metadata."""
    if key not in about:
        raise Error(f"the metadata of `{path}` lack `{key}`")
    try:
        return read(about[key])
    except (ValueError, TypeError, KeyError):
        raise Error(f"the metadata of `{path}` have a `{key}` that can't be read: {about[key][:60]!r}") from None


def _numbers(text: str) -> list[float]:
    return [float(v) for v in json.loads(text)]


def _transform(path: Path, about: dict[str, str]) -> Transform:
    mean, deviation = (_need(path, about, key, _numbers) for key in ("mean", "deviation"))
    size = (_need(path, about, "height", int), _need(path, about, "width", int))
    names = tuple(json.loads(about.get("class_names", "[]")))
    if len(mean) != len(deviation) or len(mean) != _need(path, about, "input_channels", int):
        raise Error(f"the metadata of `{path}` have not one `mean` and `deviation` for each channel")
    return Transform(mean, deviation, size, names)


def _space(path: Path, about: dict[str, str]) -> Space:
    """The space of a supernet; every operation is a candidate, since the mask says what is kept."""
    operations = tuple(operation(name) for name in _need(path, about, "operations", json.loads))
    kinds = _need(path, about, "kinds", json.loads)

    def rows(text: str) -> dict[str, tuple[Edge, ...]]:
        edges = json.loads(text)
        return {kind: tuple(edge(e) for e in (edges[kind] if isinstance(edges, dict) else edges)) for kind in kinds}

    by_kind = _need(path, about, "edges", rows)
    stacking = "nas_bench_201" if about["network"] == "TinyNetwork" else "darts"
    all_of_them = {kind: ((True,) * len(operations),) * len(own) for kind, own in by_kind.items()}
    return Space(about.get("space", ""), operations, stacking, by_kind, all_of_them)


def _fill(net: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Loads the tensors, all of them and no others."""
    own = net.state_dict()
    lacking = [name for name in own if name not in tensors]
    if lacking:
        raise Error(f"`{path}` lacks the tensor `{lacking[0]}`, which the network of its metadata has")
    for name, tensor in tensors.items():
        if name not in own:
            raise Error(f"`{path}` has a tensor `{name}`, which the network of its metadata has not")
        if tensor.shape != own[name].shape:
            raise Error(
                f"`{name}` of `{path}` is {list(tensor.shape)}, but the network of its metadata needs {list(own[name].shape)}"
            )
    with torch.no_grad():
        net.load_state_dict(tensors, strict=True)
