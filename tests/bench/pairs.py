"""Pairs of whole commands, run in turn, so that a machine's drift hits both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable


def ratio(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """(median ratio of the pairs, our median, their median), after one run of each that is not counted."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return (
        statistics.median(a / b for a, b in pairs),
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
    )


def report(what: str, value: float, bound: float, detail: str) -> None:
    """One line: the figure, what it should be at most, and what it comes from."""
    verdict = "meets" if value <= bound else "MISSES"
    print(f"{what:44} {value:8.2f}  {verdict} at most {bound:g}   ({detail})", flush=True)


def report_least(what: str, value: float, bound: float, detail: str) -> None:
    """The same for a figure that should be at least so much."""
    verdict = "meets" if value >= bound else "MISSES"
    print(f"{what:44} {value:8.2f}  {verdict} at least {bound:g}   ({detail})", flush=True)
