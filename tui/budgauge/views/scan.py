"""Readings of the whole ledger, made on demand: one agent or family in detail, and everything over time.

The standing fold knows sums; these know single calls and spans of time. Each reads the ledger from
the start once, then only new lines. For one thread at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from budgauge.accounting.accumulator import FOREVER
from budgauge.accounting.counters import Bucket, Groups
from budgauge.accounting.family import families_of
from budgauge.accounting.records import Usage
from budgauge.config import BudgetConfig
from budgauge.config.name import same_name
from budgauge.ledger.ledger import Ledger
from budgauge.pricing.model_price import TokenPrices
from budgauge.pricing.price_book import PriceBook
from budgauge.status.cost import Part, cost_of, model_rows
from budgauge.status.row import ModelRow

LATEST_CALLS = 50
EARLIEST = 1_577_836_800
"""1 January 2020 in unix seconds: a call of an earlier time comes from a clock never set."""


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """The price of some calls."""

    model: str
    origin: str
    """The price's source; empty where no price is known."""
    rates: TokenPrices | None
    above: int
    """For prompts of more tokens than this; 0 for all."""
    start: int | None
    """The first unix second of the price; None for always."""
    calls: int


class AgentReport(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's account of one agent or family."""

    models: tuple[ModelRow, ...]
    """Since the last reset, most used first."""
    calls: tuple[Usage, ...]
    """The latest calls in the ledger, reset or not, the last line first."""
    lines: int
    """Counted lines, reset or not."""
    copies: int
    """Lines skipped because a line of the same id and content was counted before."""
    set_aside: int
    """Lines skipped for a known id with other content, or a second end of a reservation."""
    unreadable: int
    """Unreadable lines of the whole ledger, of any agent."""
    reset_tokens: int
    """Counted tokens taken away by resets."""
    prices: tuple[PriceRow, ...]


class AgentScan:
    """A reading of one agent, or of an agent and everything below."""

    def __init__(
        self,
        path: Path,
        config: BudgetConfig,
        prices: PriceBook,
        key: str,
        *,
        is_family: bool,
        clock: Callable[[], float],
    ) -> None:
        """Take an agent's id as `key`, or a family's key such as `a/*`."""
        self._config = config
        self._prices = prices
        self._clock = clock

        def in_scope(agent_id: str) -> bool:
            return same_name(key) in families_of(same_name(agent_id)) if is_family else agent_id == key

        self._calls = _Calls(in_scope)
        self._ledger = Ledger(path, prices.pricing_of, cycle=config.cycle, listener=self._calls)

    def look(self) -> AgentReport:
        """Return the present report. Raises LedgerError."""
        self._ledger.refresh()
        totals, calls = self._ledger.totals, self._calls
        groups = calls.groups_of(totals.at(self._clock()).groups)
        counted = self._config.counted
        return AgentReport(
            models=model_rows(groups, self._config, self._prices),
            calls=tuple(reversed(calls.latest)),
            lines=calls.lines,
            copies=calls.copies,
            set_aside=calls.conflicts,
            unreadable=self._ledger.fault_count,
            reset_tokens=sum(
                counted(sums.total, sums.cached)
                for reset in totals.resets
                for cut in reset.groups.values()
                for sums in calls.groups_of(cut).values()
            ),
            prices=tuple(self._price_rows(groups)),
        )

    def _price_rows(self, groups: Groups) -> Iterable[PriceRow]:
        calls: dict[tuple[str, Bucket], int] = {}
        for (_, model, bucket, _), sums in groups.items():
            calls[model, bucket] = calls.get((model, bucket), 0) + sums.calls
        for (model, bucket), number in sorted(calls.items()):
            price = self._prices.price(model)
            period = price.periods[bucket[0]] if price else None
            tier = period.tiers[bucket[1]] if period else None
            yield PriceRow(
                model=model,
                origin=self._prices.origin(model),
                rates=tier.rates if tier else None,
                above=tier.above if tier else 0,
                start=period.start if period else None,
                calls=number,
            )


class _Calls:
    """The calls of the agents in scope, as they come in the ledger."""

    def __init__(self, in_scope: Callable[[str], bool]) -> None:
        self._in_scope = in_scope
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget every call: the ledger is read afresh."""
        self.latest: deque[Usage] = deque(maxlen=LATEST_CALLS)
        self.lines = self.copies = self.conflicts = 0

    def counted(self, calls: Sequence[Usage]) -> None:
        """Note counted calls."""
        mine = [usage for usage in calls if self._in_scope(usage.agent_id)]
        self.lines += len(mine)
        self.latest.extend(mine)

    def dropped(self, call: Usage, *, is_conflict: bool) -> None:
        """Note a skipped call."""
        if self._in_scope(call.agent_id):
            self.conflicts += is_conflict
            self.copies += not is_conflict

    def groups_of(self, groups: Groups) -> Groups:
        """Return the groups of the agents in scope."""
        return {key: sums for key, sums in groups.items() if self._in_scope(key[0])}


class Span(msgspec.Struct, frozen=True):
    """Equal steps of time."""

    begin: int
    """Unix seconds."""
    step: int
    """Seconds."""
    number: int

    @property
    def end(self) -> int:
        """The first unix second after the span."""
        return self.begin + self.step * self.number

    @property
    def edges(self) -> list[int]:
        """The beginning of each step, and the end."""
        return [self.begin + self.step * index for index in range(self.number + 1)]


class TimeReport(msgspec.Struct, frozen=True, kw_only=True):
    """The usage over time."""

    agents: tuple[tuple[str, tuple[int, ...]], ...]
    """(agent id, counted tokens of each step of the chart), resets or not, most used first."""
    used: tuple[int, ...]
    """Counted tokens of each step since the counters began, without usage taken away by resets."""
    costs: tuple[Decimal | None, ...]
    """The same steps' cost; None where something was used and nothing is priced."""
    used_before: int
    """Counted tokens of all time before the first of these steps."""
    cost_before: Decimal | None
    first: float | None
    """Unix seconds of the ledger's first call; of a few that stand out of order, not always the earliest.
    Calls dated before 2020 are counted, but not considered here."""


class TimeScan:
    """A reading of everything by steps of time."""

    def __init__(self, path: Path, config: BudgetConfig, prices: PriceBook, chart: Span, counters: Span) -> None:
        """Take the span of the chart, and `counters`, the span since the counters began."""
        self.chart, self.counters = chart, counters
        self._config, self._prices = config, prices
        edges = sorted({0, *chart.edges, *counters.edges})

        self._first = FOREVER

        def bin_of(timestamp: float) -> tuple[float, float]:
            if timestamp >= EARLIEST:
                self._first = min(self._first, timestamp)
            place = bisect_right(edges, timestamp)
            return edges[place - 1], edges[place] if place < len(edges) else FOREVER

        self._ledger = Ledger(path, prices.pricing_of, cycle_of=bin_of)

    def look(self) -> TimeReport:
        """Return the present report. Raises LedgerError."""
        self._ledger.refresh()
        totals = self._ledger.totals
        agents: dict[str, list[int]] = {}
        for begin, groups in totals.whole_cycles().items():
            place = _place(self.chart, begin)
            if place is not None:
                for (agent_id, *_), sums in groups.items():
                    steps = agents.setdefault(agent_id, [0] * self.chart.number)
                    steps[place] += self._config.counted(sums.total, sums.cached)
        before: list[Part] = []
        parts: list[list[Part]] = [[] for _ in range(self.counters.number)]
        for begin, counters in totals.cycles.items():
            place = _place(self.counters, begin)
            if place is not None:
                parts[place] += counters.groups.items()
            elif begin < self.counters.begin:
                before += counters.groups.items()
        return TimeReport(
            agents=tuple(
                (agent_id, tuple(steps)) for agent_id, steps in sorted(agents.items(), key=lambda a: (-sum(a[1]), a[0]))
            ),
            used=tuple(map(self._used, parts)),
            costs=tuple(cost_of(step, self._prices) for step in parts),
            used_before=self._used(before),
            cost_before=cost_of(before, self._prices),
            first=None if self._first == FOREVER else self._first,
        )

    def _used(self, parts: Iterable[Part]) -> int:
        return sum(self._config.counted(sums.total, sums.cached) for _, sums in parts)


def _place(span: Span, second: float) -> int | None:
    """Return the step of a moment; None for one outside the span."""
    place = int((second - span.begin) // span.step)
    return place if 0 <= place < span.number else None
