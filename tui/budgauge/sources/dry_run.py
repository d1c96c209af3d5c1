"""A dry run of an import: nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from budgauge.accounting.records import Usage
from budgauge.ledger.ledger import Ledger
from budgauge.ledger.pages import entry
from budgauge.sources.importer import Count, Outcome, outcome_of

_PACKED = Struct("=8Q")
"""Context, timestamp and counts of a call. As records, all calls of all logs would take twice the room."""

_Context = tuple[str, str, "str | None", "str | None", "str | None"]
"""Agent, model, session, project, source."""


class DryRun:
    """An importer without a ledger to write to: new calls go to `count` alone."""

    def __init__(self, ledger: Ledger, count: Count) -> None:
        """`ledger` must have been refreshed, and keep all ids."""
        self._ledger = ledger
        self._count = count
        self._packed: dict[str, bytes] = {}
        """id → the record that would be written."""
        self._ids: dict[str, str] = {}
        """alias → id"""
        self._aliases: dict[str, str] = {}
        self._contexts: dict[_Context, int] = {}
        self._context_list: list[_Context] = []

    def book(self, calls: Sequence[Usage]) -> list[Outcome]:
        """Return the outcome of each call."""
        new: list[Usage] = []
        outcomes = [self._book(call, new) for call in calls]
        self._count(new)
        return outcomes

    def holds(self, id: str) -> bool:
        """Return True if a call of this id would be recorded by now."""
        return self._find(id) is not None

    def _book(self, call: Usage, new: list[Usage]) -> Outcome:
        found = entry(call, self._find)
        for line in found.lines:
            assert line.id is not None
            self._packed[line.id] = self._pack(line)
            if line.alias is not None:
                self._ids[line.alias], self._aliases[line.id] = line.id, line.alias
        new += found.lines
        return outcome_of(call, found)

    def _find(self, name: str) -> Usage | None:
        known = self._ledger.find(name)
        if known is not None:
            return known
        id = name if name in self._packed else self._ids.get(name)
        return None if id is None else self._unpack(id, self._packed[id])

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
            alias=self._aliases.get(id),
            session=session,
            project=project,
            source=source,
        )
