"""The fold: records, in file order, to sums by cycle, agent, model and price bucket. Pure; reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from budgauge.accounting.accumulator import FOREVER, PricingOf, unpriced
from budgauge.accounting.continuation import continues
from budgauge.accounting.counters import Counters, Groups
from budgauge.accounting.deduplicator import Deduplicator, Listener, Recall
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset, Usage, same_content
from budgauge.accounting.usage_sums import CycleOf, UsageSums, uncut


class PastReset(msgspec.Struct, frozen=True):
    """A reset not yet undone, with the groups taken away."""

    id: str
    agent_id: str | None
    timestamp: float
    groups: dict[float, Groups]
    """By cycle."""


class Totals:
    """The sums of a ledger so far. Add records in file order; read the sums at any time."""

    def __init__(
        self,
        pricing_of: PricingOf = unpriced,
        cycle_of: CycleOf = uncut,
        recall: Recall | None = None,
        *,
        recent_from: float = FOREVER,
        keeps_all_ids: bool = False,
        listener: Listener | None = None,
    ) -> None:
        """Arguments are those of Deduplicator and UsageSums. `listener` gets each call, counted or dropped."""
        self.seen = Deduplicator(recall, keeps_all_ids=keeps_all_ids, listener=listener)
        self.sums = UsageSums(pricing_of, cycle_of, recent_from=recent_from)
        self.cycles = self.sums.cycles
        """First second of a cycle → its counters; 0 for all time where no cycle is set."""
        self.resets: list[PastReset] = []
        """Resets not undone, oldest first."""
        self.reset_ids: set[str] = set()
        self.holds = OpenReservations()
        """Reservations that were neither settled nor released; some may have expired."""
        self._listener = listener

    def at(self, now: float) -> Counters:
        """Return the counters of the cycle of a moment."""
        return self.cycles.get(self.sums.cycle_of(now)[0]) or Counters()

    def cycle(self, now: float) -> tuple[float, float]:
        """Return the first second of the cycle of a moment, and the first after the cycle."""
        return self.sums.cycle_of(now)

    def whole_cycles(self) -> dict[float, Groups]:
        """Return every cycle's groups, resets or not, by the cycle's first second."""
        whole: dict[float, Counters] = {}
        for begin, groups in self._every_groups():
            whole.setdefault(begin, Counters()).bring_back(groups)
        return {begin: whole[begin].groups for begin in sorted(whole)}

    def models(self) -> set[str]:
        """Every model there was, resets or not."""
        if self.sums.known_models is None:
            self.sums.known_models = {model for _, groups in self._every_groups() for _, model, *_ in groups}
        return self.sums.known_models

    def agents(self) -> set[str]:
        """Every agent there was, resets or not."""
        return {agent_id for _, groups in self._every_groups() for agent_id, *_ in groups}

    def _every_groups(self) -> Iterator[tuple[float, Groups]]:
        for begin, counters in self.cycles.items():
            yield begin, counters.groups
        for reset in self.resets:
            yield from reset.groups.items()

    def state(self) -> object:
        """Return all counted values, for a comparison with another fold."""
        cycles = {begin: (c.groups, c.spent, c.spent_by_all) for begin, c in self.cycles.items() if c.groups}
        resets = [(reset.id, reset.agent_id, reset.groups) for reset in self.resets]
        return cycles, resets, self.sums.minutes.rows(), self.holds, self.sums.flagged, self.seen.set_aside

    def last_reset(self) -> PastReset | None:
        """The last reset of everyone, if any."""
        return next((reset for reset in reversed(self.resets) if reset.agent_id is None), None)

    def to_undo(self) -> list[PastReset]:
        """Return the last reset with an effect, after later ones without, in the order to undo; empty without any."""
        resets = self.resets[::-1]
        found = next((number for number, reset in enumerate(resets, 1) if reset.groups), 0)
        return resets[:found]

    @property
    def reset_id(self) -> str | None:
        """The id of the last reset not undone."""
        return self.resets[-1].id if self.resets else None

    def add(self, records: Sequence[Record], places: Callable[[], Sequence[int]] | None = None) -> None:
        """Fold more records in. `places` gives the place of each; called only where ids matter."""
        if not records:
            return
        if set(map(type, records)) == {Usage}:
            calls: Sequence[Usage] = records  # type: ignore[assignment]  # as was just seen
            without_id = [usage.id for usage in calls].count(None)
            if without_id == len(calls):
                self._count_whole(calls)
                return
            if not without_id:
                where = self.seen.number(calls) if places is None else places()
                self._count(self.seen.new_of(calls, where))
                return
        where = self.seen.number(records) if places is None else places()
        run: list[Usage] = []
        for record, place in zip(records, where, strict=True):
            if type(record) is Usage:
                if record.id is None or self.seen.is_new(record, place):
                    run.append(record)
                continue
            self._count(run)
            run = []
            self._control(record, place)
        self._count(run)

    def add_one(self, record: Record, place: int) -> None:
        """Fold one record in, which stands at `place`."""
        if type(record) is not Usage or self._listener is not None:
            self.add([record], lambda: [place])
        elif record.id is None:
            self.sums.add_one(record)
        elif self.seen.is_new(record, place):
            if continues(record):
                self._count([record])
            else:
                self.sums.add_one(record)

    def _count(self, calls: Sequence[Usage]) -> None:
        """Fold counted calls in; some may be the rest of an earlier call."""
        rests = [usage for usage in calls if continues(usage)]
        if not rests:
            self._count_whole(calls)
            return
        whole: list[Usage] = [usage for usage in calls if not continues(usage)]
        for usage in rests:
            prompt = self.seen.prompt_before(usage)
            if prompt is None:
                whole.append(usage)
            else:
                self.sums.add_rest(usage, prompt + usage.prompt_tokens)
                if self._listener is not None:
                    self._listener.counted([usage])
        self._count_whole(whole)

    def _count_whole(self, calls: Sequence[Usage]) -> None:
        if self._listener is not None:
            self._listener.counted(calls)
        self.sums.add(calls)

    def known(self, usage: Usage) -> bool | None:
        """Tell whether a call's id is known, as Deduplicator.known."""
        return self.seen.known(usage)

    def known_reservation(self, reserve: Reserve) -> bool | None:
        """Tell the same of a reservation; the time of expiry is no part of the content."""
        found = self.reservation(reserve.id)
        return None if found is None else same_content(found, reserve)

    def reservation(self, id: str) -> Reserve | None:
        """Return the reservation with an id, open or not; None for an unknown id."""
        return self.holds.get(id) or self.seen.reservation(id)

    def ending(self, reserve_id: str) -> Settle | Release | None:
        """Return the end of a reservation; None before the end."""
        return self.seen.ending(reserve_id)

    def _control(self, record: Record, place: int) -> None:
        if isinstance(record, Settle):
            self._settle(record, place)
        elif isinstance(record, Reserve):
            self._reserve(record, place)
        elif isinstance(record, Release):
            if self.seen.is_first_end(record, place):
                self.holds.remove(record.reserve)
        elif isinstance(record, Reset):
            self._reset(record)
        elif isinstance(record, UndoReset):
            self._undo(record)

    def _reserve(self, reserve: Reserve, place: int) -> None:
        known = self.known_reservation(reserve)
        if known is not None:
            if not known:
                self.seen.refuse("id_conflict")
            return
        self.seen.add_reservation(reserve, place)
        if self.ending(reserve.id) is not None:
            # It was settled before it came: its line was late, or its ledger is another now.
            return
        self.holds.add(reserve)

    def _settle(self, settle: Settle, place: int) -> None:
        if not self.seen.is_first_end(settle, place):
            return
        self.holds.remove(settle.reserve)
        if settle.id is None or self.seen.is_new(settle, place):
            self._count_whole([settle])

    def _reset(self, reset: Reset) -> None:
        if reset.id in self.reset_ids:
            return
        gone = {begin: groups for begin, c in self.cycles.items() if (groups := c.take(reset.agent_id))}
        self.sums.begin_anew()
        self.reset_ids.add(reset.id)
        self.resets.append(PastReset(reset.id, reset.agent_id, reset.timestamp, gone))

    def _undo(self, undo: UndoReset) -> None:
        if undo.reset != self.reset_id:
            self.seen.refuse("undo_without_reset")
            return
        self.sums.begin_anew()
        undone = self.resets.pop()
        self.reset_ids.remove(undone.id)
        for begin, groups in undone.groups.items():
            self.cycles[begin].bring_back(groups)
