"""A dry run: what would be booked, without writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from budgauge.ledger.booked import Booked
from budgauge.ledger.booking import Count, Outcome, among, more_than
from budgauge.records import Usage

_PACKED = Struct("=8Q")
"""Context, timestamp and counts of a call. As records, all calls of all logs would take twice the room."""

_Context = tuple[str, str, "str | None", "str | None", "str | None"]
"""Agent, model, session, project, source."""


class Trial:
    """Takes calls as a Booking does; what is new of them goes to `count` alone."""

    def __init__(self, booked: Booked, count: Count) -> None:
        """`booked` has been read."""
        self._booked = booked
        self._count = count
        self._packed: dict[str, bytes] = {}
        """id → the call, if it came once."""
        self._parts: dict[str, list[Usage]] = {}
        """id → what is booked of a call, in the ledger or because it came again and had grown."""
        self._contexts: dict[_Context, int] = {}
        self._context_list: list[_Context] = []

    def book(self, calls: Sequence[Usage]) -> list[Outcome]:
        """What would become of each."""
        new: list[Usage] = []
        outcomes = [self._book(call, new) for call in calls]
        self._count(new)
        return outcomes

    def holds(self, id: str) -> bool:
        """Would a call of this id be booked by now?"""
        return bool(self._known(id))

    def _book(self, call: Usage, new: list[Usage]) -> Outcome:
        assert call.id is not None
        call, parts = among(self._known, call)
        assert call.id is not None
        if not parts:
            self._packed[call.id] = self._pack(call)
            new.append(call)
            return "recorded"
        rest = more_than(call, parts)
        if rest is None:
            return "known" if parts[0].session == call.session else "replayed"
        self._parts[call.id] = [*parts, rest]
        new.append(rest)
        return "grown"

    def _known(self, id: str) -> Sequence[Usage]:
        if id in self._parts:
            return self._parts[id]
        packed = self._packed.get(id)
        return self._booked.parts(id) if packed is None else [self._unpack(id, packed)]

    def _pack(self, call: Usage) -> bytes:
        context = call.agent_id, call.model, call.session, call.project, call.source
        index = self._contexts.setdefault(context, len(self._contexts))
        if index == len(self._context_list):
            self._context_list.append(context)
        return _PACKED.pack(
            index,
            int(call.timestamp),
            call.prompt_tokens,
            call.completion_tokens,
            call.cached_tokens or 0,
            call.cache_write_tokens or 0,
            call.cache_write_1h_tokens or 0,
            call.reasoning_tokens or 0,
        )

    def _unpack(self, id: str, packed: bytes) -> Usage:
        index, timestamp, prompt, completion, cached, write, write_1h, reasoning = _PACKED.unpack(packed)
        agent_id, model, session, project, source = self._context_list[index]
        return Usage(
            agent_id,
            model,
            prompt,
            completion,
            prompt + completion,
            timestamp,
            cached_tokens=cached or None,
            cache_write_tokens=write or None,
            cache_write_1h_tokens=write_1h or None,
            reasoning_tokens=reasoning or None,
            id=id,
            session=session,
            project=project,
            source=source,
        )
