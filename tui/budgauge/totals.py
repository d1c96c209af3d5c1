"""The fold: records, in file order, to sums by agent, model and price bucket. Pure; reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from budgauge.records import Record, Release, Reserve, Reset, Settle, UndoReset, Usage

KNOWN_IDS = 100_000
"""How many of the latest ids are known."""
KEPT_MINUTES = 1440
"""How many minutes that saw usage are kept for rates."""

Bucket = tuple[int, int]
"""Which price a call has: (price period, long-prompt tier) of its model."""
BucketOf = Callable[[str], Callable[[int, float], Bucket] | None]
"""model → (prompt tokens, unix seconds) → bucket; None where a model has one price."""

PLAIN: Bucket = (0, 0)


class Sums(msgspec.Struct):
    """Sums of calls; all but `calls` and `last_used` are tokens."""

    calls: int = 0
    prompt: int = 0
    completion: int = 0
    total: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    last_used: float = 0.0
    """Unix seconds of the latest call."""

    def add(self, other: Sums) -> None:
        """Add what another counted."""
        self.calls += other.calls
        self.prompt += other.prompt
        self.completion += other.completion
        self.total += other.total
        self.cached += other.cached
        self.cache_write += other.cache_write
        self.cache_write_1h += other.cache_write_1h
        self.last_used = max(self.last_used, other.last_used)


def sum_of(parts: Iterable[Sums]) -> Sums:
    """All that several sums counted."""
    whole = Sums()
    for part in parts:
        whole.add(part)
    return whole


GroupKey = tuple[str, str, Bucket]
"""(agent id, model, price bucket)."""


class PastReset(msgspec.Struct, frozen=True):
    """A reset that can be undone, with what it set aside."""

    id: str
    agent_id: str | None
    timestamp: float
    groups: dict[GroupKey, Sums]


class Totals:
    """What a ledger adds up to so far. Add records in file order; read the sums at any time."""

    def __init__(self, bucket_of: BucketOf = lambda _model: None) -> None:
        self.groups: dict[GroupKey, Sums] = {}
        """Sums since the last reset."""
        self.spent: dict[str, tuple[int, int]] = {}
        """(total, cached) tokens of each agent since the last reset."""
        self.spent_by_all: tuple[int, int] = (0, 0)
        """(total, cached) tokens of everyone since the last reset."""
        self.minutes: dict[int, tuple[int, int]] = {}
        """unix minute → (total, cached) tokens, resets or not."""
        self.resets: list[PastReset] = []
        """Resets not undone, oldest first."""
        self.flagged: dict[str, int] = {}
        """kind of oddity → records that had it, all counted."""
        self.set_aside: dict[str, int] = {}
        """kind of fault → records that decode but cannot count."""
        self._ids: dict[str, int] = {}
        self._reset_ids: set[str] = set()
        self._bucket_of = bucket_of

    @property
    def since(self) -> float | None:
        """Unix seconds of the last reset of everyone, if any."""
        return next((r.timestamp for r in reversed(self.resets) if r.agent_id is None), None)

    @property
    def reset_id(self) -> str | None:
        """The id of the last reset not undone."""
        return self.resets[-1].id if self.resets else None

    def add(self, records: Iterable[Record]) -> None:
        """Fold more records in."""
        for record in records:
            if isinstance(record, Usage):
                self._add_usage(record)
            elif isinstance(record, Reset):
                self._reset(record)
            elif isinstance(record, UndoReset):
                self._undo(record)
            elif isinstance(record, (Reserve, Release)):
                self._flag("reservation")

    def known(self, usage: Usage) -> bool | None:
        """Is this record's id known? True with the same content, False with other, None if it is new."""
        digest = self._ids.get(usage.id) if usage.id is not None else None
        return None if digest is None else digest == _digest(usage)

    def _add_usage(self, usage: Usage) -> None:
        if usage.id is not None and not self._remember(usage):
            return
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        cached, write, write_1h = usage.cached_tokens or 0, usage.cache_write_tokens or 0, 0
        total = usage.total_tokens
        if total != prompt + completion:
            self._flag("total_mismatch")
            total = max(total, prompt + completion)
        if cached or write or usage.cache_write_1h_tokens or usage.reasoning_tokens:
            cached, write, write_1h = self._clip(usage)
        bucket_at = self._bucket_of(usage.model)
        bucket = bucket_at(prompt, usage.timestamp) if bucket_at else PLAIN
        key = (usage.agent_id, usage.model, bucket)
        sums = self.groups.get(key)
        if sums is None:
            sums = self.groups[key] = Sums()
        sums.calls += 1
        sums.prompt += prompt
        sums.completion += completion
        sums.total += total
        sums.cached += cached
        sums.cache_write += write
        sums.cache_write_1h += write_1h
        if usage.timestamp > sums.last_used:
            sums.last_used = usage.timestamp
        self._spend(usage.agent_id, total, cached)
        self._tick(int(usage.timestamp) // 60, total, cached)

    def _clip(self, usage: Usage) -> tuple[int, int, int]:
        """(cached, written, written for an hour), none larger than what it is part of."""
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        write = min(usage.cache_write_tokens or 0, usage.prompt_tokens - cached)
        write_1h = min(usage.cache_write_1h_tokens or 0, write)
        given = (usage.cached_tokens or 0, usage.cache_write_tokens or 0, usage.cache_write_1h_tokens or 0)
        if given != (cached, write, write_1h) or (usage.reasoning_tokens or 0) > usage.completion_tokens:
            self._flag("parts_clipped")
        return cached, write, write_1h

    def _tick(self, minute: int, total: int, cached: int) -> None:
        before, before_cached = self.minutes.get(minute, (0, 0))
        self.minutes[minute] = (before + total, before_cached + cached)
        if len(self.minutes) > 2 * KEPT_MINUTES:
            # By age, not by key: one line from the future must not push out the present.
            for old in list(self.minutes)[:KEPT_MINUTES]:
                del self.minutes[old]

    def _remember(self, usage: Usage) -> bool:
        """Note the record's id; False if it must not count because the id is known."""
        known = self.known(usage)
        if known is not None:
            if not known:
                self.set_aside["id_conflict"] = self.set_aside.get("id_conflict", 0) + 1
            return False
        assert usage.id is not None
        self._ids[usage.id] = _digest(usage)
        if len(self._ids) > KNOWN_IDS:
            del self._ids[next(iter(self._ids))]
        return True

    def _reset(self, reset: Reset) -> None:
        if reset.id in self._reset_ids:
            return
        gone = self._take_all() if reset.agent_id is None else self._take(reset.agent_id)
        self._reset_ids.add(reset.id)
        self.resets.append(PastReset(reset.id, reset.agent_id, reset.timestamp, gone))

    def _take_all(self) -> dict[GroupKey, Sums]:
        gone, self.groups, self.spent, self.spent_by_all = self.groups, {}, {}, (0, 0)
        return gone

    def _take(self, agent_id: str) -> dict[GroupKey, Sums]:
        spent = self.spent.pop(agent_id, None)
        if spent is None:
            return {}
        gone = {key: sums for key, sums in self.groups.items() if key[0] == agent_id}
        for key in gone:
            del self.groups[key]
        total, cached = self.spent_by_all
        self.spent_by_all = (total - spent[0], cached - spent[1])
        return gone

    def _undo(self, undo: UndoReset) -> None:
        if undo.reset != self.reset_id:
            self.set_aside["undo_without_reset"] = self.set_aside.get("undo_without_reset", 0) + 1
            return
        undone = self.resets.pop()
        self._reset_ids.remove(undone.id)
        for key, sums in undone.groups.items():
            self.groups.setdefault(key, Sums()).add(sums)
            self._spend(key[0], sums.total, sums.cached)

    def _spend(self, agent_id: str, total: int, cached: int) -> None:
        spent, spent_cached = self.spent.get(agent_id, (0, 0))
        self.spent[agent_id] = (spent + total, spent_cached + cached)
        spent, spent_cached = self.spent_by_all
        self.spent_by_all = (spent + total, spent_cached + cached)

    def _flag(self, kind: str) -> None:
        self.flagged[kind] = self.flagged.get(kind, 0) + 1


def _digest(usage: Usage) -> int:
    """A number that tells contents apart, the timestamp aside."""
    return hash(
        (
            usage.agent_id,
            usage.model,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.cached_tokens or 0,
            usage.cache_write_tokens or 0,
            usage.cache_write_1h_tokens or 0,
            usage.reasoning_tokens or 0,
            usage.session,
            usage.project,
            usage.source,
            usage.reserve if isinstance(usage, Settle) else None,
        )
    )
