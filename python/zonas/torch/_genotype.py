"""Genotypes as they are passed to networks: text of Python or NAS-Bench-201, JSON, or an object with the published fields.

Texts are read as literals, never run.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import Error, near

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "noise",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "sep_conv_7x7",
    "max_pool_5x5",
    "conv_1x1",
    "conv_7x1_1x7",
)
"""The catalogue: names of all operations that networks are built of."""

MOST_NODES = 8
"""Nodes of a cell."""

Choice = tuple[str, int]
"""An operation and the state that it reads."""

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


def operation(name: object) -> str:
    """The name, if it is one of the catalogue."""
    if isinstance(name, str) and name in OPERATIONS:
        return name
    hint = near(name, OPERATIONS) if isinstance(name, str) else ""
    raise Error(f"there is no operation {name!r}; there are {', '.join(OPERATIONS)}{hint}")


@dataclass(frozen=True)
class Genotype:
    """A genotype that a network can be built of.

    With `every_edge` (NAS-Bench-201) `normal` has an operation for each edge, by target and source, and nothing is
    concatenated; else two choices for each node, and a kind of cell that is not there has none.
    """

    normal: tuple[Choice, ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[Choice, ...]
    reduce_concat: tuple[int, ...]
    every_edge: bool = False

    def __str__(self) -> str:
        """As published code writes it."""
        if self.every_edge:
            parts, states = [], nodes_of_edges(len(self.normal)) + 1
            choices = iter(self.normal)
            for target in range(1, states):
                parts.append(
                    "".join(f"|{name}~{source}" for name, source in (next(choices) for _ in range(target))) + "|"
                )
            return "+".join(parts)
        told = []
        for kind in ("normal", "reduce"):
            concat: tuple[int, ...] = getattr(self, f"{kind}_concat")
            first = concat[0] if concat else 0
            whole = len(concat) > 1 and concat == tuple(range(first, first + len(concat)))
            written = f"range({first}, {first + len(concat)})" if whole else str(list(concat))
            told.append(f"{kind}={list(getattr(self, kind))}, {kind}_concat={written}")
        return f"Genotype({', '.join(told)})"


def nodes_of_edges(edges: int) -> int:
    """Nodes of a cell of NAS-Bench-201 with so many edges: 1 + 2 + … of them."""
    nodes = 0
    while (nodes + 1) * (nodes + 2) // 2 <= edges:
        nodes += 1
    return nodes


def genotype(given: Any) -> Genotype:
    """Reads a genotype: text of Python (`Genotype(normal=[('sep_conv_3x3', 0), …], …)`, with a name before it or
    without), JSON as `zonas export --as json` writes it, text of NAS-Bench-201 (`|nor_conv_3x3~0|+|…`), or an object or a
    mapping with `normal`, `normal_concat`, `reduce` and `reduce_concat`.

    Raises:
        Error: It is none of these, or no network can be built of it.
    """
    if isinstance(given, Genotype):
        return given
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, Mapping):
        return _mapping(given)
    if all(hasattr(given, field) for field in FIELDS):
        return _mapping({field: getattr(given, field) for field in FIELDS})
    raise Error(f"a genotype is a text or has {', '.join(FIELDS)}; this is a {type(given).__name__}")


def _text(text: str) -> Genotype:
    bare = text.strip()
    # A cell of NAS-Bench-201 stands as a string in files of Python.
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1].strip()
    if bare.startswith("|"):
        return _edges(bare)
    if bare.startswith("{"):
        try:
            return _mapping(json.loads(bare))
        except json.JSONDecodeError as e:
            raise Error(f"this is no JSON: {e}") from None
    if re.fullmatch(r"\w+", bare):
        return _named(bare)
    try:
        tree = ast.parse(bare)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Error(f"this is no genotype: {_short(bare)}; one begins with `Genotype(`, `{{` or `|`") from None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "Genotype"]
    if len(calls) != 1:
        many = "no" if not calls else f"{len(calls)}"
        raise Error(f"the text has {many} `Genotype(…)`, but one is needed: {_short(bare)}")
    return _call(calls[0])


def _named(name: str) -> Genotype:
    """A published cell, which the extension module knows."""
    try:
        from .. import _zonas
    except ImportError:
        raise Error(f"this is no genotype: {name!r}; one begins with `Genotype(`, `{{` or `|`") from None
    told: dict[str, Any] = json.loads(_zonas.genotype(name, None))
    return _mapping(told["json"])


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _call(call: ast.Call) -> Genotype:
    fields: dict[str, Any] = dict(zip(FIELDS, map(_value, call.args), strict=False))
    for keyword in call.keywords:
        if keyword.arg not in FIELDS or keyword.arg in fields:
            raise Error(f"a genotype has {', '.join(FIELDS)}, each once; this one says `{keyword.arg}`")
        fields[keyword.arg] = _value(keyword.value)
    return _mapping(fields)


def _value(node: ast.expr) -> Any:
    """A literal; `range(…)`, and lists and tuples of one, which published genotypes have, beside."""
    if isinstance(node, ast.Call) and not node.keywords:
        name, values = _name(node.func), [_value(argument) for argument in node.args]
        if name in ("list", "tuple") and len(values) == 1 and isinstance(values[0], (list, tuple)):
            return list(values[0])
        if name == "range" and 1 <= len(values) <= 3 and all(type(v) is int and abs(v) < 1000 for v in values):
            try:
                return list(range(*values))
            except ValueError:
                pass
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise Error(f"line {node.lineno} of the genotype is no literal: {_short(ast.unparse(node))}") from None


def _edges(text: str) -> Genotype:
    """NAS-Bench-201's text."""
    choices = []
    for target, node in enumerate(text.split("+"), 1):
        edges = re.fullmatch(r"\|((?:\w+~\d+\|)+)", node.strip())
        if edges is None:
            raise Error(f"node {target} of the cell is not written as `|operation~source|…`: {_short(node)}")
        for edge in edges[1].rstrip("|").split("|"):
            name, _, source = edge.partition("~")
            choices.append((name, int(source)))
        if len(choices) != target * (target + 1) // 2:
            raise Error(
                f"node {target} of the cell has not {target} edges, one from every state before it: {_short(node)}"
            )
    return _checked(Genotype(_choices("normal", choices), (), (), (), every_edge=True))


