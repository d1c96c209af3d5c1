"""One Codex thread's rollout: lines in, calls out.

Newer rollouts have one `token_usage_record` a response; older ones only `token_count`, which
restates a cumulative total whenever anything about rate limits changes. One kind is counted
in a file: `token_count` by its growth until the first `token_usage_record`, then those alone.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from budgauge.errors import RecordError
from budgauge.records import MAX_COUNT, Usage
from budgauge.sources import codex_line
from budgauge.sources.codex_line import NO_TOKENS, Line, SessionMeta, TokenInfo, Tokens, TokenUsageRecord
from budgauge.sources.lines import marked_lines
from budgauge.sources.name import UNKNOWN, fit_name, fit_text

SOURCE = "codex"
USAGE_MARKS = (b'"token_count"', b'"token_usage_record"')
_MARKS = (b'"token_', b'"turn_context"')
_FIRST_MARKS = (*_MARKS, b'"session_meta"')


def no_copies(meta: SessionMeta) -> int:
    """The count of copied lines for threads that copied nothing."""
    return 0


class Rollout:
    """What is known of one thread after the lines read so far. Give it each line once, in order."""

    def __init__(self, thread: str, *, copied: Callable[[SessionMeta], int] = no_copies, seconds: int = 0) -> None:
        """`thread` is the id in the file's name, and `seconds` a time, for files that do not say.

        `copied` tells how many usage lines at the start are the parent's history. It is asked
        when a line goes beyond what it said, until one is the thread's own.
        """
        self.thread = thread
        self.meta: SessionMeta | None = None
        self.duplicates = 0
        """Lines that restate a call already counted."""
        self.replayed = 0
        """Lines copied from a parent's history."""
        self.set_aside = 0
        """Lines that cannot be read or must not be written."""
        self.disagrees = False
        """Do the calls not add up to the thread's own total?"""
        self._copied_in = copied
        self._copied = 0
        self._own_seen = False
        self._session = fit_text(thread)
        self._agent_id = SOURCE
        self._model = UNKNOWN
        self._project: str | None = None
        self._seconds = seconds
        self._usage_lines = 0
        self._calls = 0
        self._total: Tokens | None = None
        self._growth: Tokens = NO_TOKENS
        self._window_full = False
        self._records = False
        self._last_record: TokenUsageRecord | None = None

    def feed(self, data: bytes) -> list[Usage]:
        """The calls in these whole lines, each ending in a newline."""
        calls: list[Usage] = []
        for text in marked_lines(data, _MARKS if self.meta else _FIRST_MARKS):
            try:
                call = self._read(codex_line.line(text))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RecordError):
                self.set_aside += 1
                continue
            if call is not None:
                calls.append(call)
        return calls

    def _read(self, line: Line) -> Usage | None:
        seconds = line.seconds()
        if seconds is not None:
            self._seconds = seconds
        if line.type == "event_msg":
            return self._event(line)
        if line.type == "token_usage_record":
            return self._usage_record(line, codex_line.token_usage_record(line.payload))
        if line.type == "turn_context":
            model = codex_line.turn_context(line.payload).model
            self._model = fit_name(model, self._model)
        elif line.type == "session_meta" and self.meta is None:
            self._begin(codex_line.session_meta(line.payload))
        return None

    def _begin(self, meta: SessionMeta) -> None:
        self.thread = meta.id or self.thread
        self.meta = meta = msgspec.structs.replace(meta, id=self.thread)
        self._session = fit_text(self.thread)
        self._project = fit_text(meta.cwd)
        if meta.role:
            self._agent_id = fit_name(f"{SOURCE}/{meta.role}")

    def _is_copy(self, line: Line, thread: str | None = None) -> bool:
        """Is this usage line, the latest, part of a parent's history? `thread` is whose it says to be."""
        start = self.meta.subagent_history_start_ordinal if self.meta else None
        if start is not None and line.ordinal is not None and line.ordinal < start:
            return True
        if thread is not None:
            return thread != self.thread
        return start is None and self._is_in_copied_run()

    def _is_in_copied_run(self) -> bool:
        if self._usage_lines > self._copied and not self._own_seen and self.meta and self.meta.parent:
            self._copied = max(self._copied, self._copied_in(self.meta))
        self._own_seen |= self._usage_lines > self._copied
        return not self._own_seen

    def _event(self, line: Line) -> Usage | None:
        event = codex_line.event(line.payload)
        info = codex_line.token_info(event.info) if event.type == "token_count" else None
        if info is None:
            return None
        self._usage_lines += 1
        copy = self._is_copy(line)
        if self._records:
            return None
        growth = self._grow(info)
        # Copies are numbered too, so that a call keeps its number whatever is known of the parent.
        self._calls += _spent(growth)
        if copy:
            self.replayed += 1
        elif _spent(growth):
            return self._call(growth)
        else:
            self.duplicates += not self._window_full
        return None

    def _grow(self, info: TokenInfo) -> Tokens:
        """What the cumulative total has grown by. A total that shrank begins a new count."""
        total = info.total_token_usage.tokens
        last = info.last_token_usage.tokens if info.last_token_usage else None
        if total == NO_TOKENS and info.total_token_usage.total_tokens:
            # A full context window: the total is set to the window's size, which nobody spent.
            self._window_full = True
            return NO_TOKENS
        before = self._baseline(total, last)
        if total[0] < before[0] or total[3] < before[3]:
            before = NO_TOKENS
        self._total = total
        self._window_full = False
        growth = _less(total, before)
        if any(growth):
            self._growth = growth
        return growth

    def _baseline(self, total: Tokens, last: Tokens | None) -> Tokens:
        if self._total is None:
            # A fork that refers to its parent's history, and copies none, goes on from its total.
            meta = self.meta
            inherits = meta is not None and (meta.forked_from or meta.history_base)
            return _less(total, last) if inherits and last is not None else NO_TOKENS
        return NO_TOKENS if self._window_full and total == last else self._total

    def _usage_record(self, line: Line, record: TokenUsageRecord) -> Usage | None:
        self._usage_lines += 1
        first, self._records = not self._records, True
        copy = self._is_copy(line, record.thread_id)
        previous, self._last_record = self._last_record, record
        if record == previous or (first and self._restates(record)):
            self.duplicates += 1
            return None
        self._calls += _spent(record.usage.tokens)
        if copy:
            self.replayed += 1
            return None
        self._check_sum(previous, record)
        return self._call(record.usage.tokens) if _spent(record.usage.tokens) else None

    def _restates(self, record: TokenUsageRecord) -> bool:
        """Was this response already counted through a `token_count` before it?"""
        if self._total is None or record.usage.tokens != self._growth:
            return False
        return record.thread_token_usage is None or record.thread_token_usage.tokens == self._total

    def _check_sum(self, previous: TokenUsageRecord | None, record: TokenUsageRecord) -> None:
        if previous is None or previous.thread_token_usage is None or record.thread_token_usage is None:
            return
        grown = _less(record.thread_token_usage.tokens, previous.thread_token_usage.tokens)
        self.disagrees |= grown != record.usage.tokens

    def _call(self, tokens: Tokens) -> Usage:
        # Names and counts are fit already; checking them again would double the time of a collection.
        prompt, cached, written, completion, reasoning = tokens
        if prompt + completion > MAX_COUNT:
            raise RecordError(f"a call of {prompt + completion} tokens; at most {MAX_COUNT} are allowed")
        cached = min(cached, prompt)
        return Usage(
            self._agent_id,
            self._model,
            prompt,
            completion,
            prompt + completion,
            self._seconds,
            cached_tokens=cached or None,
            cache_write_tokens=min(written, prompt - cached) or None,
            reasoning_tokens=min(reasoning, completion) or None,
            id=f"{SOURCE}:{self._session}:{self._calls}",
            session=self._session,
            project=self._project,
            source=SOURCE,
        )


def _spent(tokens: Tokens) -> bool:
    return bool(tokens[0] or tokens[3])


def _less(total: Tokens, before: Tokens) -> Tokens:
    """What is left when `before` is taken away; no part below zero."""
    return (
        max(0, total[0] - before[0]),
        max(0, total[1] - before[1]),
        max(0, total[2] - before[2]),
        max(0, total[3] - before[3]),
        max(0, total[4] - before[4]),
    )
