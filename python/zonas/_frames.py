"""Rows as a pandas frame where pandas is there, else as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

Rows = list[dict[str, Any]]
Table = "pandas.DataFrame | Rows"

_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def numbers(rows: Rows) -> Rows:
    """The numbers that JSON has not stand as words in journals."""
    for row in rows:
        for key, value in row.items():
            if isinstance(value, str) and value in _WORDS:
                row[key] = _WORDS[value]
    return rows


def frame(rows: Rows) -> Any:
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)
