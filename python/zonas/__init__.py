"""Zonas from Python: runs and what they found, genotypes, counts, and scores without training.

    import zonas

    run = zonas.load("demo")          # a run by name, or the path of its folder
    run.genotype                      # Genotype(normal=[('sep_conv_3x3', 0), …], …)
    run.losses                        # a pandas frame where pandas is there, else a list of dicts

    model, transform = zonas.torch.load("demo-train")   # with PyTorch

Whatever goes wrong is a :class:`zonas.Error`, in a sentence that says why and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._genotype import Count, Genotype, count, genotype
from ._run import Run, load, runs
from ._score import score
from ._zonas import Error, __version__

if TYPE_CHECKING:
    from . import torch

__all__ = [
    "Count",
    "Error",
    "Genotype",
    "Run",
    "__version__",
    "count",
    "genotype",
    "load",
    "runs",
    "score",
    "torch",
]


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import, and may not be there.
    if name == "torch":
        import importlib

        return importlib.import_module(".torch", __name__)
    raise AttributeError(f"module 'zonas' has no attribute {name!r}")
