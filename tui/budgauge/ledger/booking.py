"""Calls from agents' logs into the ledger, each once: they were spent, so no budget is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from budgauge.errors import RecordError
from budgauge.ledger.booked import Booked, continued
from budgauge.records import VARIANT, Usage, check_record

if TYPE_CHECKING:
    from budgauge.ledger.append import LedgerWriter

Outcome = Literal["recorded", "grown", "known", "replayed", "set aside"]
"""What became of a call: new; booked before with less, of which the rest was added; booked before;
booked before for another session, which this one repeats; not fit to be written."""
_WITH_RELAYS = "claude-code"
"""The source whose ids come from whoever serves the model; others' are made of their own threads' ids."""
_AT_ONCE = 100
"""Calls recorded under one lock: few enough that nobody waits long for it."""


Count = Callable[[Sequence[Usage]], None]


def uncounted(_new: Sequence[Usage]) -> None:
    """Nobody wants to know what is new."""


class Booking:
    """Books calls by their ids. Used by one thread at a time; any number of processes may book the same calls."""

    def __init__(
        self,
        ledger: Path,
        *,
        sync: bool = False,
        cache: Path | None = None,
        count: Count = uncounted,
        timeout: float | None = None,
    ) -> None:
        """With `sync`, what was booked is on the disk before `book` returns. `cache` is as for Booked.

        `timeout` is how many seconds the lock is waited for, if not the usual time.
        `count` is told of each record that was written.
        """
        self.booked = Booked(ledger, cache)
        self._sync = sync
        self._timeout = timeout
        self._writer: LedgerWriter | None = None
        self._count = count

    def book(self, calls: Sequence[Usage]) -> list[Outcome]:
        """Bring calls, which all have an id and a source, into the ledger; what became of each, in their order.

        Raises what LedgerWriter raises; what was not booked then is booked when it is tried again.
        """
        outcomes: list[Outcome] = []
        if self._writer is None:
            self._writer = _writer(self.booked, self._sync, self._timeout)
        for begin in range(0, len(calls), _AT_ONCE):
            new: list[Usage] = []
            with self._writer as ledger:
                outcomes += [self._book(ledger, call, new) for call in calls[begin : begin + _AT_ONCE]]
            written = ledger.written()
            error = written.bring_to_disk() if written else None
            if written and error:
                raise written.take_back(error) from error
            self._count(new)
        return outcomes

    def holds(self, id: str) -> bool:
        """Is a call of this id booked, as far as is known? Raises LedgerReadError."""
        if not self.booked.exists:
            self.booked.refresh()
        return bool(self.booked.parts(id))

    def _book(self, ledger: LedgerWriter, call: Usage, new: list[Usage]) -> Outcome:
        assert call.id is not None
        call, parts = among(self.booked.parts, call)
        rest = more_than(call, parts) if parts else call
        if rest is None:
            return "known" if parts[0].session == call.session else "replayed"
        try:
            check_record(rest)
        except RecordError:
            return "set aside"
        ledger.append(rest)
        new.append(rest)
        return "grown" if parts else "recorded"


def _writer(booked: Booked, sync: bool, timeout: float | None) -> LedgerWriter:
    # Loaded here: most runs find nothing new.
    from budgauge.ledger.append import LOCK_TIMEOUT_SECONDS, LedgerWriter

    return LedgerWriter(booked, sync=sync, timeout=LOCK_TIMEOUT_SECONDS if timeout is None else timeout)


def among(parts_of: Callable[[str], Sequence[Usage]], call: Usage) -> tuple[Usage, Sequence[Usage]]:
    """A call under the id that it is or shall be booked by, and what is booked of it.

    Some relays give every answer one id: where it is booked for somebody else with another
    prompt, this is another call. A copy of a call repeats its counts.
    """
    assert call.id is not None
    id, variant, _ = call.id.partition(VARIANT)
    parts = parts_of(id)
    if variant:
        is_first = any(
            (one.prompt_tokens, one.completion_tokens) == (call.prompt_tokens, call.completion_tokens)
            for one in parts[:1]
        )
        return (msgspec.structs.replace(call, id=id), parts) if is_first else (call, parts_of(call.id))
    if parts and _is_another(call, parts):
        own = f"{id}{VARIANT}{call.prompt_tokens}.{call.completion_tokens}"
        return msgspec.structs.replace(call, id=own), parts_of(own)
    return call, parts


def _is_another(call: Usage, parts: Sequence[Usage]) -> bool:
    if call.source != _WITH_RELAYS or call.session == parts[0].session:
        return False
    return call.prompt_tokens not in (parts[0].prompt_tokens, sum(part.prompt_tokens for part in parts))


def more_than(call: Usage, parts: Sequence[Usage]) -> Usage | None:
    """What a call spent beyond what is booked of it, as the record to add; None if nothing.

    Each kind of token on its own: of two copies of a call the larger figure is the later one. It
    belongs to the agent, the session and the moment for which the call was booked.
    """
    assert call.id is not None
    booked = [sum(column) for column in zip(*map(_kinds, parts), strict=True)]
    fresh, cached, write, write_1h, completion, reasoning = (
        max(0, now - before) for now, before in zip(_kinds(call), booked, strict=True)
    )
    prompt = fresh + cached + write
    if not prompt + completion:
        return None
    return msgspec.structs.replace(
        parts[0],
        id=continued(call.id, len(parts) + 1),
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cached_tokens=cached or None,
        cache_write_tokens=write or None,
        cache_write_1h_tokens=min(write_1h, write) or None,
        reasoning_tokens=min(reasoning, completion) or None,
    )


def _kinds(call: Usage) -> Iterator[int]:
    """Fresh, read from cache, written to cache, of that for an hour, completion, of that reasoning."""
    cached, write = call.cached_tokens or 0, call.cache_write_tokens or 0
    yield call.prompt_tokens - cached - write
    yield from (cached, write, call.cache_write_1h_tokens or 0)
    yield from (call.completion_tokens, call.reasoning_tokens or 0)
