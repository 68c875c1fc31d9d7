"""Genotypes: read from any text that Zonas reads, and counted."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass, field
from typing import Any

from . import _zonas

Choice = tuple[str, int]


@dataclass(frozen=True)
class Genotype:
    """An architecture: what each node of a cell takes.

    `normal`, `normal_concat`, `reduce` and `reduce_concat` are as in published DARTS code, so that a genotype can be
    passed to whatever takes its `Genotype` tuple. A cell of NAS-Bench-201 has its edges in `normal`, in the order of
    its text, and nothing that is concatenated.
    """

    text: str
    """As published code writes it."""
    normal: tuple[Choice, ...]
    """Operation and the state that it reads."""
    normal_concat: tuple[int, ...]
    reduce: tuple[Choice, ...]
    reduce_concat: tuple[int, ...]
    name: str | None = field(default=None, compare=False)
    """Of a published cell, or as the file names it."""
    python: str = field(default="", compare=False, repr=False)
    """As an expression of Python."""
    json: str = field(default="", compare=False, repr=False)
    """As `zonas export --as json` writes it."""
    dot: str = field(default="", compare=False, repr=False)
    """As a graph for Graphviz."""

    def __str__(self) -> str:
        return self.text


def _of(told: dict[str, Any]) -> Genotype:
    given = told["json"]

    def choices(kind: str) -> tuple[Choice, ...]:
        return tuple((c["operation"], c["source"]) for c in given[kind])

    return Genotype(
        text=told["text"],
        normal=choices("normal"),
        normal_concat=tuple(given["normal_concat"]),
        reduce=choices("reduction"),
        reduce_concat=tuple(given["reduction_concat"]),
        name=told["name"],
        python=told["python"],
        json=json.dumps(given),
        dot=told["dot"],
    )


def genotype(given: str | os.PathLike[str], which: str | int | None = None) -> Genotype:
    """Reads a genotype.

    Args:
        given: Text (Python, JSON, NAS-Bench-201's string), a file or log that holds one, `FILE:NAME`, or the name of a
            published cell such as `"DARTS_V2"`.
        which: Of several, its name or number, from 1, or from -1 backwards. Without it the last of a log is taken,
            with a warning.

    Raises:
        Error: It is none of these, can't be read, or names several genotypes of which none was chosen.

    >>> zonas.genotype("DARTS_V2").normal[0]
    ('sep_conv_3x3', 0)
    """
    told = json.loads(_zonas.genotype(os.fspath(given), None if which is None else str(which)))
    if told["note"]:
        warnings.warn(told["note"].replace("--which", "which="), stacklevel=2)
    return _of(told)


@dataclass(frozen=True)
class Count:
    """Size of an evaluation network."""

    parameters: int
    macs: int
    """Multiply-accumulates for one picture."""
    classifier_macs: int
    channels: int
    cells: int
    classes: int
    auxiliary: bool
    stem: str = "cifar"
    """What stands before the cells: `cifar`, or `imagenet`."""


def count(
    given: Genotype | str | os.PathLike[str],
    *,
    channels: int | None = None,
    cells: int | None = None,
    classes: int = 10,
    input_channels: int = 3,
    size: int | tuple[int, int] = 32,
    auxiliary: bool = False,
) -> Count:
    """Counts parameters and multiply-accumulates of a genotype's evaluation network, exactly.

    Args:
        given: A genotype, or whatever :func:`genotype` reads.
        channels: Width [default: 36; with the stem for ImageNet 48; of NAS-Bench-201 16].
        cells: Number of cells [default: 20; with the stem for ImageNet 14; of NAS-Bench-201 15].
        classes: Classes that the network tells apart.
        input_channels: Channels of the pictures.
        size: Height and width of the pictures, or both as one number. From 128 pixels a side a network of DARTS' kind
            has the stem for ImageNet.
        auxiliary: With the auxiliary head that training adds.

    Raises:
        Error: It is no genotype, or no such network can be built.

    >>> zonas.count("DARTS_V2").parameters
    3349342
    """
    text = given.text if isinstance(given, Genotype) else genotype(given).text
    height, width = (size, size) if isinstance(size, int) else size
    told = json.loads(_zonas.count(text, channels, cells, classes, input_channels, height, width, auxiliary))
    return Count(**told)
