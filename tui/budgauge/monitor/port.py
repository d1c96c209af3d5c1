"""What the monitor needs from outside, so that it can be run on anything that offers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from budgauge.views.live import View
from budgauge.views.scan import AgentScan, Span, TimeScan


class ObserverPort(Protocol):
    """Where views come from, and where resets go."""

    def look(self) -> View:
        """The present view; the same object if nothing changed."""

    def folders(self) -> Iterable[Path]:
        """The folders in which something may change."""

    @property
    def glance(self) -> Callable[[], object]:
        """Asked many times a second; what it answers differs once the ledger has grown."""

    def reset(self, agent_id: str | None = None) -> str:
        """Reset everyone's counters, or one agent's; the reset's id. Raises BudgaugeError."""

    def undo_reset(self) -> str:
        """Take the latest reset back; its id. Raises BudgaugeError."""

    def agent_scan(self, key: str, *, is_family: bool) -> AgentScan:
        """A reading of one agent or family in detail."""

    def time_scan(self, chart: Span, counters: Span) -> TimeScan:
        """A reading of everything by steps of time."""


class CollectorPort(Protocol):
    """Collecting from agents' own logs, to be switched on and off."""

    @property
    def running(self) -> bool:
        """Is it collecting just now?"""

    @property
    def moved(self) -> bool:
        """Is the ledger it records into no longer the one that is read?"""

    @property
    def summary(self) -> str:
        """What it has brought in so far, such as `12 calls`."""

    @property
    def details(self) -> Sequence[str]:
        """What it met in each agent's logs and did not count, in lines; empty when it is off."""

    @property
    def trouble(self) -> str | None:
        """Why it stopped by itself, or cannot record just now; else what it could not read."""

    def start(self) -> None:
        """Begin, from now on. Raises BudgaugeError."""

    def stop(self) -> None:
        """End, and wait for it."""


class FoundLog(msgspec.Struct, frozen=True):
    """One agent's folder of session logs on this machine."""

    name: str
    """As `budgauge collect` calls the agent."""
    path: str
