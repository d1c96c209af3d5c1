"""How a work's time grows with its size: a ratio, so that the machine's own speed and load do not matter."""

from __future__ import annotations

import time
from collections.abc import Callable


def growth(work: Callable[[int], object], size: int, factor: int) -> float:
    """How many times the processor time `factor` times the size takes; the best of five of each."""
    return _best(work, size * factor) / _best(work, size)


def _best(work: Callable[[int], object], size: int) -> float:
    return min(_seconds(work, size) for _ in range(5))


def _seconds(work: Callable[[int], object], size: int) -> float:
    began = time.thread_time()
    work(size)
    return time.thread_time() - began
