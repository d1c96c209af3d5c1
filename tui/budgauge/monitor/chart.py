"""Charts of columns in eighths of a cell."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[int], lines: int) -> list[str]:
    """A chart of one cell a value, so many lines high, the top line first. The highest value fills it."""
    top = max(values, default=0)
    heights = [0 if not top or not value else max(1, round(value * lines * 8 / top)) for value in values]
    return [
        "".join(_EIGHTHS[max(0, min(8, height - line * 8))] for height in heights) for line in reversed(range(lines))
    ]


def trend(values: Sequence[int]) -> str:
    """A chart of one line that leaves its top free, so that those of lines above each other stay apart."""
    top = max(values, default=0)
    return "".join(_EIGHTHS[max(1, round(value * 7 / top)) if value else 0] for value in values)
