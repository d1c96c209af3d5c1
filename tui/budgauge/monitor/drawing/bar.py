"""Bars in eighths of a cell, with the threshold's mark."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Literal

Kind = Literal["fill", "track", "mark", "mark-filled", "over"]
Run = tuple[str, Kind]
"""Cells of one look."""

_EIGHTHS = " ▏▎▍▌▋▊▉"


def limit_bar(part: float, cells: int, mark: float | None = None) -> list[Run]:
    """Return a bar for a part of a limit (1 is the whole), with a mark at another part.

    Over the limit, the whole width is the used amount, and the limit itself is marked.
    """
    if part > 1:
        within = mark_at(part, cells, 1)
        return _joined([("█" * within, "fill"), ("│", "mark-filled"), ("▒" * (cells - within - 1), "over")])
    eighths = _eighths(part, cells)
    kinds: list[Run] = [("█", "fill")] * (eighths // 8)
    if eighths % 8:
        kinds.append((_EIGHTHS[eighths % 8], "track"))
    kinds += [(" ", "track")] * (cells - len(kinds))
    if mark is not None and 0 < mark < 1:
        at = mark_at(part, cells, mark)
        kinds[at] = ("│", "mark-filled" if (at + 1) * 8 <= eighths else "mark")
    return _joined(kinds)


def mark_at(part: float, cells: int, mark: float) -> int:
    """Return the cell of a `limit_bar`'s mark: the threshold's, or the limit's when exceeded."""
    return max(1, min(cells - 2, int(cells / part))) if part > 1 else min(cells - 1, int(mark * cells))


def _eighths(part: float, cells: int) -> int:
    """Return eighths to fill: at least one for any use, and all only at the limit."""
    whole = cells * 8
    if part >= 1:
        return whole
    return 0 if part <= 0 else max(1, min(whole - 1, round(part * whole)))


def share_bar(part: float, cells: int) -> list[Run]:
    """Return a thin line for a share of the total, unlike a limit's bar."""
    halves = 0 if part <= 0 else max(1, min(cells * 2, round(part * cells * 2)))
    line = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return _joined([(line, "fill"), (" " * (cells - len(line)), "track")])


def _joined(runs: list[Run]) -> list[Run]:
    """Return runs joined where neighbours look the same, without empty ones."""
    alike = groupby((run for run in runs if run[0]), key=itemgetter(1))
    return [("".join(text for text, _ in group), kind) for kind, group in alike]
