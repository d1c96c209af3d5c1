"""The sums of calls by cycle, agent, model and price bucket, and their minutes. Pure; reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from budgauge.accounting.accumulator import ALWAYS, FOREVER, Accumulator, PricingOf, unpriced
from budgauge.accounting.counters import Counters, Sums
from budgauge.accounting.records import Usage
from budgauge.accounting.usage_by_minute import UsageByMinute
from budgauge.config.factors import charged

KEPT_MINUTES = 256
"""How many minutes that saw usage are kept of everyone."""
KEPT_RECENT = 64
"""How many minutes are kept of each agent."""
KEPT_AGENTS = 2000
"""How many agents' minutes are kept at least, those used last."""

CycleOf = Callable[[float], tuple[float, float]]
"""unix seconds → the first second of the cycle that holds them, and the first after it."""


def uncut(_timestamp: float) -> tuple[float, float]:
    """Return the only cycle, without an end."""
    return 0.0, FOREVER


def counted_parts(usage: Usage) -> tuple[int, int]:
    """Return a call's counted (total, cached) tokens: the larger of two totals, no part over its whole."""
    total = max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    return total, min(usage.cached_tokens or 0, usage.prompt_tokens)


def surcharges(usage: Usage) -> str:
    """Return the keys of a call's factors, separated by spaces; empty for a standard call."""
    named = (("service_tier", usage.service_tier), ("speed", usage.speed), ("inference_geo", usage.inference_geo))
    return " ".join(f"{field}.{text}" for field, value in named if (text := charged(value)))


