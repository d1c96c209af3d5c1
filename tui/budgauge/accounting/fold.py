"""The fold: records, in file order, to sums by cycle, agent, model and price bucket. Pure; reads no clock."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from budgauge.accounting.accumulator import ALWAYS, FOREVER, Cell, PricingOf, unpriced
from budgauge.accounting.continuation import continues, earlier_ids
from budgauge.accounting.counters import Counters, Groups, Sums
from budgauge.accounting.id_index import KnownIds
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset, Usage, same_content
from budgauge.accounting.usage_by_minute import Minutes
from budgauge.config.factors import surcharges

KNOWN_IDS = 100_000
"""How many of the latest ids are known."""
_END = "\0end"
KEPT_MINUTES = 256
"""How many minutes that saw usage are kept of everyone,"""
KEPT_RECENT = 64
"""and how many of each agent,"""
KEPT_AGENTS = 2000
"""of at least so many agents, those that were used last."""

CycleOf = Callable[[float], tuple[float, float]]
"""unix seconds → the first second of the cycle that holds them, and the first after it."""
Recall = Callable[[int], "Record | None"]
"""place → the record that stands there; None if there is none."""


def uncut(_timestamp: float) -> tuple[float, float]:
    """One cycle that never ends."""
    return 0.0, FOREVER


class PastReset(msgspec.Struct, frozen=True):
    """A reset that can be undone, with what it set aside."""

    id: str
    agent_id: str | None
    timestamp: float
    groups: dict[float, Groups]
    """By cycle."""


class Totals:
    """What a ledger adds up to so far. Add records in file order; read the sums at any time."""

    def __init__(
        self,
        pricing_of: PricingOf = unpriced,
        cycle_of: CycleOf = uncut,
        recall: Recall | None = None,
        *,
        recent_from: float = FOREVER,
    ) -> None:
        """`recall` gives the record that stands at a place, for ids that come again.

        Without it the latest records with ids are kept here. Each agent's minutes are noted from
        `recent_from` (unix seconds, where a minute begins) on: for a long past they would cost
        much and tell nothing.
        """
        self.cycles: dict[float, Counters] = {}
        """First second of a cycle → its counters; 0 for all time where no cycle is set."""
        self.minutes = Minutes(KEPT_MINUTES)
        """Of everyone, resets or not."""
        self.recent: dict[str, Minutes] = {}
        """Of each agent, resets or not."""
        self.touched: set[str] = set()
        """Agents that something was added to; whoever keeps up with them takes them out."""
        self.known_models: set[str] | None = None
        """Every model there was, once somebody asked."""
        self.resets: list[PastReset] = []
        """Resets not undone, oldest first."""
        self.holds = OpenReservations()
        """Reservations that were neither settled nor released; some may have expired."""
        self.flagged: dict[str, int] = {}
        """kind of oddity → records that had it, all counted."""
        self.set_aside: dict[str, int] = {}
        """kind of fault → records that decode but cannot count."""
        self.ids = KnownIds(KNOWN_IDS)
        """Of calls."""
        self.hold_ids = KnownIds(KNOWN_IDS)
        """Of reservations, and of those that ended."""
        self.reset_ids: set[str] = set()
        self._pricing_of = pricing_of
        self._cycle_of = cycle_of
        self._kept: dict[int, Record] = {}
        self._next_place = 0
        self._recall = recall or self._kept.get
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self._recent_from = recent_from

    def at(self, now: float) -> Counters:
        """The counters of the cycle that a moment falls in."""
        return self.cycles.get(self._cycle_of(now)[0]) or Counters()

    def cycle(self, now: float) -> tuple[float, float]:
        """The first second of the cycle that a moment falls in, and the first after it."""
        return self._cycle_of(now)

    def whole_cycles(self) -> dict[float, Groups]:
        """Every cycle's groups, resets or not, by its first second."""
        whole: dict[float, Counters] = {}
        for begin, groups in self._every_groups():
            whole.setdefault(begin, Counters()).bring_back(groups)
        return {begin: whole[begin].groups for begin in sorted(whole)}

    def models(self) -> set[str]:
        """Every model there was, resets or not."""
        if self.known_models is None:
            self.known_models = {model for _, groups in self._every_groups() for _, model, *_ in groups}
        return self.known_models

    def agents(self) -> set[str]:
        """Every agent there was, resets or not."""
        return {agent_id for _, groups in self._every_groups() for agent_id, *_ in groups}

    def names(self) -> set[str]:
        """Every agent and model there was, resets or not."""
        return {
            name for _, groups in self._every_groups() for agent_id, model, *_ in groups for name in (agent_id, model)
        }

    def _every_groups(self) -> Iterator[tuple[float, Groups]]:
        for begin, counters in self.cycles.items():
            yield begin, counters.groups
        for reset in self.resets:
            yield from reset.groups.items()

    def state(self) -> object:
        """Everything that is counted, to be compared with another fold's."""
        cycles = {begin: (c.groups, c.spent, c.spent_by_all) for begin, c in self.cycles.items() if c.groups}
        resets = [(reset.id, reset.agent_id, reset.groups) for reset in self.resets]
        return cycles, resets, self.minutes.rows(), self.holds, self.flagged, self.set_aside

    def last_reset(self) -> PastReset | None:
        """The last reset of everyone, if any."""
        return next((reset for reset in reversed(self.resets) if reset.agent_id is None), None)

    def to_undo(self) -> list[PastReset]:
        """The last reset that took something away, and before it those that came later and took nothing.

        They are to be undone in this order. Nothing where no reset took anything away.
        """
        resets = self.resets[::-1]
        found = next((number for number, reset in enumerate(resets, 1) if reset.groups), 0)
        return resets[:found]

    @property
    def reset_id(self) -> str | None:
        """The id of the last reset not undone."""
        return self.resets[-1].id if self.resets else None

    def add(self, records: Sequence[Record], places: Callable[[], Sequence[int]] | None = None) -> None:
        """Fold more records in. `places` tells where each stands; it is asked only where ids matter."""
        if not records:
            return
        if set(map(type, records)) == {Usage}:
            calls: Sequence[Usage] = records  # type: ignore[assignment]  # as was just seen
            without_id = [usage.id for usage in calls].count(None)
            if without_id == len(calls):
                self.count_calls(calls)
                return
            if not without_id:
                self._count(self._new_of(calls, self._number(calls) if places is None else places()))
                return
        where = self._number(records) if places is None else places()
        run: list[Usage] = []
        for record, place in zip(records, where, strict=True):
            if type(record) is Usage:
                if record.id is None or self._remember(record, place):
                    run.append(record)
                continue
            self._count(run)
            run = []
            self._control(record, place)
        self._count(run)

    def add_one(self, record: Record, place: int) -> None:
        """Fold one record in, which stands at `place`."""
        if type(record) is not Usage or record.id is not None:
            self.add([record], lambda: [place])
            return
        # As count_calls does it, without what pays only for many.
        cell = self._cells.get((record.agent_id, record.model, ""))
        prompt, timestamp, total = record.prompt_tokens, record.timestamp, record.total_tokens
        parts = record.cached_tokens or record.cache_write_tokens or record.cache_write_1h_tokens
        charges = record.web_search_requests or record.service_tier or record.speed or record.inference_geo
        if cell is None or parts or charges or record.reasoning_tokens or total != prompt + record.completion_tokens:
            self.count_calls((record,))
            return
        if cell.bounded and not cell.holds(prompt, timestamp):
            cell = self._cell(record)
        sums = cell.sums
        sums.calls += 1
        sums.prompt += prompt
        sums.completion += record.completion_tokens
        sums.total += total
        if timestamp > sums.last_used:
            sums.last_used = timestamp
        self._book(cell, timestamp)
        self.minutes.add(int(timestamp) // 60, total, 0)

    def known(self, usage: Usage) -> bool | None:
        """Is this record's id known? True with the same content, False with other, None if it is new."""
        if usage.id is None:
            return None
        found = self._call_of(usage.id)
        if found is None and usage.alias is not None:
            found = self._call_of(usage.alias)
        return None if found is None else same_content(found, usage)

    def _call_of(self, id: str) -> Usage | None:
        """The call with an id or alias."""
        return self._find(self.ids, self.ids.digest(id), lambda r: isinstance(r, Usage) and id in (r.id, r.alias))  # type: ignore[return-value]  # as the condition says

    def known_hold(self, reserve: Reserve) -> bool | None:
        """The same for a reservation; when it ends is no part of its content."""
        found = self.reservation(reserve.id)
        return None if found is None else same_content(found, reserve)

    def reservation(self, id: str) -> Reserve | None:
        """The reservation with an id, open or not; None if it is not known."""
        held = self.holds.get(id)
        if held is not None:
            return held
        return self._find(self.hold_ids, self.hold_ids.digest(id), lambda r: isinstance(r, Reserve) and r.id == id)  # type: ignore[return-value]  # as the condition says

    def ending(self, reserve_id: str) -> Settle | Release | None:
        """The record that ended a reservation, if one did."""
        return self._find(
            self.hold_ids, self._end_digest(reserve_id), lambda r: isinstance(r, _ENDS) and r.reserve == reserve_id
        )  # type: ignore[return-value]  # as the condition says

    def _end_digest(self, reserve_id: str) -> int:
        """A reservation's id as that of its end, not to be taken for its beginning."""
        return self.hold_ids.digest(f"{reserve_id}{_END}")

    def _find(self, ids: KnownIds, digest: int, fits: Callable[[Record], bool]) -> Record | None:
        for place in ids.places(digest):
            record = self._recall(place)
            if record is not None and fits(record):
                return record
        return None

    def _number(self, records: Sequence[Record]) -> Sequence[int]:
        """Places of our own, and the latest records kept at them."""
        places = []
        for record in records:
            places.append(self._next_place)
            if type(record) is Usage and record.id is None:
                continue
            self._kept[self._next_place] = record
            self._kept.pop(self._next_place - 3 * KNOWN_IDS, None)
            self._next_place += 1
        return places

    def _new_of(self, calls: Sequence[Usage], places: Sequence[int]) -> Sequence[Usage]:
        """Those of calls that all have ids whose ids are new; they are noted."""
        if any(usage.alias is not None for usage in calls):
            return [usage for usage, place in zip(calls, places, strict=True) if self._remember(usage, place)]
        digest = self.ids.digest
        digests = [digest(usage.id) for usage in calls]  # type: ignore[arg-type]  # all have one
        index = self.ids.add_new(digests, places, 0)
        if index == len(calls):
            return calls
        new = list(calls[:index])
        while index < len(calls):
            if self._remember(calls[index], places[index]):
                new.append(calls[index])
            begin = index + 1
            index = self.ids.add_new(digests, places, begin)
            new += calls[begin:index]
        return new

    def _remember(self, usage: Usage, place: int) -> bool:
        """Note a call's id; False if it must not count because the id is known."""
        known = self.known(usage)
        if known is not None:
            if not known:
                self._set_aside("id_conflict")
            return False
        assert usage.id is not None
        self.ids.add(self.ids.digest(usage.id), place)
        if usage.alias is not None:
            self.ids.add(self.ids.digest(usage.alias), place)
        return True

    def _count(self, calls: Sequence[Usage]) -> None:
        """Fold calls in that all count; some may be the rest of a call of which a part was counted before."""
        rests = [usage for usage in calls if continues(usage)]
        if not rests:
            self.count_calls(calls)
            return
        whole: list[Usage] = [usage for usage in calls if not continues(usage)]
        for usage in rests:
            prompt = self._prompt_before(usage)
            if prompt is None:
                whole.append(usage)
            else:
                self.count_rest(usage, prompt + usage.prompt_tokens)
        self.count_calls(whole)

    def _prompt_before(self, usage: Usage) -> int | None:
        """The prompt of the call that this record continues, as its id says: `x#3` after `x` and `x#2`; else None."""
        names = earlier_ids(usage)
        if names is None:
            return None
        prompt = 0
        for name in names:
            before = self._call_of(name)
            if before is None or (before.agent_id, before.model) != (usage.agent_id, usage.model):
                return None
            prompt += before.prompt_tokens
        return prompt

    def count_rest(self, usage: Usage, whole_prompt: int) -> None:
        """Fold in what a call spent beyond what was counted of it: at the price of its whole prompt, and no call more.

        Who overrides `count_calls` overrides this, too.
        """
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

    def count_calls(self, calls: Sequence[Usage]) -> None:
        """Fold calls in that all count. The one loop whose speed is felt: a million lines go through it.

        Who wants the calls themselves, and no sums, overrides it.
        """
        cells, touched = self._cells, list[Cell]()
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

    def _book_all(self, touched: list[Cell], second: float) -> list[Cell]:
        for cell in touched:
            if cell.is_touched:
                self._book(cell, second)
        return []

    def _book(self, cell: Cell, second: float) -> None:
        """Let the counters know what was added to a cell, all in one minute if that is a recent one."""
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
            recent = self.recent[cell.agent_id] = Minutes(KEPT_RECENT)
        recent.add(int(second) // 60, total, cached)

    def _cell(self, usage: Usage) -> Cell:
        """The cell for a call and those like it, from now on that of its agent and model."""
        more = surcharges(usage) if usage.service_tier or usage.speed or usage.inference_geo else ""
        before = self._cells.get((usage.agent_id, usage.model, more))
        if before is not None and before.is_touched:
            # A later cell may be for the same sums, and must not book the same calls.
            self._book(before, usage.timestamp)
        if self.known_models is not None:
            self.known_models.add(usage.model)
        pricing = self._pricing_of(usage.model)
        extent = pricing.extent(usage.prompt_tokens, usage.timestamp) if pricing else ALWAYS
        cycle = self._cycle_of(usage.timestamp)
        counters = self.cycles.get(cycle[0])
        if counters is None:
            counters = self.cycles[cycle[0]] = Counters()
        cell = Cell(counters, (usage.agent_id, usage.model, extent.bucket, more), extent, cycle)
        self._cells[usage.agent_id, usage.model, more] = cell
        return cell

    def _add_parts(self, sums: Sums, usage: Usage) -> int:
        """Add a call's parts, none larger than what it is part of; the cached one."""
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

    def _control(self, record: Record, place: int) -> None:
        if isinstance(record, Settle):
            self._settle(record, place)
        elif isinstance(record, Reserve):
            self._reserve(record, place)
        elif isinstance(record, Release):
            if self._end(record, place):
                self.holds.remove(record.reserve)
        elif isinstance(record, Reset):
            self._reset(record)
        elif isinstance(record, UndoReset):
            self._undo(record)

    def _reserve(self, reserve: Reserve, place: int) -> None:
        known = self.known_hold(reserve)
        if known is not None:
            if not known:
                self._set_aside("id_conflict")
            return
        self.hold_ids.add(self.hold_ids.digest(reserve.id), place)
        if self.ending(reserve.id) is not None:
            # It was settled before it came: its line was late, or its ledger is another now.
            return
        self.holds.add(reserve)

    def _settle(self, settle: Settle, place: int) -> None:
        if not self._end(settle, place):
            return
        self.holds.remove(settle.reserve)
        if settle.id is None or self._remember(settle, place):
            self.count_calls([settle])

    def _end(self, record: Settle | Release, place: int) -> bool:
        """Note that a reservation ends; False if it had ended before."""
        before = self.ending(record.reserve)
        if before is not None:
            if not same_content(before, record):
                self._set_aside("second_end")
            return False
        self.hold_ids.add(self._end_digest(record.reserve), place)
        return True

    def _reset(self, reset: Reset) -> None:
        if reset.id in self.reset_ids:
            return
        gone = {begin: groups for begin, c in self.cycles.items() if (groups := c.take(reset.agent_id))}
        self._cells.clear()
        self.reset_ids.add(reset.id)
        self.resets.append(PastReset(reset.id, reset.agent_id, reset.timestamp, gone))

    def _undo(self, undo: UndoReset) -> None:
        if undo.reset != self.reset_id:
            self._set_aside("undo_without_reset")
            return
        self._cells.clear()
        undone = self.resets.pop()
        self.reset_ids.remove(undone.id)
        for begin, groups in undone.groups.items():
            self.cycles[begin].bring_back(groups)

    def _flag(self, kind: str) -> None:
        self.flagged[kind] = self.flagged.get(kind, 0) + 1

    def _set_aside(self, kind: str) -> None:
        self.set_aside[kind] = self.set_aside.get(kind, 0) + 1


def counted_parts(usage: Usage) -> tuple[int, int]:
    """(total, cached) tokens of a call as they count: the larger of two totals, and no part larger than its whole."""
    total = max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    return total, min(usage.cached_tokens or 0, usage.prompt_tokens)


_ENDS = (Settle, Release)
