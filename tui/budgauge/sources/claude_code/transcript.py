"""A log of a Claude Code session or sub-agent: lines in, calls out.

A message stands in several lines, one for each block of its content and partial ones while it
streamed. All have the same id; the largest of each count is the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from budgauge.accounting.records import MAX_COUNT, Usage
from budgauge.sources.claude_code.line import (
    STANDARD,
    SYNTHETIC,
    Charges,
    Iteration,
    Line,
    Message,
    MessageUsage,
    Tokens,
    is_understood,
    merged_charges,
    most,
    read_line,
)
from budgauge.sources.claude_code.message import Recent, key_among
from budgauge.sources.lines import marked_lines
from budgauge.sources.log import Counts
from budgauge.sources.name import CLAUDE_CODE, AgentNames, fit_name, fit_text

_MARK = b'"usage"'
"""Every message that was answered has it, whatever its counts are called."""
_SHORT = 100
"""A shorter id is fit for a record."""
_KEPT_OPEN = 1000
"""So many of a log's latest messages without their last count are known."""


class State(msgspec.Struct, array_like=True):
    """State of a log after the lines read so far."""

    seconds: int
    """When the file was last written, for lines that do not say their time."""
    counts: Counts = msgspec.field(default_factory=Counts)
    open: dict[str, None] = msgspec.field(default_factory=dict)
    """The ids of messages whose last count has not come."""
    recent: Recent = msgspec.field(default_factory=dict)
    """The latest messages, to tell their copies from other calls of the same id."""


_decode_state = msgspec.msgpack.Decoder(State).decode


class Session:
    """A log. Feed each line once, in order."""

    def __init__(
        self,
        agent: str | None = None,
        *,
        agent_type: Callable[[], str | None] = lambda: None,
        seconds: int = 0,
        saved: bytes | None = None,
        names: AgentNames = AgentNames(),
        folder: str | None = None,
    ) -> None:
        """`agent` is the sub-agent's id in the file's name; None for a session itself.

        `agent_type` returns its kind, as soon as known. `saved` comes from `save`.
        `folder` is where the session was begun; None takes each line's own folder.
        """
        self._state = _decode_state(saved) if saved else State(seconds)
        self._state.seconds = seconds or self._state.seconds
        self.counts = self._state.counts
        """Counts beside new calls."""
        self._agent = agent
        self._agent_type = agent_type
        self._folder = folder
        self._lines: dict[str, Line] = {}
        """message → the line that stands for it"""
        self._largest: dict[str, Tokens] = {}
        """message → the largest of each count, where its lines differ"""
        self._charges: dict[str, Charges] = {}
        """message → charges beside its tokens, if any"""
        # A log has few of these, and very many calls.
        self._agent_id = cache(lambda role, folder: names.of(CLAUDE_CODE, role, folder))
        self._model, self._text = cache(fit_name), cache(fit_text)

    def save(self) -> bytes:
        """Return the state from which another can go on."""
        return msgspec.msgpack.encode(self._state)

    def feed(self, data: bytes) -> None:
        """Read whole lines."""
        counts, lines, open = self.counts, self._lines, self._state.open
        for text in marked_lines(data, _MARK):
            try:
                line = read_line(text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                counts.skipped += 1
                continue
            message = line.message if line else None
            if line is None or message is None or message.usage is None or message.model == SYNTHETIC:
                continue
            id = message.id or line.uuid
            if id is None or not is_understood(line, text):
                counts.skipped += 1
                continue
            key = key_among(self._state.recent, id, line, message)
            if charges := message.usage.charges:
                self._charges[key] = merged_charges(self._charges.get(key), charges)
            first = lines.get(key)
            if first is None:
                lines[key] = line
            else:
                self._merge(key, first, line, message.usage)
            if message.stop_reason is not None:
                if key in open:
                    del open[key]
                    counts.lower_bounds -= 1
            elif first is None:
                self._open(key)
            if message.usage.iterations is not None:
                self._advise(key, line, message.usage.advisors)

    def _advise(self, key: str, line: Line, advisors: list[Iteration | None]) -> None:
        """Take in the calls of a message's advisors."""
        for number, one in enumerate(advisors, 1):
            if one is None:
                self.counts.skipped += 1
                continue
            own = f"{key}/advisor{number}"
            call = msgspec.structs.replace(line, message=Message(one, own, one.model))
            if charges := one.charges:
                self._charges[own] = merged_charges(self._charges.get(own), charges)
            first = self._lines.setdefault(own, call)
            if first is not call:
                self._merge(own, first, call, one)

    def _merge(self, key: str, first: Line, line: Line, usage: MessageUsage) -> None:
        """Take in one more line of a message."""
        self.counts.duplicates += 1
        known = first.message.usage if first.message else None
        if known is not None and usage != known:
            self._largest[key] = most(self._largest.get(key, known.tokens), usage.tokens)
        if first.is_sidechain and not line.is_sidechain:
            self._largest.setdefault(key, most(known.tokens, usage.tokens) if known else usage.tokens)
            self._lines[key] = line

    def _open(self, key: str) -> None:
        """Note that a message's last count is still to come."""
        state = self._state
        if key not in state.open:
            state.open[key] = None
            state.counts.lower_bounds += 1
            if len(state.open) > _KEPT_OPEN:
                del state.open[next(iter(state.open))]

    def take(self) -> list[Usage]:
        """Return the calls of the lines fed since the last time, each once."""
        calls = [call for key, line in self._lines.items() if (call := self._call(key, line)) is not None]
        self._lines.clear()
        self._largest.clear()
        self._charges.clear()
        return calls

    def _call(self, key: str, line: Line) -> Usage | None:
        message = line.message
        assert message is not None
        assert message.usage is not None
        fresh, read, write, write_5m, write_1h, output = self._largest.get(key) or message.usage.tokens
        # Where the flat figure is there it is the whole, whatever its split adds up to.
        write = write or write_5m + write_1h
        prompt = fresh + read + write
        total = prompt + output
        if not 0 < total <= MAX_COUNT:
            self.counts.skipped += total > 0
            return None
        tier, speed, geo, searches = self._charges.get(key, STANDARD)
        return Usage(
            self._agent_id(self._role(line), self._folder or line.cwd),
            self._model(message.model),
            prompt,
            output,
            total,
            line.seconds or self._state.seconds,
            read or None,
            write or None,
            min(write_1h, write) or None,
            None,
            f"{CLAUDE_CODE}:{key if len(key) < _SHORT and key.isascii() else fit_text(key)}",
            self._text(line.session_id),
            self._text(self._folder or line.cwd),
            CLAUDE_CODE,
            service_tier=tier,
            speed=speed,
            inference_geo=geo,
            web_search_requests=searches,
        )

    def _role(self, line: Line) -> str | None:
        """Return the sub-agent's kind, as far as known; None for the session's own agent."""
        if self._agent is None and not line.is_sidechain:
            return None
        return self._agent_type() or line.attribution_agent or line.agent_id or self._agent or "subagent"
