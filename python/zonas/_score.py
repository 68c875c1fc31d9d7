"""Scores without training."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from . import _zonas
from ._run import Run, load


def _assignments(settings: Mapping[str, Any], above: str = "") -> list[str]:
    found = []
    for key, value in settings.items():
        key = f"{above}{key}"
        if isinstance(value, Mapping):
            found += _assignments(value, f"{key}.")
        elif value is not None:
            # What JSON writes of text, numbers, truth and lists is TOML too.
            found.append(f"{key}={json.dumps(value)}")
    return found


def score(
    space: str | os.PathLike[str] | None = None,
    functions: Sequence[str] | None = None,
    data: str | os.PathLike[str] = "embedded",
    *,
    preset: str | None = None,
    seed: int | None = None,
    xi: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    settings: Mapping[str, Any] | None = None,
    runs: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> Run:
    """Scores every operation of a search space without training, and cuts it: `zonas score`, in this process.

    What is not given is as the preset has it. The run's `scores`, `kept` and `cut` hold what was found; the same
    settings give the same numbers, bit for bit, on any number of threads. An interrupt stops it after this draw.

    Args:
        space: A built-in space (`"darts"`, `"nas_bench_201"`, …) or the path of a TOML file.
        functions: Ranking functions, such as `["naswot", "synflow"]`.
        data: `"embedded"`, or the path of pictures.
        preset: `"darts"`, `"nas_bench_201"`, `"paper"`, `"demo"` or `"nas_bench_201_demo"`.
        seed: Seed that every random stream is derived from.
        xi: Pruning level: the share of the operations that goes.
        device: `"auto"`, `"cpu"` or `"cuda:0"`.
        threads: Threads; 0 takes one a core.
        settings: Any other settings by their keys, as in `{"score.draws": 8}` or `{"score": {"draws": 8}}`.
        runs: A folder of runs in which the run stays; without it, it is gone when this returns.
        name: Name of the run there.

    Raises:
        Error: Settings or data that make no sense, or no room for it.
    """
    absolute = os.path.abspath
    known: dict[str, Any] = {
        "space.name": None if space is None else os.fspath(space),
        "score.functions": None if functions is None else list(functions),
        "data.source": data if data == "embedded" else absolute(data),
        "seed": seed,
        "cut.xi": xi,
        "device.kind": device,
        "device.threads": threads,
    }
    assignments = _assignments(settings or {}) + _assignments(known)
    if runs is not None:
        return load(_zonas.score(os.fspath(runs), name, preset, assignments))
    with tempfile.TemporaryDirectory(prefix="zonas-") as folder:
        return load(_zonas.score(folder, name, preset, assignments))
