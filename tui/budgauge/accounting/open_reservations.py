"""Reservations without an end: tokens held at a moment, known in a few steps. Pure; reads no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from budgauge.accounting.family import families_of
from budgauge.accounting.records import Reserve
from budgauge.config.name import same_name

KEPT_IDLE = 100_000
"""Twice as many reservations that hold nothing are kept at most; then the half that expires first is forgotten."""
_SPARE = 64
"""Entries of ended reservations that a queue may always have."""

_Entry = tuple[float, int, Reserve]
"""(when its turn comes, a number that no other entry has, the reservation)."""


class OpenReservations:
    """Reservations neither settled nor released.

    One holds its tokens until it expires; expired ones, and those of 0 tokens, hold nothing. The
    sums are those of the moment given to `move_to`, which may go back, too. Every call takes the
    same few steps however many reservations there are, seen over many calls.
    """

    def __init__(self, reserves: Iterable[Reserve] = ()) -> None:
        self.tokens = 0
        """Counted tokens held by everyone."""
        self.by_agent: dict[str, int] = {}
        """Counted tokens held, by agent; only agents that hold some."""
        self.by_name: dict[str, int] = {}
        """The same by the form in which names are compared."""
        self.by_family: dict[str, int] = {}
        """Counted tokens held, by family key (`a/*`)."""
        self._now = 0.0
        self._holding: dict[str, Reserve] = {}
        self._idle: dict[str, Reserve] = {}
        self._number = 0
        self._to_expire: list[_Entry] = []
        """A heap of those that hold something: the first to expire comes first."""
        self._to_return: list[_Entry] = []
        """A heap of expired ones: the last to expire comes first, for a clock that is put back."""
        for reserve in reserves:
            self.add(reserve)

    def __len__(self) -> int:
        return len(self._holding) + len(self._idle)

    def __iter__(self) -> Iterator[str]:
        yield from self._holding
        yield from self._idle

    def __contains__(self, reserve_id: object) -> bool:
        return reserve_id in self._holding or reserve_id in self._idle

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OpenReservations):
            return NotImplemented
        return {**self._holding, **self._idle} == {**other._holding, **other._idle}

    __hash__ = None  # type: ignore[assignment]  # they change

    def values(self) -> list[Reserve]:
        """All of them."""
        return [*self._holding.values(), *self._idle.values()]

    def get(self, reserve_id: str) -> Reserve | None:
        """The open reservation with this id."""
        return self._holding.get(reserve_id) or self._idle.get(reserve_id)

    @property
    def next_expiry(self) -> float | None:
        """Unix seconds of the next expiry of a reservation with tokens."""
        queue = self._to_expire
        while queue and self._holding.get(queue[0][2].id) is not queue[0][2]:
            heappop(queue)
        return queue[0][0] if queue else None

    def add(self, reserve: Reserve) -> None:
        """Add a reservation with a new id."""
        if reserve.tokens and reserve.expires > self._now:
            self._hold(reserve)
        else:
            self._rest(reserve)

    def remove(self, reserve_id: str) -> None:
        """Remove an ended reservation, if known here."""
        reserve = self._holding.pop(reserve_id, None)
        if reserve is not None:
            self._sum(reserve, -reserve.tokens)
        else:
            self._idle.pop(reserve_id, None)

    def move_to(self, now: float) -> OpenReservations:
        """Move the sums to a moment in unix seconds; return the reservations."""
        if now > self._now:
            self._now = now
            while self._to_expire and self._to_expire[0][0] <= now:
                reserve = heappop(self._to_expire)[2]
                if self._holding.get(reserve.id) is reserve:
                    del self._holding[reserve.id]
                    self._sum(reserve, -reserve.tokens)
                    self._rest(reserve)
        elif now < self._now:
            self._now = now
            while self._to_return and -self._to_return[0][0] > now:
                reserve = heappop(self._to_return)[2]
                if self._idle.get(reserve.id) is reserve:
                    del self._idle[reserve.id]
                    self._hold(reserve)
        return self

    def _hold(self, reserve: Reserve) -> None:
        self._holding[reserve.id] = reserve
        self._sum(reserve, reserve.tokens)
        self._queue(self._to_expire, reserve.expires, reserve, self._holding)

    def _rest(self, reserve: Reserve) -> None:
        self._idle[reserve.id] = reserve
        if reserve.tokens:
            self._queue(self._to_return, -reserve.expires, reserve, self._idle)
        if len(self._idle) > 2 * KEPT_IDLE:
            lasting = sorted(self._idle.values(), key=lambda idle: idle.expires)[-KEPT_IDLE:]
            self._idle = {idle.id: idle for idle in lasting}

    def _queue(self, queue: list[_Entry], turn: float, reserve: Reserve, waiting: dict[str, Reserve]) -> None:
        self._number += 1
        heappush(queue, (turn, self._number, reserve))
        if len(queue) > 2 * len(waiting) + _SPARE:
            queue[:] = [entry for entry in queue if waiting.get(entry[2].id) is entry[2]]
            heapify(queue)

    def _sum(self, reserve: Reserve, tokens: int) -> None:
        self.tokens += tokens
        _add(self.by_agent, reserve.agent_id, tokens)
        name = same_name(reserve.agent_id)
        _add(self.by_name, name, tokens)
        for family in families_of(name):
            _add(self.by_family, family, tokens)


def _add(sums: dict[str, int], key: str, tokens: int) -> None:
    """Add to a sum, and forget a sum of 0: names must not pile up."""
    left = sums.get(key, 0) + tokens
    if left:
        sums[key] = left
    else:
        del sums[key]
