"""Accumulators: the sums to which one agent's calls of one model, cycle and price are added."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from budgauge.accounting.counters import PLAIN, Bucket, Counters, GroupKey, Sums

FOREVER = float("inf")


class Extent(msgspec.Struct, frozen=True):
    """A price bucket, and the range of calls for which the bucket holds."""

    bucket: Bucket
    begin: float
    """Unix seconds: from here"""
    end: float
    """to just before here,"""
    above: float
    """and for prompts of more tokens than this"""
    upto: float
    """up to this many."""


class Pricing(Protocol):
    """How one model's calls are told apart by price."""

    @property
    def shape(self) -> str:
        """Differs whenever calls would be told apart differently."""
        ...

    def extent(self, prompt_tokens: int, timestamp: float) -> Extent:
        """The bucket of a call."""
        ...


PricingOf = Callable[[str], "Pricing | None"]
"""model → its pricing; None where all its calls cost the same, or its price is not known."""
ALWAYS = Extent(PLAIN, 0, FOREVER, -1, FOREVER)


def unpriced(_model: str) -> None:
    """The pricing of models whose calls need not be told apart."""


class Accumulator:
    """The sums for the next call of an agent and a model, as long as calls stay alike."""

    __slots__ = ("above", "agent_id", "begin", "booked", "bounded", "counters", "end", "is_touched", "sums", "upto")

    def __init__(self, counters: Counters, key: GroupKey, extent: Extent, cycle: tuple[float, float]) -> None:
        sums = counters.groups.get(key)
        if sums is None:
            sums = counters.groups[key] = Sums()
        self.sums = sums
        self.booked = (sums.total, sums.cached)
        """How much of it the counters know."""
        self.is_touched = False
        self.counters = counters
        self.agent_id = key[0]
        self.begin = max(extent.begin, cycle[0])
        self.end = min(extent.end, cycle[1])
        self.above = extent.above
        self.upto = extent.upto
        self.bounded = (self.begin, self.end, self.above, self.upto) != (0, FOREVER, -1, FOREVER)

    def holds(self, prompt: int, timestamp: float) -> bool:
        """Does a call of this agent and model belong here?"""
        return self.begin <= timestamp < self.end and self.above < prompt <= self.upto

    def book(self) -> tuple[int, int]:
        """Bring the counters up to the sums; return the added (total, cached) tokens."""
        total, cached = self.booked
        sums = self.sums
        added = sums.total - total, sums.cached - cached
        self.counters.spend(self.agent_id, *added)
        self.booked = (sums.total, sums.cached)
        self.is_touched = False
        return added
