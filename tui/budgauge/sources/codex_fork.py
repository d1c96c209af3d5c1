"""Which usage lines of a forked Codex thread are its parent's, copied into its file.

Forks and, in some versions, spawned sub-agents begin with a copy of the parent's history,
often under new timestamps. Two usage lines that are alike prove nothing by themselves: the
same prompt sent twice costs the same. What proves a copy is the run of them from the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from budgauge.sources import codex_line
from budgauge.sources.block import Block
from budgauge.sources.codex_line import Line, SessionMeta
from budgauge.sources.lines import other_lines

_IDLE = re.compile(rb'\{"timestamp":"[^"\\]{1,40}",(?:"ordinal":[0-9]{1,18},)?"type":"(?:response_item|compacted)"')
_MARKS = (b'"token_', b'"task_started"', b'"session_meta"')


class UsageMark(msgspec.Struct, frozen=True, gc=False):
    """One usage line, as far as it tells copies from a thread's own."""

    key: int
    """A hash of its counts."""
    turn_started: float | None
    """When the turn that it stands in began, in unix seconds, as the line before it says."""


class Outline:
    """The usage lines of a rollout, in order."""

    def __init__(self) -> None:
        self.usage: list[UsageMark] = []
        self.holds_other_thread = False
        """Is another thread's `session_meta` in it?"""
        self.created: int | None = None
        """When the thread began, in unix seconds."""
        self._thread: str | None = None
        self._turn_started: float | None = None

    def feed(self, data: bytes | bytearray, end: int) -> None:
        """Read whole lines, up to `end`. Lines that cannot be read are left out."""
        for text in other_lines(data, end, _IDLE):
            if any(mark in text for mark in _MARKS):
                with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self._read(codex_line.line(text))

    def _read(self, line: Line) -> None:
        if line.type == "session_meta":
            self._meet(codex_line.session_meta(line.payload), line)
        elif line.type == "token_usage_record":
            record = codex_line.token_usage_record(line.payload)
            self._mark((record.response_id, record.usage.tokens))
        elif line.type == "event_msg":
            event = codex_line.event(line.payload)
            if event.type == "task_started" and isinstance(event.started_at, (int, float)):
                self._turn_started = float(event.started_at)
            elif event.type == "token_count" and (info := codex_line.token_info(event.info)) is not None:
                last = info.last_token_usage.tokens if info.last_token_usage else None
                total = info.total_token_usage
                self._mark((last, total.tokens, total.total_tokens))

    def _meet(self, meta: SessionMeta, line: Line) -> None:
        if self._thread is None:
            self._thread = meta.id or ""
            self.created = codex_line.unix_seconds(meta.timestamp) or line.seconds()
        elif meta.id != self._thread:
            self.holds_other_thread = True

    def _mark(self, key: object) -> None:
        self.usage.append(UsageMark(hash(key), self._turn_started))


def outline(blocks: Iterable[Block], most: int | None = None) -> Outline:
    """The outline of a rollout given in blocks of whole lines; `most` usage lines are enough."""
    result = Outline()
    for data, end in blocks:
        result.feed(data, end)
        if most is not None and len(result.usage) >= most:
            break
    return result


def count_copied(child: Outline, parent: Outline | None, *, forked: bool) -> int:
    """How many usage lines at the start of `child` are copies. `forked`: it is said to be a fork.

    With the parent at hand it is the run of lines alike, up to the child's own first turn.
    Without, it is the lines in turns that began before the child itself did.
    """
    if parent is None:
        return _run([_is_older(mark, child.created) for mark in child.usage])
    alike = _run(
        [
            mine.key == theirs.key and not _is_newer(mine, child.created)
            for mine, theirs in zip(child.usage, parent.usage, strict=False)
        ]
    )
    proven = forked or child.holds_other_thread or any(_is_older(mark, child.created) for mark in child.usage[:alike])
    return alike if proven or alike > 1 else 0


def _run(holds: list[bool]) -> int:
    """How many hold from the start without a break."""
    return holds.index(False) if False in holds else len(holds)


def _is_older(mark: UsageMark, created: int | None) -> bool:
    return mark.turn_started is not None and created is not None and int(mark.turn_started) < created


def _is_newer(mark: UsageMark, created: int | None) -> bool:
    return mark.turn_started is not None and created is not None and int(mark.turn_started) > created
