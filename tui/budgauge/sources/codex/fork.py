"""Copied usage lines at the start of a forked Codex thread, told from the thread's own.

Forks and, in some versions, spawned sub-agents begin with a copy of the parent's history,
often under new timestamps. Two usage lines that are alike prove nothing by themselves: the
same prompt sent twice costs the same. What proves a copy is the run of them from the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from budgauge.sources.codex import line as codex_line
from budgauge.sources.codex.line import Line, SessionMeta
from budgauge.sources.codex.tokens import Tokens
from budgauge.sources.lines import other_lines

_IDLE = re.compile(rb'\{"timestamp":"[^"\\]{1,40}",(?:"ordinal":[0-9]{1,18},)?"type":"(?:response_item|compacted)"')
_MARKS = (b'"token_', b'"task_started"', b'"session_meta"')


class UsageMark(msgspec.Struct, frozen=True, gc=False):
    """The fields of a usage line by which copies are told from a thread's own."""

    key: int
    """A hash of its counts."""
    turn_started: float | None
    """When the turn that it stands in began, in unix seconds, as the line before it says."""
    total: Tokens | None = None
    """The thread's cumulative counts."""
    ordinal: int | None = None
    seconds: int | None = None
    """The line's own time in unix seconds."""


class Outline:
    """The usage lines of a rollout, in order."""

    def __init__(self) -> None:
        self.usage: list[UsageMark] = []
        self.holds_other_thread = False
        """Is another thread's `session_meta` in it?"""
        self.created: int | None = None
        """When the thread began, in unix seconds."""
        self.base_ordinal: int | None = None
        """The history before this ordinal stands in an earlier file."""
        self._thread: str | None = None
        self._turn_started: float | None = None

    def feed(self, data: bytes) -> None:
        """Read whole lines. Unreadable lines are left out."""
        for text in other_lines(data, _IDLE):
            if any(mark in text for mark in _MARKS):
                with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self._read(codex_line.line(text))

    def _read(self, line: Line) -> None:
        if line.type == "session_meta":
            self._meet(codex_line.session_meta(line.payload), line)
        elif line.type == "token_usage_record":
            record = codex_line.token_usage_record(line.payload)
            whole = record.thread_token_usage
            self._mark((record.response_id, record.usage.tokens), whole.tokens if whole else None, line)
        elif line.type == "event_msg":
            event = codex_line.event(line.payload)
            if event.type == "task_started" and isinstance(event.started_at, (int, float)):
                self._turn_started = float(event.started_at)
            elif event.type == "token_count" and (info := codex_line.token_info(event.info)) is not None:
                last = info.last_token_usage.tokens if info.last_token_usage else None
                total = info.total_token_usage
                self._mark((last, total.tokens, total.total_tokens), total.tokens, line)

    def _meet(self, meta: SessionMeta, line: Line) -> None:
        if self._thread is None:
            self._thread = meta.id or ""
            self.created = codex_line.unix_seconds(meta.timestamp) or line.seconds()
            self.base_ordinal = meta.base_ordinal
        elif meta.id != self._thread:
            self.holds_other_thread = True

    def _mark(self, key: object, total: Tokens | None, line: Line) -> None:
        self.usage.append(UsageMark(hash(key), self._turn_started, total, line.ordinal, line.seconds()))


class Copies(NamedTuple):
    """The number of copied usage lines at the start of a thread."""

    number: int
    unsure: bool = False
    """The only line so far is like the parent's first, which proves nothing: the next line tells."""


def count_copied(
    child: Outline, parents: Sequence[Sequence[UsageMark]], *, forked: bool, siblings: Iterable[Outline] = ()
) -> Copies:
    """Count the copied usage lines at the start of `child`. `forked`: the log calls the thread a fork.

    `parents` are the histories that the parent has had; a rewound one has several. `siblings` are earlier
    forks of a parent whose log is missing. A copy is in the run of lines that are alike, up to the child's
    own first turn, or in a turn that began before the child did.
    """
    older = _run([_is_older(mark, child.created) for mark in child.usage])
    alike = max((_alike(child, usage) for usage in parents), default=0)
    proven = forked or child.holds_other_thread or bool(older)
    for sibling in siblings:
        same = _alike(child, sibling.usage)
        # A first call alone may be like another thread's: the same prompt sent twice costs the same.
        if same > alike:
            alike, proven = same, child.holds_other_thread and sibling.holds_other_thread
    if proven or alike > 1:
        return Copies(max(alike, older))
    return Copies(older, unsure=alike == 1 == len(child.usage))


def _alike(child: Outline, usage: Sequence[UsageMark]) -> int:
    pairs = zip(child.usage, usage, strict=False)
    return _run([mine.key == theirs.key and not _is_newer(mine, child.created) for mine, theirs in pairs])


def history(pages: Sequence[Outline]) -> list[list[UsageMark]]:
    """Return a thread's usage lines as of each page's end. A later page replaces all from its own first ordinal on."""
    histories: list[list[UsageMark]] = []
    for page in pages:
        before = histories[-1] if histories else []
        histories.append([*cut(before, page.base_ordinal, page.created), *page.usage])
    return histories


def cut(usage: Sequence[UsageMark], ordinal: int | None, seconds: int | None) -> list[UsageMark]:
    """The usage lines before an ordinal, or up to a time (unix seconds) where lines have no ordinal."""
    return [mark for mark in usage if _is_before(mark, ordinal, seconds)]


def _is_before(mark: UsageMark, ordinal: int | None, seconds: int | None) -> bool:
    if ordinal is not None and mark.ordinal is not None:
        return mark.ordinal < ordinal
    return seconds is None or mark.seconds is None or mark.seconds <= seconds


def _run(holds: list[bool]) -> int:
    """Return how many are true from the start without a break."""
    return holds.index(False) if False in holds else len(holds)


def _is_older(mark: UsageMark, created: int | None) -> bool:
    return mark.turn_started is not None and created is not None and int(mark.turn_started) < created


def _is_newer(mark: UsageMark, created: int | None) -> bool:
    return mark.turn_started is not None and created is not None and int(mark.turn_started) > created
