"""The one exception of the package; of this part alone where the extension module is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["Error", "near"]

try:
    from .._zonas import Error
except ImportError:

    class Error(Exception):  # type: ignore[no-redef]
        """What Zonas can't do, in a sentence that says why and what to do."""


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where a known word is close, else nothing."""
    found = get_close_matches(word, list(known), 1)
    return f"; did you mean `{found[0]}`?" if found else ""
