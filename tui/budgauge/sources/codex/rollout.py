"""One Codex thread's rollout: lines in, calls out.

Newer rollouts have one `token_usage_record` a response; older ones only `token_count`, which
restates a cumulative total whenever anything about rate limits changes. One kind is counted
in a file: `token_count` by its growth until the first `token_usage_record`, then those alone.
"""

from __future__ import annotations

import re

import msgspec

from budgauge.accounting.codec import repaired
from budgauge.accounting.records import CLAIM, MAX_COUNT, MAX_NAME_BYTES, PART, Usage
from budgauge.config.factors import charged
from budgauge.errors import RecordError
from budgauge.sources.codex import line as codex_line
from budgauge.sources.codex.fork import Copies
from budgauge.sources.codex.history import History
from budgauge.sources.codex.line import Event, Line, TokenInfo, TokenUsage, TokenUsageRecord, unix_seconds
from budgauge.sources.codex.state import State, decode_state
from budgauge.sources.codex.tokens import NO_TOKENS, Tokens, has_shrunk, is_spent, less
from budgauge.sources.lines import other_lines
from budgauge.sources.name import CODEX, AgentNames, fit_name, fit_text

_HEAD = rb'\{"timestamp":"[^"\\]{1,40}",(?:"ordinal":[0-9]{1,18},)?"type":"'
_TELLING = rb'(?!token_|thread_settings_applied"|task_complete"|turn_complete"|turn_aborted")'
_IDLE = re.compile(_HEAD + rb'(?:response_item"|compacted"|event_msg","payload":\{"type":"' + _TELLING + rb'[a-z_]+")')
"""The beginning of lines without usage, as Codex writes them. All others get a closer look."""
_COUNT = re.compile(_HEAD + rb'event_msg","payload":\{"type":"token_count"')
_ENDS = ("task_complete", "turn_complete", "turn_aborted")
_MARKS = (
    *(b'"token_', b'_tokens"', b'"turn_context"', b'"session_meta"', b'"thread_settings_applied"'),
    *(f'"{end}"'.encode() for end in _ENDS),
)
_USAGE = re.compile(rb'_tokens"\s*:\s*["0-9.-]')
"""A count of tokens under whatever name."""
_UNKNOWN_COUNT = re.compile(
    rb'"(?!(?:(?:cached_|cache_write_)?input|(?:reasoning_)?output|total)_tokens")[^"\\]*_tokens"\s*:\s*["1-9.-]'
)
"""A count of tokens under a name that is not known."""
_Unreadable = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RecordError)


