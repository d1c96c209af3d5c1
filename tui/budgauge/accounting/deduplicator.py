"""The rule that each call, reservation and end of one counts once, by its ids. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from budgauge.accounting.continuation import earlier_ids
from budgauge.accounting.id_index import IdIndex
from budgauge.accounting.records import Record, Release, Reserve, Settle, Usage, same_content

KNOWN_IDS = 100_000
"""How many of the latest ids are known."""
_END = "\0end"
_ENDS = (Settle, Release)

Recall = Callable[[int], "Record | None"]
"""place → the record that stands there; None if there is none."""


class Listener(Protocol):
    """A reader of single calls, beside the sums."""

    def begin_anew(self) -> None:
        """Forget every call: the ledger is read afresh."""

    def counted(self, calls: Sequence[Usage]) -> None:
        """Take calls that count, in the ledger's order."""

    def dropped(self, call: Usage, *, is_conflict: bool) -> None:
        """Take a call dropped as a copy of another, or as a conflict with one."""


class Deduplicator:
    """All ids seen, and the meaning of a record with a known id."""

    def __init__(
        self, recall: Recall | None = None, *, keeps_all_ids: bool = False, listener: Listener | None = None
    ) -> None:
        """`recall` gives the record at a place. Without `recall`, the latest records with ids are kept in memory.

        With `keeps_all_ids`, `find` also finds calls older than the latest KNOWN_IDS.
        """
        self.call_ids = IdIndex(KNOWN_IDS, keeps_all=keeps_all_ids)
        self.reservation_ids = IdIndex(KNOWN_IDS)
        """Ids of reservations, and of those that ended."""
        self.set_aside: dict[str, int] = {}
        """kind of fault → records that decode but cannot count."""
        self._listener = listener
        self._kept: dict[int, Record] = {}
        self._next_place = 0
        self._recall = recall or self._kept.get

    def known(self, usage: Usage) -> bool | None:
        """Tell whether a record's id is known: True with the same content, False with other, None for a new one."""
        if usage.id is None:
            return None
        found = self._call_at(usage.id)[1]
        if found is None and usage.alias is not None:
            found = self._call_at(usage.alias)[1]
        return None if found is None else same_content(found, usage)

    def find(self, name: str) -> Usage | None:
        """Return the first counted call with an id or alias."""
        found = None
        for place in self.call_ids.all_places(self.call_ids.digest(name)) if self.call_ids.count else ():
            found = self._named(name, place) or found
        return found

    def _call_at(self, id: str) -> tuple[int, Usage | None]:
        """Where the latest call with an id or alias stands, and the call; (-1, None) if there is none."""
        for place in self.call_ids.places(self.call_ids.digest(id)):
            if (call := self._named(id, place)) is not None:
                return place, call
        return -1, None

    def _named(self, name: str, place: int) -> Usage | None:
        record = self._recall(place)
        return record if isinstance(record, Usage) and name in (record.id, record.alias) else None

    def reservation(self, id: str) -> Reserve | None:
        """Return the reservation with an id, open or not; None for an unknown id."""
        for place in self.reservation_ids.places(self.reservation_ids.digest(id)):
            if isinstance(record := self._recall(place), Reserve) and record.id == id:
                return record
        return None

    def ending(self, reserve_id: str) -> Settle | Release | None:
        """Return the end of a reservation; None before the end."""
        for place in self.reservation_ids.places(self._end_digest(reserve_id)):
            if isinstance(record := self._recall(place), _ENDS) and record.reserve == reserve_id:
                return record
        return None

    def _end_digest(self, reserve_id: str) -> int:
        """The hash of a reservation's id as an end, not to be taken for its beginning."""
        return self.reservation_ids.digest(f"{reserve_id}{_END}")

    def number(self, records: Sequence[Record]) -> Sequence[int]:
        """Give records places in memory; the latest are kept there."""
        places = []
        for record in records:
            places.append(self._next_place)
            if type(record) is Usage and record.id is None:
                continue
            self._kept[self._next_place] = record
            self._kept.pop(self._next_place - 3 * KNOWN_IDS, None)
            self._next_place += 1
        return places

    def new_of(self, calls: Sequence[Usage], places: Sequence[int]) -> Sequence[Usage]:
        """Note calls, all with ids; return the new ones."""
        if any(usage.alias is not None for usage in calls):
            return [usage for usage, place in zip(calls, places, strict=True) if self.is_new(usage, place)]
        digest = self.call_ids.digest
        digests = [digest(usage.id) for usage in calls]  # type: ignore[arg-type]  # all have one
        index = self.call_ids.add_new(digests, places, 0)
        if index == len(calls):
            return calls
        new = list(calls[:index])
        while index < len(calls):
            if self.is_new(calls[index], places[index]):
                new.append(calls[index])
            begin = index + 1
            index = self.call_ids.add_new(digests, places, begin)
            new += calls[begin:index]
        return new

    def is_new(self, usage: Usage, place: int) -> bool:
        """Note a call with an id; False for a known id: the call must not count."""
        known = self.known(usage)
        if known is not None:
            self._drop(usage, "" if known else "id_conflict")
            return False
        assert usage.id is not None
        self.call_ids.add(self.call_ids.digest(usage.id), place)
        if usage.alias is not None:
            self.call_ids.add(self.call_ids.digest(usage.alias), place)
        return True

    def add_reservation(self, reserve: Reserve, place: int) -> None:
        """Note a reservation whose id is new."""
        self.reservation_ids.add(self.reservation_ids.digest(reserve.id), place)

    def is_first_end(self, record: Settle | Release, place: int) -> bool:
        """Note the end of a reservation; False if the reservation had ended before."""
        before = self.ending(record.reserve)
        if before is not None:
            self._drop(record, "" if same_content(before, record) else "second_end")
            return False
        self.reservation_ids.add(self._end_digest(record.reserve), place)
        return True

    def prompt_before(self, usage: Usage) -> int | None:
        """Return the prompt of the earlier parts of a call, found by id: for `x#3` those of `x` and `x#2`."""
        names = earlier_ids(usage)
        if names is None:
            return None
        prompt, own_place = 0, self._call_at(usage.id or "")[0]
        for name in names:
            place, before = self._call_at(name)
            # One that comes later may be known already: how many records are read at once must not matter.
            if before is None or place >= own_place:
                return None
            if (before.agent_id, before.model) != (usage.agent_id, usage.model):
                return None
            prompt += before.prompt_tokens
        return prompt

    def refuse(self, kind: str) -> None:
        """Note a record as refused, by the kind of fault."""
        self.set_aside[kind] = self.set_aside.get(kind, 0) + 1

    def _drop(self, record: Usage | Release, fault: str) -> None:
        if fault:
            self.refuse(fault)
        if self._listener is not None and isinstance(record, Usage):
            self._listener.dropped(record, is_conflict=bool(fault))

    def copy_from(self, other: Deduplicator) -> None:
        """Take over another's ids and kept records."""
        for mine, theirs in ((self.call_ids, other.call_ids), (self.reservation_ids, other.reservation_ids)):
            data = theirs.dump()
            mine.load_later(theirs.count, lambda data=data: data)  # type: ignore[misc]  # bound at once
        self.set_aside = dict(other.set_aside)
        self._next_place = other._next_place
        self._kept.update(other._kept)
