"""The forecast of the total, in words."""

from __future__ import annotations

import math

import msgspec

from budgauge.accounting.forecast import Eta, reached
from budgauge.monitor.drawing.time_text import latin_span, span
from budgauge.monitor.language import tr
from budgauge.status.snapshot import Snapshot


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast in words, each empty where unknown."""

    gone: str = ""
    """Time until the budget is gone: `2h 10m`."""
    between: str = ""
    """The likely range: `1h 50m to 2h 40m`."""
    warns: str = ""
    """Time until the warning threshold: `12m`."""
    lasts: str = ""
    """The rest of the cycle, where the budget outlasts it: `3d 4h`."""
    figure: str = ""
    """`gone` or `lasts` in Latin letters, for a large figure."""

    @property
    def words(self) -> tuple[str, ...]:
        """The forecast in one line, from the longest form to the shortest."""
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
    """Return the forecast of everyone's budget at a moment in unix seconds."""
    gone = None if snapshot.remaining_budget is None else reached(snapshot.minutes, now, snapshot.remaining_budget)
    if gone is None:
        return Outlook()
    if snapshot.cycle_end is not None and gone.expected > snapshot.cycle_end - now:
        rest = snapshot.cycle_end - now
        return Outlook(lasts=span(rest), figure=latin_span(rest))
    to_warning = 0 if snapshot.warning_at is None else snapshot.warning_at - snapshot.total_used
    warns = reached(snapshot.minutes, now, to_warning)
    return Outlook(
        gone=span(gone.expected),
        between=between(gone),
        warns=span(warns.expected) if warns else "",
        figure=latin_span(gone.expected),
    )


def between(eta: Eta) -> str:
    """Return a forecast's range in words."""
    first = span(eta.earliest)
    if math.isinf(eta.latest):
        return tr("{first} or later", first=first)
    last = span(eta.latest)
    return tr("{first} to {last}", first=first, last=last) if first != last else tr("about {span}", span=first)
