"""Time that stands still until it is moved."""

from __future__ import annotations


class Clock:
    """Says the same moment, in seconds, until `now` is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
