"""The extension module: JSON text of what the `zonas` command tells. Use the functions of `zonas` instead."""

from collections.abc import Sequence

__version__: str

class Error(Exception):
    """What Zonas can't do, in a sentence that says why and what to do."""

def genotype(given: str, which: str | None = None) -> str: ...
def count(
    text: str,
    channels: int | None,
    cells: int | None,
    classes: int,
    input_channels: int,
    height: int,
    width: int,
    auxiliary: bool,
) -> str: ...
def folder(folder: str | None = None) -> str: ...
def runs(folder: str | None = None) -> str: ...
def load(run: str, folder: str | None = None) -> str: ...
def events(run: str, folder: str | None = None) -> list[str]: ...
def score(runs: str, name: str | None, base: str | None, assignments: Sequence[str]) -> str: ...
