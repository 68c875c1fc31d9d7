"""PyTorch networks of what Zonas finds, and of what it searches.

    from zonas.torch import NetworkCIFAR, load

    model, transform = load("runs/demo-train")              # as the run has trained it
    model = NetworkCIFAR(genotype, channels=36, layers=20, classes=10, auxiliary=True)

Tensors are `[N, C, H, W]`. Modules and parameters have the names of the published code (DARTS, NAS-Bench-201), so that
checkpoints of either load with `strict=True`. Genotypes are text of Python, JSON, text of NAS-Bench-201, or objects with
`normal`, `normal_concat`, `reduce` and `reduce_concat`. What goes wrong is an :class:`Error`.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ImportError as e:
    raise ImportError(f"zonas.torch needs PyTorch: `pip install torch safetensors` ({e})") from None

from ._errors import Error
from ._load import load, load_supernet, transform
from ._nas_bench_201 import NasBench201Network
from ._networks import NetworkCIFAR, NetworkImageNet
from ._operations import drop_path
from ._supernet import Supernet
from ._transform import Transform

__all__ = [
    "Error",
    "NasBench201Network",
    "NetworkCIFAR",
    "NetworkImageNet",
    "Supernet",
    "Transform",
    "drop_path",
    "load",
    "load_supernet",
    "transform",
]