class UsageSums:
    """The sums of counted calls."""

    def __init__(
        self, pricing_of: PricingOf = unpriced, cycle_of: CycleOf = uncut, *, recent_from: float = FOREVER
    ) -> None:
        """Each agent's minutes are kept from `recent_from` (a minute's unix seconds) on: a long past costs much."""
        self.cycles: dict[float, Counters] = {}
        """First second of a cycle → its counters; 0 for all time where no cycle is set."""
        self.minutes = UsageByMinute(KEPT_MINUTES)
        """Of everyone, resets or not."""
        self.recent: dict[str, UsageByMinute] = {}
        """Of each agent, resets or not."""
        self.touched: set[str] = set()
        """Agents whose sums grew; the reader that follows them takes them out."""
        self.known_models: set[str] | None = None
        """Every model there was, once a reader asked."""
        self.flagged: dict[str, int] = {}
        """kind of oddity → calls that had it, all counted."""
        self.cycle_of = cycle_of
        self._pricing_of = pricing_of
        self._accumulators: dict[tuple[str, str, str], Accumulator] = {}
        self._recent_from = recent_from

    def begin_anew(self) -> None:
        """Look up every agent's sums again: groups were taken away or brought back."""
        self._accumulators.clear()

    def add_one(self, usage: Usage) -> None:
        """Add one call; quicker than `add` with one."""
        cell = self._accumulators.get((usage.agent_id, usage.model, ""))
        prompt, timestamp, total = usage.prompt_tokens, usage.timestamp, usage.total_tokens
        parts = usage.cached_tokens or usage.cache_write_tokens or usage.cache_write_1h_tokens
        charges = usage.web_search_requests or usage.service_tier or usage.speed or usage.inference_geo
        if cell is None or parts or charges or usage.reasoning_tokens or total != prompt + usage.completion_tokens:
            self.add((usage,))
            return
        if cell.bounded and not cell.holds(prompt, timestamp):
            cell = self._cell(usage)
        sums = cell.sums
        sums.calls += 1
        sums.prompt += prompt
        sums.completion += usage.completion_tokens
        sums.total += total
        if timestamp > sums.last_used:
            sums.last_used = timestamp
        self._book(cell, timestamp)
        self.minutes.add(int(timestamp) // 60, total, 0)

    def add_rest(self, usage: Usage, whole_prompt: int) -> None:
        """Add the rest of a call: at the price of the whole prompt, and no call more."""
        cell = self._cell(msgspec.structs.replace(usage, prompt_tokens=whole_prompt))
        sums, total = cell.sums, counted_parts(usage)[0]
        sums.prompt += usage.prompt_tokens
        sums.completion += usage.completion_tokens
        sums.total += total
        sums.web_searches += usage.web_search_requests or 0
        sums.last_used = max(sums.last_used, usage.timestamp)
        cached = self._add_parts(sums, usage)
        self._book(cell, usage.timestamp)
        self.minutes.add(int(usage.timestamp) // 60, total, cached)

    def add(self, calls: Sequence[Usage]) -> None:
        """Add calls. This is the one loop whose speed is felt: a million lines go through."""
        cells, touched = self._accumulators, list[Accumulator]()
        minute, minute_end = 0.0, 0.0
        minute_total = minute_cached = 0
        for usage in calls:
            timestamp = usage.timestamp
            if not minute <= timestamp < minute_end:
                if minute_total:
                    self.minutes.add(int(minute) // 60, minute_total, minute_cached)
                if touched and (timestamp >= self._recent_from or minute_end > self._recent_from):
                    # Each agent's minutes are told apart by booking at their ends.
                    touched = self._book_all(touched, minute)
                minute = timestamp - timestamp % 60
                minute_end, minute_total, minute_cached = minute + 60, 0, 0
            more = surcharges(usage) if usage.service_tier or usage.speed or usage.inference_geo else ""
            cell = cells.get((usage.agent_id, usage.model, more))
            prompt, completion = usage.prompt_tokens, usage.completion_tokens
            if cell is None or (cell.bounded and not cell.holds(prompt, timestamp)):
                cell = self._cell(usage)
            if not cell.is_touched:
                cell.is_touched = True
                touched.append(cell)
            sums = cell.sums
            sums.calls += 1
            sums.prompt += prompt
            sums.completion += completion
            if (total := usage.total_tokens) != prompt + completion:
                self._flag("total_mismatch")
                total = max(total, prompt + completion)
            sums.total += total
            if timestamp > sums.last_used:
                sums.last_used = timestamp
            minute_total += total
            if usage.web_search_requests:
                sums.web_searches += usage.web_search_requests
            if usage.cached_tokens or usage.cache_write_tokens or usage.cache_write_1h_tokens or usage.reasoning_tokens:
                minute_cached += self._add_parts(sums, usage)
        if minute_total:
            self.minutes.add(int(minute) // 60, minute_total, minute_cached)
        self._book_all(touched, minute)

    def _book_all(self, touched: list[Accumulator], second: float) -> list[Accumulator]:
        for cell in touched:
            if cell.is_touched:
                self._book(cell, second)
        return []

    def _book(self, cell: Accumulator, second: float) -> None:
        """Bring the counters up to a cell's sums, all in one minute for recent calls."""
        total, cached = cell.book()
        self.touched.add(cell.agent_id)
        if second < self._recent_from or not total:
            return
        recent = self.recent.get(cell.agent_id)
        if recent is None:
            if len(self.recent) >= 2 * KEPT_AGENTS:
                latest = sorted(self.recent.items(), key=lambda agent: max(agent[1].spent))[-KEPT_AGENTS:]
                self.touched.update(self.recent)
                self.recent = dict(latest)
            recent = self.recent[cell.agent_id] = UsageByMinute(KEPT_RECENT)
        recent.add(int(second) // 60, total, cached)

    def _cell(self, usage: Usage) -> Accumulator:
        """Return the accumulator for a call and similar ones, from now on the current one of agent and model."""
        more = surcharges(usage) if usage.service_tier or usage.speed or usage.inference_geo else ""
        before = self._accumulators.get((usage.agent_id, usage.model, more))
        if before is not None and before.is_touched:
            # A later cell may be for the same sums, and must not book the same calls.
            self._book(before, usage.timestamp)
        if self.known_models is not None:
            self.known_models.add(usage.model)
        pricing = self._pricing_of(usage.model)
        extent = pricing.extent(usage.prompt_tokens, usage.timestamp) if pricing else ALWAYS
        cycle = self.cycle_of(usage.timestamp)
        counters = self.cycles.get(cycle[0])
        if counters is None:
            counters = self.cycles[cycle[0]] = Counters()
        cell = Accumulator(counters, (usage.agent_id, usage.model, extent.bucket, more), extent, cycle)
        self._accumulators[usage.agent_id, usage.model, more] = cell
        return cell

    def _add_parts(self, sums: Sums, usage: Usage) -> int:
        """Add a call's parts, none larger than the whole; return the cached one."""
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        write = min(usage.cache_write_tokens or 0, usage.prompt_tokens - cached)
        write_1h = min(usage.cache_write_1h_tokens or 0, write)
        given = (usage.cached_tokens or 0, usage.cache_write_tokens or 0, usage.cache_write_1h_tokens or 0)
        if given != (cached, write, write_1h) or (usage.reasoning_tokens or 0) > usage.completion_tokens:
            self._flag("parts_clipped")
        sums.cached += cached
        sums.cache_write += write
        sums.cache_write_1h += write_1h
        return cached

    def _flag(self, kind: str) -> None:
        self.flagged[kind] = self.flagged.get(kind, 0) + 1
