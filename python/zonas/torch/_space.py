"""Search spaces and masks: which operations stand on which edges of which cells.

The spaces that are built into Zonas, and those of a TOML file (`zonas spaces NAME` prints one).
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import Error, near
from ._genotype import MOST_NODES, operation

KINDS = ("normal", "reduction")
STACKINGS = ("darts", "nas_bench_201")

Edge = tuple[int, int]
"""The state that it reads, and the one that it is added to."""

Rows = tuple[tuple[bool, ...], ...]
"""By edge and operation: whether it is there."""


@dataclass(frozen=True)
class Space:
    """A search space."""

    name: str
    operations: tuple[str, ...]
    """The columns of masks and alphas."""
    stacking: str
    """`darts` or `nas_bench_201`."""
    edges: dict[str, tuple[Edge, ...]]
    """By kind of cell: the rows of masks and alphas, by target and source."""
    candidates: dict[str, Rows]

    @property
    def inputs(self) -> int:
        """States that are inputs of a cell."""
        return 2 if self.stacking == "darts" else 1

    def nodes(self, kind: str) -> int:
        return max(target for _, target in self.edges[kind]) + 1 - self.inputs


def _complete(inputs: int, nodes: int) -> tuple[Edge, ...]:
    return tuple((source, target) for target in range(inputs, inputs + nodes) for source in range(target))


_DARTS = "none max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5"
_S1 = "max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 dil_conv_3x3 dil_conv_5x5"
# Columns of the candidates of S1, edge by edge (Zela et al. 2020, arXiv 1909.09656, appendix).
_S1_CANDIDATES = {
    "normal": "24 25 25 23 24 02 23 23 24 23 02 24 45 45",
    "reduction": "01 04 01 01 25 01 03 24 25 01 01 25 25 25",
}
_BUILT_IN: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "darts": (_DARTS, "darts", 4, {}),
    "darts_s1": (_S1, "darts", 4, _S1_CANDIDATES),
    "darts_s2": ("skip_connect sep_conv_3x3", "darts", 4, {}),
    "darts_s3": ("none skip_connect sep_conv_3x3", "darts", 4, {}),
    "darts_s4": ("noise sep_conv_3x3", "darts", 4, {}),
    "nas_bench_201": ("none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3", "nas_bench_201", 3, {}),
}


def _built_in(name: str) -> Space:
    words, stacking, nodes, candidates = _BUILT_IN[name]
    operations = tuple(words.split())
    darts = stacking == "darts"
    edges = _complete(2 if darts else 1, nodes)

    def rows(kind: str) -> Rows:
        columns = candidates[kind].split() if kind in candidates else ["0123456789"] * len(edges)
        return tuple(tuple(str(o) in row for o in range(len(operations))) for row in columns)

    kinds = KINDS if darts else KINDS[:1]
    return Space(name, operations, stacking, dict.fromkeys(kinds, edges), {kind: rows(kind) for kind in kinds})


def space(given: Any) -> Space:
    """A space by name, of a TOML file or its text, or of what such a file holds as a mapping.

    Raises:
        Error: There is no such space, or it is not written as one.
    """
    if isinstance(given, Space):
        return given
    if isinstance(given, str) and given in _BUILT_IN:
        return _built_in(given)
    if isinstance(given, Mapping):
        return _of_file(given)
    if isinstance(given, str) and "\n" in given:
        return _of_file(_toml(given))
    if isinstance(given, (str, os.PathLike)):
        path = os.fspath(given)
        if not os.path.isfile(path):
            raise Error(
                f"there is no search space and no file `{path}`; built in are {', '.join(_BUILT_IN)}{near(str(path), _BUILT_IN)}"
            )
        try:
            with open(path, encoding="utf-8") as file:
                return _of_file(_toml(file.read()))
        except (OSError, UnicodeDecodeError) as e:
            raise Error(f"`{path}` can't be read: {e}") from None
    raise Error(f"a search space is a name, a file or a mapping; this is a {type(given).__name__}")


def _toml(text: str) -> dict[str, Any]:
    try:
        tomllib = importlib.import_module("tomllib")
    except ImportError:
        raise Error("reading a search space as TOML needs Python 3.11 or newer; pass it as a mapping") from None
    try:
        read: dict[str, Any] = tomllib.loads(text)
    except ValueError as e:
        raise Error(f"this search space is no TOML: {e}") from None
    return read


def _of_file(given: Mapping[str, Any]) -> Space:
    stacking = given.get("stacking", "darts")
    operations = tuple(operation(name) for name in _list(given.get("operations", ()), "`operations`"))
    kinds = [kind for kind in KINDS if kind in given]
    if stacking not in STACKINGS or not kinds or not 1 <= len(operations) == len(set(operations)) <= 16:
        raise Error(
            "a search space has 1 to 16 `operations`, each once, a `[normal]` or a `[reduction]` cell or both, "
            "and perhaps `stacking`"
        )
    edges: dict[str, tuple[Edge, ...]] = {}
    candidates: dict[str, Rows] = {}
    for kind in kinds:
        cell = given[kind]
        nodes = cell.get("nodes") if isinstance(cell, Mapping) else None
        if not isinstance(nodes, int) or not 1 <= nodes <= MOST_NODES:
            raise Error(f"the {kind} cell of the search space has 1 to {MOST_NODES} `nodes`, not {nodes!r}")
        inputs = 2 if stacking == "darts" else 1
        all_edges = _complete(inputs, nodes)
        listed = cell.get("edges", "complete")
        of_kind = (
            all_edges
            if listed == "complete"
            else tuple(sorted((edge(e) for e in _list(listed, "`edges`")), key=lambda e: e[::-1]))
        )
        if not set(of_kind) <= set(all_edges) or {t for _, t in of_kind} != {t for _, t in all_edges}:
            raise Error(
                f"the {kind} cell of the search space has edges such as `0>{inputs}` into each of its "
                f"{nodes} nodes, from states before it"
            )
        there = {edge(e): _list(names, "candidates") for e, names in cell.get("candidates", {}).items()}
        if not set(there) <= set(of_kind):
            raise Error(f"the {kind} cell of the search space names candidates of an edge that it does not have")
        edges[kind] = of_kind
        candidates[kind] = tuple(
            row(operations, there.get(e, operations), f"edge {e[0]}>{e[1]} of the {kind} cell") for e in of_kind
        )
    return Space(str(given.get("name", "")), operations, stacking, edges, candidates)


def _list(given: Any, what: str) -> list[Any]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise Error(f"{what} of a search space are a list, not {given!r}")
    return list(given)


def edge(given: Any) -> Edge:
    """`0>2`, or a pair."""
    if isinstance(given, str):
        written = re.fullmatch(r"(\d{1,2})>(\d{1,2})", given)
        pair = [int(n) for n in written.groups()] if written else []
    else:
        pair = list(given) if isinstance(given, Iterable) else []
    if len(pair) != 2 or not all(isinstance(n, int) for n in pair):
        raise Error(f"an edge is written as `0>2`, not {given!r}")
    return pair[0], pair[1]


def row(operations: tuple[str, ...], names: Iterable[Any], where: str) -> tuple[bool, ...]:
    """The row of a table that has these operations."""
    named = [operation(name) for name in names]
    for name in named:
        if name not in operations:
            raise Error(f"{where}: {name} is none of the search space's operations, {', '.join(operations)}")
    return tuple(o in named for o in operations)


def mask(of: Space, given: Any) -> dict[str, Rows]:
    """Which operations of a space are kept, by kind of cell.

    Args:
        of: The space.
        given: None for all candidates; rows of zeros and ones by kind, or the operations kept by kind and edge (as
            `run.kept` has them); such a mapping, its JSON, or the file that `zonas mask` prints.

    Raises:
        Error: It is no mask of the space, or an edge keeps nothing.
    """
    if given is None:
        return dict(of.candidates)
    tables = mask_table(given)
    if not set(of.edges) <= set(tables) or not set(tables) <= {*of.edges, "space"}:
        raise Error(
            f"a mask of the search space {of.name} has rows for {' and '.join(of.edges)}, "
            f"not for {', '.join(map(str, tables)) or 'nothing'}"
        )
    # A space that was read from a file has a hash behind its name there.
    named = str(tables.get("space", of.name)).partition("#")[0]
    if named != of.name:
        raise Error(f"this mask is of the search space {named}, not of {of.name}")
    return {kind: _kept(of, kind, tables[kind]) for kind in of.edges}


def mask_table(given: Any) -> Mapping[str, Any]:
    """The mapping of a mask: as it is, of JSON, or of a file."""
    if isinstance(given, os.PathLike) or (isinstance(given, str) and not given.lstrip().startswith("{")):
        try:
            with open(given, encoding="utf-8") as file:
                given = file.read()
        except (OSError, UnicodeDecodeError) as e:
            raise Error(f"the mask `{os.fspath(given)}` can't be read: {e}") from None
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as e:
            raise Error(f"the mask is no JSON: {e}") from None
    if not isinstance(given, Mapping):
        raise Error(f"a mask is a mapping by kind of cell, its JSON, or a file; this is a {type(given).__name__}")
    return given


def _kept(of: Space, kind: str, given: Any) -> Rows:
    edges, columns = of.edges[kind], len(of.operations)
    if isinstance(given, Mapping):
        by_edge = {edge(e): names for e, names in given.items()}
        if set(by_edge) != set(edges):
            raise Error(
                f"a mask of the search space {of.name} names each of the {len(edges)} edges of the {kind} cell, "
                f"as in `0>{of.inputs}`"
            )
        rows = [row(of.operations, by_edge[e], f"edge {e[0]}>{e[1]} of the {kind} cell") for e in edges]
    else:
        numbers = [list(r) for r in given]
        if len(numbers) != len(edges) or any(len(r) != columns or not all(v in (0, 1) for v in r) for r in numbers):
            raise Error(
                f"a mask of the search space {of.name} has {len(edges)} rows of {columns} zeros or ones for {kind}"
            )
        rows = [tuple(bool(v) for v in r) for r in numbers]
    for e, own, candidates in zip(edges, rows, of.candidates[kind], strict=True):
        where = f"edge {e[0]}>{e[1]} of the {kind} cell"
        if not any(own):
            raise Error(f"{where} keeps no operation; every edge needs at least one")
        for name, kept, candidate in zip(of.operations, own, candidates, strict=True):
            if kept and not candidate:
                raise Error(f"{where} keeps {name}, which is no candidate there in the search space {of.name}")
    return tuple(rows)
