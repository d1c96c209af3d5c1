"""A fold made anew of another's sums, with other cycles or prices, after the records are gone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from budgauge.accounting.accumulator import Pricing, PricingOf
from budgauge.accounting.counters import PLAIN, Counters, Groups, Sums
from budgauge.accounting.fold import PastReset, Totals
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.usage_by_minute import UsageByMinute
from budgauge.accounting.usage_sums import KEPT_MINUTES, CycleOf

SLOT_SECONDS = 900
"""Cycles of every kind begin at a multiple of this, in every time zone."""


def slot(timestamp: float) -> tuple[float, float]:
    """Return a cycle so short that no boundary of another lies within."""
    begin = timestamp - timestamp % SLOT_SECONDS
    return begin, begin + SLOT_SECONDS


def shape_of(pricing: Pricing | None) -> str:
    """How a model's calls are told apart by price; empty where they are not."""
    return pricing.shape if pricing else ""


def recut(past: Totals, pricing_of: PricingOf, cycle_of: CycleOf, shapes: Mapping[str, str]) -> Totals:
    """Fold the sums of slots by other cycles, ready for the records after them.

    `shapes` are those that its sums were made with, by model. Where a model has another one by
    now, each slot's calls are priced by the mean of their prompts.
    """
    totals = Totals(pricing_of, cycle_of)

    def bring_back(cycles: dict[float, Counters], begin: float, groups: Groups) -> None:
        counters = cycles.setdefault(cycle_of(begin)[0], Counters())
        counters.bring_back(_rebucketed(groups, begin, pricing_of, shapes))

    for begin, counters in past.cycles.items():
        bring_back(totals.cycles, begin, counters.groups)
    for reset in past.resets:
        cycles: dict[float, Counters] = {}
        for begin, groups in reset.groups.items():
            bring_back(cycles, begin, groups)
        gone = {begin: counters.groups for begin, counters in cycles.items()}
        totals.resets.append(PastReset(reset.id, reset.agent_id, reset.timestamp, gone))
    totals.reset_ids = set(past.reset_ids)
    totals.sums.minutes = UsageByMinute(KEPT_MINUTES, past.sums.minutes.rows())
    totals.sums.flagged = dict(past.sums.flagged)
    totals.holds = OpenReservations(past.holds.values())
    totals.seen.copy_from(past.seen)
    return totals


def _rebucketed(groups: Groups, begin: float, pricing_of: PricingOf, shapes: Mapping[str, str]) -> Groups:
    found: Groups = {}
    for (agent_id, model, bucket, more), sums in groups.items():
        pricing = pricing_of(model)
        if shape_of(pricing) != shapes.get(model, ""):
            mean = sums.prompt // max(1, sums.calls)
            bucket = pricing.extent(mean, begin).bucket if pricing else PLAIN
        found.setdefault((agent_id, model, bucket, more), Sums()).add(sums)
    return found
