"""Sums of what a collector has recorded, by source, agent and model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from budgauge.records import Usage
from budgauge.sources.report import AgentTotal, ModelTotal, Report, SourceTotal


class _Sum(msgspec.Struct):
    used: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    total: int = 0
    calls: int = 0
    last_used: float | None = None

    def add(self, call: Usage, used: int) -> None:
        self.used += used
        self.prompt += call.prompt_tokens
        self.completion += call.completion_tokens
        self.cached += call.cached_tokens or 0
        self.total += call.total_tokens
        self.calls += 1
        self.last_used = call.timestamp if self.last_used is None else max(self.last_used, call.timestamp)


class Tally:
    """Grows with every call; `report` gives it out frozen."""

    def __init__(self, counted: Callable[[int, int], int]) -> None:
        """`counted` says what of (total, cached) tokens a budget counts."""
        self._counted = counted
        self._all = _Sum()
        self._agents: dict[str, _Sum] = {}
        self._models: dict[str, _Sum] = {}
        self._calls: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self._set_aside: Counter[str] = Counter()

    def add(self, source: str, call: Usage) -> None:
        """A call was recorded."""
        used = self._counted(call.total_tokens, call.cached_tokens or 0)
        self._calls[source] += 1
        self._all.add(call, used)
        self._agents.setdefault(call.agent_id, _Sum()).add(call, used)
        self._models.setdefault(call.model, _Sum()).add(call, used)

    def known(self, source: str) -> None:
        """A call was recorded before."""
        self._known[source] += 1

    def set_aside(self, source: str) -> None:
        """A call could not be recorded."""
        self._set_aside[source] += 1

    def report(self, sources: Iterable[SourceTotal], notes: tuple[str, ...], trouble: str | None) -> Report:
        """All sums, with what the sources themselves know."""
        return Report(
            records=self._all.calls,
            total_tokens=self._all.total,
            prompt_tokens=self._all.prompt,
            completion_tokens=self._all.completion,
            cached_tokens=self._all.cached,
            agents=tuple(_agent(name, row) for name, row in _most_used_first(self._agents)),
            models=tuple(_model(name, row) for name, row in _most_used_first(self._models)),
            sources=tuple(self._source(source) for source in sources),
            notes=notes,
            trouble=trouble,
        )

    def _source(self, source: SourceTotal) -> SourceTotal:
        return msgspec.structs.replace(
            source,
            calls=self._calls[source.name],
            duplicates=source.duplicates + self._known[source.name],
            set_aside=source.set_aside + self._set_aside[source.name],
        )


def _most_used_first(sums: dict[str, _Sum]) -> list[tuple[str, _Sum]]:
    return sorted(sums.items(), key=lambda item: (-item[1].used, item[0]))


def _agent(name: str, row: _Sum) -> AgentTotal:
    return AgentTotal(
        agent_id=name,
        used=row.used,
        prompt_tokens=row.prompt,
        completion_tokens=row.completion,
        cached_tokens=row.cached,
        calls=row.calls,
        last_used=row.last_used,
    )


def _model(name: str, row: _Sum) -> ModelTotal:
    return ModelTotal(
        model=name,
        used=row.used,
        prompt_tokens=row.prompt,
        completion_tokens=row.completion,
        cached_tokens=row.cached,
    )