class Rollout:
    """A thread. Feed each line once, in order."""

    def __init__(
        self,
        thread: str,
        *,
        page: str | None = None,
        history: History | None = None,
        seconds: int = 0,
        saved: bytes | None = None,
        names: AgentNames = AgentNames(),
    ) -> None:
        """`thread` and `seconds` stand in for an id and a time missing in the file.

        `page` is the second id in the name of a later page. `history` counts the copied usage lines at
        the start, again for each line beyond them until one is the thread's own. `saved` comes from `save`.
        """
        self._state = decode_state(saved) if saved else State(thread, seconds, page=page)
        self.counts = self._state.counts
        """Counts beside new calls."""
        self._history = history
        self._totals: set[Tokens] | None = None if saved else set()
        self._names = names
        self._new: list[Usage] = []
        self._name()

    def save(self) -> bytes:
        """Return the state from which another can go on."""
        return msgspec.msgpack.encode(self._state)

    def take(self) -> list[Usage]:
        """Return the calls of the lines fed since the last time."""
        new, self._new = self._new, []
        return new

    def feed(self, data: bytes) -> None:
        """Read whole lines."""
        for text in other_lines(data, _IDLE):
            try:
                if _COUNT.match(text):
                    self._read_count(text)
                elif any(mark in text for mark in _MARKS):
                    self._read(codex_line.line(repaired(text) if b"\\u" in text else text))
            except _Unreadable:
                self.counts.skipped += 1

    def _read_count(self, text: bytes) -> None:
        """Read a `token_count` with the beginning that Codex writes."""
        try:
            line = codex_line.count_line(text)
        except msgspec.DecodeError:
            self._read(codex_line.line(repaired(text)))
            return
        self._state.seconds = codex_line.moment_seconds(line.timestamp) or self._state.seconds
        if line.payload.info is not None:
            self._check_names(line.payload.info.total_token_usage, text)
            self._count(line.payload.info, line.ordinal)
        else:
            _refuse_usage(text)

    def _read(self, line: Line) -> None:
        if (seconds := unix_seconds(line.timestamp)) is not None:
            self._state.seconds = seconds
        if line.type == "event_msg":
            self._take_event(codex_line.event(line.payload), line)
        elif line.type == "token_usage_record":
            record = codex_line.token_usage_record(line.payload)
            self._check_names(record.usage, line.payload)
            self._record(line, record)
        elif line.type == "turn_context":
            self._state.model = fit_name(codex_line.turn_context(line.payload).model, self._state.model)
        elif line.type == "session_meta":
            self._meet(line)
        elif "token" in line.type or "usage" in line.type:
            _refuse_usage(line.payload)

    def _meet(self, line: Line) -> None:
        if self._state.meta is None:
            meta = codex_line.session_meta(line.payload)
            self._state.thread = meta.id or self._state.thread
            self._state.meta = msgspec.structs.replace(meta, id=self._state.thread)
            self._name()

    def _take_event(self, event: Event, line: Line) -> None:
        if event.type == "token_count" and (info := codex_line.token_info(event.info)) is not None:
            self._check_names(info.total_token_usage, line.payload)
            self._count(info, line.ordinal)
        elif event.type.startswith("token_"):
            _refuse_usage(line.payload)
        elif event.type == "thread_settings_applied":
            settings = event.thread_settings if isinstance(event.thread_settings, dict) else {}
            model = settings.get("model")
            # Codex calls the tier `fast` that the API calls `priority`.
            tier = charged(settings.get("service_tier"))
            self._state.service_tier = "priority" if tier == "fast" else tier
            self._state.model = fit_name(model if isinstance(model, str) else None, self._state.model)
        elif event.type in _ENDS and self._state.held is not None:
            self._state.own_seen = True
            self._release(own=True)

    def _check_names(self, usage: TokenUsage, text: bytes | msgspec.Raw) -> None:
        """Raise RecordError if a part of the usage may have an unknown name. `text` is the line as read."""
        is_named = usage.cached_input_tokens is not msgspec.UNSET
        if not usage.names_all and ((self._state.cached_seen and not is_named) or _UNKNOWN_COUNT.search(text)):
            raise RecordError("counts of tokens under names that are not known")
        self._state.cached_seen |= is_named

    def _release(self, *, own: bool) -> None:
        """Decide on the held call."""
        held, self._state.held = self._state.held, None
        if held is not None and own:
            self._new.append(held)
        elif held is not None:
            self.counts.replayed += 1

    def _name(self) -> None:
        meta = self._state.meta
        self._session = fit_text(self._state.thread)
        self._head = ":".join(filter(None, (CODEX, self._session, self._state.page)))
        self._project = fit_text(meta.cwd) if meta else None
        self._agent_id = self._names.of(CODEX, meta.role if meta else None, meta.cwd if meta else None)

    def _is_copy(self, ordinal: int | None, thread: str | None = None) -> bool:
        """Return True if the latest usage line is of a parent's history. `thread` is the line's own claim."""
        meta = self._state.meta
        start = meta.subagent_history_start_ordinal if meta else None
        if start is not None and ordinal is not None and ordinal < start:
            return True
        if thread is not None:
            return thread != self._state.thread
        return start is None and self._is_in_copied_run()

    def _is_in_copied_run(self) -> bool:
        state = self._state
        if state.own_seen:
            return False
        copies = Copies(state.copied)
        if self._history and state.usage_lines > state.copied and state.meta and state.meta.parent:
            copies = self._history.copied(state.meta)
            state.copied = max(state.copied, copies.number)
        if state.held_as_copy:
            self._release(own=not state.copied)
        state.held_as_copy = copies.unsure and not state.copied
        state.own_seen = state.usage_lines > state.copied and not state.held_as_copy
        return state.usage_lines <= state.copied

    def _count(self, info: TokenInfo, ordinal: int | None) -> None:
        state = self._state
        state.usage_lines += 1
        copy = self._is_copy(ordinal)
        if state.records:
            return
        is_first = state.total is None
        growth = self._grow(info, is_copy=copy)
        spent = is_spent(growth)
        # Copies are numbered too, so that a call keeps its number whatever is known of the parent.
        state.calls += spent
        if copy:
            state.counts.replayed += 1
        elif not spent:
            state.counts.duplicates += not state.window_full
        elif is_first and self._goes_on():
            self._first_call(growth, info.total_token_usage.tokens)
        else:
            if not state.held_as_copy:
                self._release(own=True)
            self._call(growth, hold=state.held_as_copy)

    def _base(self) -> Tokens | None:
        """Return the cumulative counts from which the file goes on; None if unknown."""
        return self._history.base(self._state.meta) if self._history and self._state.meta else None

    def _goes_on(self) -> bool:
        """Return True if this file goes on from a history in another."""
        meta = self._state.meta
        return self._state.page is not None or (meta is not None and meta.history_base is not None)

    def _first_call(self, growth: Tokens, total: Tokens) -> None:
        """Count the first call of a file that goes on from another, unless it repeats the last one there."""
        base = self._base()
        if base == total:
            self.counts.replayed += 1
        else:
            self._call(growth, hold=base is None)

    def _grow(self, info: TokenInfo, *, is_copy: bool) -> Tokens:
        """Return the growth of the cumulative total; a shrunken total begins anew. Raises RecordError where unknown."""
        state = self._state
        total = info.total_token_usage.tokens
        if total == NO_TOKENS and info.total_token_usage.total_tokens:
            # A full context window: the total is set to the window's size, which nobody spent.
            state.window_full = True
            return NO_TOKENS
        last = info.last_token_usage.tokens if info.last_token_usage else None
        before = self._start(total, last, is_copy=is_copy) if state.total is None else self._baseline(total, last)
        state.total = total
        state.window_full = False
        if self._totals is not None:
            self._totals.add(total)
        growth = less(total, before)
        if any(growth):
            state.growth = growth
        return growth

    def _start(self, total: Tokens, last: Tokens | None, *, is_copy: bool) -> Tokens:
        """Return the total before the first call in the file. Raises RecordError if unknown."""
        state = self._state
        is_fork = state.meta is not None and state.meta.forked_from
        if not (is_fork or self._goes_on()) or (last is None and is_copy):
            return NO_TOKENS
        if last is not None:
            return less(total, last)
        base = self._base()
        if base is None:
            # The call is skipped, yet keeps its number; the next one is known by its growth.
            state.total, state.calls = total, state.calls + 1
            raise RecordError("a first count that goes on from a history that is not known")
        return NO_TOKENS if has_shrunk(total, base) else base

    def _baseline(self, total: Tokens, last: Tokens | None) -> Tokens:
        """Return the total before the last call.

        Two processes may write counts of their own to one file: a total less its last call that was a total
        before belongs to that count.
        """
        state = self._state
        before = state.total or NO_TOKENS
        if state.window_full:
            return NO_TOKENS if total == last else before
        if total != before and last is not None and not has_shrunk(total, last):
            base = less(total, last)
            if base != before and any(base) and base in self._earlier_totals():
                return total if total in self._earlier_totals() else base
        # A total that shrank begins a new count.
        return NO_TOKENS if has_shrunk(total, before) else before

    def _earlier_totals(self) -> set[Tokens]:
        if self._totals is None:
            self._totals = self._history.totals(self._state.usage_lines - 1) if self._history else set()
        return self._totals

    def _record(self, line: Line, record: TokenUsageRecord) -> None:
        state = self._state
        state.usage_lines += 1
        first, state.records = not state.records, True
        copy = self._is_copy(line.ordinal, record.thread_id)
        if not state.held_as_copy:
            # Codex writes a response's record before its count: a count before all records is a repetition.
            self._release(own=False)
        previous, state.last_record = state.last_record, record
        if record == previous or (first and self._restates(record)):
            state.counts.duplicates += 1
            return
        spent = is_spent(record.usage.tokens)
        state.calls += spent
        if copy:
            state.counts.replayed += 1
            return
        self._check_sum(previous, record)
        if spent:
            again = previous is not None and previous.response_id == record.response_id
            self._call(record.usage.tokens, _alias(None if again else record.response_id), hold=state.held_as_copy)

    def _restates(self, record: TokenUsageRecord) -> bool:
        """Return True if this response was counted through a `token_count` before."""
        if self._state.total is None or record.usage.tokens != self._state.growth:
            return False
        return record.thread_token_usage is None or record.thread_token_usage.tokens == self._state.total

    def _check_sum(self, previous: TokenUsageRecord | None, record: TokenUsageRecord) -> None:
        if previous is None or previous.thread_token_usage is None or record.thread_token_usage is None:
            return
        grown = less(record.thread_token_usage.tokens, previous.thread_token_usage.tokens)
        self.counts.disagreements += grown != record.usage.tokens

    def _call(self, tokens: Tokens, alias: str | None = None, *, hold: bool = False) -> None:
        # Names and counts are fit already; checking them again would double the time of a collection.
        prompt, cached, written, completion, reasoning = tokens
        if prompt + completion > MAX_COUNT:
            raise RecordError(f"a call of {prompt + completion} tokens; at most {MAX_COUNT} are allowed")
        cached = min(cached, prompt)
        call = Usage(
            self._agent_id,
            self._state.model,
            prompt,
            completion,
            prompt + completion,
            self._state.seconds,
            cached_tokens=cached or None,
            cache_write_tokens=min(written, prompt - cached) or None,
            reasoning_tokens=min(reasoning, completion) or None,
            id=f"{self._head}:{self._state.calls}",
            session=self._session,
            project=self._project,
            source=CODEX,
            service_tier=self._state.service_tier,
            alias=alias,
        )
        if hold:
            self._state.held = call
        else:
            self._new.append(call)


def _refuse_usage(text: bytes | msgspec.Raw) -> None:
    """Raise RecordError if an unread line holds counts of tokens: the format has changed."""
    if _USAGE.search(text):
        raise RecordError("counts of tokens under names that are not known")


def _alias(response_id: str | None) -> str | None:
    """Return a response's id, if fit to be a call's name."""
    fits = response_id and len(response_id) <= MAX_NAME_BYTES and response_id.isascii() and response_id.isprintable()
    return response_id if fits and response_id and PART not in response_id and response_id[-1] != CLAIM else None
