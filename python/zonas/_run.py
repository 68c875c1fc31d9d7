"""Runs and what they found."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _zonas
from ._frames import Rows, frame, numbers
from ._genotype import Genotype, genotype


@dataclass(frozen=True)
class Run:
    """One run, as it stood when it was loaded.

    `scores`, `alphas`, `losses` and `steps` are pandas frames where pandas is there, else lists of dicts with the same
    keys; a series that the run does not have is empty.
    """

    name: str
    path: Path
    state: str
    """`new`, `running`, `paused`, `queued`, `waiting for a cut`, `done`, `stopped`, `aborted`, `failed`, `crashed`,
    `unreachable` or `unreadable`."""
    detail: str | None
    """What it is at, or why it is so."""
    settings: dict[str, Any] | None
    """All settings by table, as `config.toml` in the run's folder has them; None, with a warning, where that can't be read."""
    summary: dict[str, Any] = field(repr=False)
    """What `zonas show --json` prints."""
    genotype: Genotype | None
    """The one found last, or the one that is trained."""
    kept: dict[str, dict[str, list[str]]] | None = field(repr=False)
    """What the cut keeps: operations by kind of cell and edge, as in `kept["normal"]["0>2"]`."""
    cut: dict[str, Any] | None = field(repr=False)
    """The cut as the journal has it: level, source, predicted bytes, warnings."""
    _tables: dict[str, Rows] = field(repr=False)

    @property
    def scores(self) -> Any:
        """A row an operation: `cell`, `edge`, `operation`, `score` (what decided) and its `deviation` over draws, the
        `p`-value against the next above on the edge, `removed_in_round`, `kept`, and a column for each ranking
        function (mean relative difference; float)."""
        return frame(self._tables["scores"])

    @property
    def alphas(self) -> Any:
        """A row an epoch, edge and kept operation: raw `alpha`, and its `weight` after the softmax over what is kept."""
        return frame(self._tables["alphas"])

    @property
    def losses(self) -> Any:
        """A row an epoch: means over pictures of losses and accuracies (of 1), and seconds. Of a search `valid_loss`, of
        a training `test_loss`."""
        return frame(self._tables["losses"])

    @property
    def steps(self) -> Any:
        """A row for each step that the journal tells of (every `run.journal_every` steps)."""
        return frame(self._tables["steps"])

    def events(self) -> Iterator[dict[str, Any]]:
        """The journal, event by event. Numbers that JSON has not are the words `nan`, `inf` and `-inf`.

        Raises:
            Error: It can't be read, or is gone.
        """
        for line in _zonas.events(str(self.path)):
            yield json.loads(line)

    def __fspath__(self) -> str:
        return str(self.path)


def _path(folder: str | os.PathLike[str] | None) -> str | None:
    return None if folder is None else os.fspath(folder)


def load(run: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Run:
    """Reads a run: settings, state, genotype, cut, scores, alphas over time, losses. It may be at work meanwhile.

    Args:
        run: Its name, or the path of its folder.
        folder: The folder of all runs [default: that of the `zonas` command].

    Raises:
        Error: There is no such run, or its journal can't be read.
    """
    told = json.loads(_zonas.load(os.fspath(run), _path(folder)))
    summary = told["summary"]
    if told["settings_fault"]:
        warnings.warn(f"the run has no settings: {told['settings_fault']}", stacklevel=2)
    found = summary.get("genotype")
    return Run(
        name=summary["run"],
        path=Path(told["folder"]),
        state=summary["state"],
        detail=summary["detail"],
        settings=told["settings"],
        summary=summary,
        genotype=None if found is None else genotype(json.dumps(found)),
        kept=told["kept"],
        cut=told["cut"],
        _tables={name: numbers(told[name]) for name in ("scores", "alphas", "losses", "steps")},
    )


def runs(folder: str | os.PathLike[str] | None = None) -> Any:
    """All runs of a folder, by name: a pandas frame where pandas is there, else a list of dicts. What is known of each is
    what `zonas runs --json` prints.

    Args:
        folder: The folder of all runs [default: that of the `zonas` command].

    Raises:
        Error: The folder can't be read.
    """
    return frame(numbers(json.loads(_zonas.runs(_path(folder)))))
