"""What is to be expected of the total, in words; nothing where there is too little to say."""

from __future__ import annotations

import math

import msgspec

from budgauge.accounting.forecast import When, reached
from budgauge.monitor.drawing.time_text import span
from budgauge.monitor.language import tr
from budgauge.status.snapshot import Snapshot


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """Each is empty where there is nothing to say."""

    gone: str = ""
    """When the budget is gone: `2h 10m`."""
    between: str = ""
    """The range that is likely: `1h 50m to 2h 40m`."""
    warns: str = ""
    """When the warning threshold is reached: `12m`."""
    lasts: str = ""
    """How long the cycle goes on, where the budget outlasts it: `3d 4h`."""

    @property
    def words(self) -> tuple[str, ...]:
        """It in one line: all of it, and then in fewer and fewer words."""
        if self.lasts:
            return (tr("lasts until the cycle ends in {span}", span=self.lasts),)
        if not self.gone:
            return ()
        all_of_it = tr(
            "warns in {warns}, gone in {gone} ({range})", warns=self.warns, gone=self.gone, range=self.between
        )
        return (
            *([all_of_it] if self.warns else []),
            tr("gone in {gone} ({range})", gone=self.gone, range=self.between),
            tr("gone in {gone}", gone=self.gone),
        )


def total_outlook(snapshot: Snapshot, now: float) -> Outlook:
    """Of everyone's budget at a moment (unix seconds)."""
    gone = None if snapshot.remaining_budget is None else reached(snapshot.minutes, now, snapshot.remaining_budget)
    if gone is None:
        return Outlook()
    if snapshot.cycle_end is not None and gone.expected > snapshot.cycle_end - now:
        return Outlook(lasts=span(snapshot.cycle_end - now))
    to_warning = 0 if snapshot.warning_at is None else snapshot.warning_at - snapshot.total_used
    warns = reached(snapshot.minutes, now, to_warning)
    return Outlook(gone=span(gone.expected), between=between(gone), warns=span(warns.expected) if warns else "")


def between(when: When) -> str:
    """A range in words."""
    first = span(when.earliest)
    if math.isinf(when.latest):
        return tr("{first} or later", first=first)
    last = span(when.latest)
    return tr("{first} to {last}", first=first, last=last) if first != last else tr("about {span}", span=first)
