"""`zonas.torch` for the tests: of the installed package, or of this clone where that is not installed. Where there is no
PyTorch, the tests that import this say that they are skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

ROOT = Path(__file__).resolve().parents[2]

try:
    import zonas.torch as zt
except ImportError:
    # Without the extension module: this part needs nothing of it.
    package = types.ModuleType("zonas")
    package.__path__ = [str(ROOT / "python" / "zonas")]
    sys.modules["zonas"] = package
    import zonas.torch as zt

# Small maps: more threads only wait for each other.
torch.set_num_threads(1)

COMMAND = os.environ.get("ZONAS", "zonas")

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
ALL_OPERATIONS = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), "
    "('sep_conv_5x5', 1), ('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), "
    "('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))"
)
NAS_BENCH_201 = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"

needs_command = pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"there is no program `{COMMAND}`; ZONAS names one")


def command(*words: Any) -> str:
    """Standard output of the program."""
    environment = {**os.environ, "COMPLETE": ""}
    told = subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, env=environment)
    assert told.returncode == 0, f"{words}: {told.stderr}"
    return told.stdout


def settings(**values: Any) -> list[str]:
    """`--set` of keys whose dots are written as `__`."""
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Metadata and tensors of a safetensors file."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}


def relative(ours: Any, expected: Any, floor: float = 0.0) -> float:
    """L2 norm of the difference over that of what is expected."""
    ours, expected = ours.detach().double(), expected.double()
    assert ours.shape == expected.shape
    norm = max(expected.norm().item(), floor)
    return (ours - expected).norm().item() / (norm or 1.0)