def _mapping(given: Mapping[str, Any]) -> Genotype:
    fields = dict(given)
    for name in ("reduce", "reduce_concat"):
        if name not in fields:
            fields[name] = fields.get(name.replace("reduce", "reduction"), ())
    if "normal" not in fields or ("normal_concat" not in fields and fields.get("stacking") != "nas_bench_201"):
        raise Error(f"a genotype has {', '.join(FIELDS)}; this one has {', '.join(map(str, given)) or 'nothing'}")
    stacking = fields.get("stacking", "darts")
    if stacking not in ("darts", "nas_bench_201"):
        raise Error(f"cells are stacked as `darts` or `nas_bench_201`, not {stacking!r}")
    normal, reduce = _choices("normal", fields["normal"]), _choices("reduce", fields["reduce"])
    concat, reduce_concat = (
        _states("normal_concat", fields.get("normal_concat", ())),
        _states("reduce_concat", fields["reduce_concat"]),
    )
    # As an object a cell of NAS-Bench-201 is told by this, that nothing is concatenated.
    every_edge = stacking == "nas_bench_201" or bool(normal and not (concat or reduce or reduce_concat))
    return _checked(Genotype(normal, concat, reduce, reduce_concat, every_edge))


def _choices(field: str, given: Any) -> tuple[Choice, ...]:
    choices: list[Choice] = []
    for choice in _list(field, given):
        if isinstance(choice, Mapping):
            name, source = choice.get("operation"), choice.get("source")
        else:
            pair = _list(field, choice)
            if len(pair) != 2:
                raise Error(f"`{field}` of a genotype is a list of (operation, state); there is {choice!r} in it")
            name, source = pair
        choices.append((operation(name), _state(field, source)))
    return tuple(choices)


def _states(field: str, given: Any) -> tuple[int, ...]:
    return tuple(_state(field, state) for state in _list(field, given))


def _list(field: str, given: Any) -> list[Any]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise Error(f"`{field}` of a genotype is a list; there is {given!r} in its place or in it")
    return list(given)


def _state(field: str, given: Any) -> int:
    try:
        state = int(given)
    except (TypeError, ValueError):
        state = -1
    if isinstance(given, bool) or state != given or not 0 <= state < 1000:
        raise Error(f"`{field}` of a genotype takes numbers of states, not {given!r}")
    return state


def _checked(g: Genotype) -> Genotype:
    if not g.normal and not g.reduce:
        raise Error("the genotype has no operations at all")
    if g.every_edge:
        _check_edges(g)
    else:
        for kind, choices, concat in (("normal", g.normal, g.normal_concat), ("reduction", g.reduce, g.reduce_concat)):
            if choices or concat:
                _check_pairs(kind, choices, concat)
    return g


def _check_edges(g: Genotype) -> None:
    nodes = nodes_of_edges(len(g.normal))
    if (
        nodes * (nodes + 1) // 2 != len(g.normal)
        or nodes > MOST_NODES
        or g.reduce
        or g.normal_concat
        or g.reduce_concat
    ):
        raise Error(
            f"a cell of NAS-Bench-201 has 1, 3, 6, … edges, up to {MOST_NODES} nodes, and no second kind; "
            f"this has {len(g.normal)}"
        )
    expected = [source for target in range(1, nodes + 1) for source in range(target)]
    for edge, ((_, source), wanted) in enumerate(zip(g.normal, expected, strict=True)):
        if source != wanted:
            raise Error(
                f"edge {edge} of the cell reads state {source}, where {wanted} comes next: every edge has one operation"
            )


def _check_pairs(kind: str, choices: tuple[Choice, ...], concat: tuple[int, ...]) -> None:
    if not choices or len(choices) % 2 or len(choices) > 2 * MOST_NODES:
        raise Error(f"the {kind} cell has {len(choices)} operations; each of its 1 to {MOST_NODES} nodes takes two")
    for j, (name, source) in enumerate(choices):
        node = j // 2
        if source >= node + 2:
            raise Error(
                f"node {node} of the {kind} cell reads state {source}, but it may read only states 0 to {node + 1}"
            )
        if name == "none":
            raise Error(f"node {node} of the {kind} cell takes the operation `none`, which stands for no edge")
    last = len(choices) // 2 + 1
    if not concat or len(set(concat)) < len(concat) or not all(2 <= state <= last for state in concat):
        raise Error(f"the {kind} cell concatenates {list(concat)}; it takes some of the states 2 to {last}, each once")
