"""How a work grows with its size, counted in calls instead of seconds: the same on every machine under any load."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def growth(work: Callable[[int], object], size: int, factor: int) -> float:
    """How many times the calls (of Python's and of C's functions) `factor` times the size makes."""
    return calls(lambda: work(size * factor)) / calls(lambda: work(size))


def calls(work: Callable[[], object]) -> int:
    """How many functions `work` calls, those of C included."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before, collects = sys.getprofile(), gc.isenabled()
    # What the collector of garbage calls belongs to earlier work.
    gc.disable()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return count
