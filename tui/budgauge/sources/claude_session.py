"""One Claude Code session's log, or that of one of its sub-agents: lines in, calls out.

A message stands in several lines, one for each block of its content and partial ones while it
streamed. All have the same id; the largest of each count is the truth.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from budgauge.records import MAX_COUNT, Usage
from budgauge.sources.claude_line import SYNTHETIC, Line, Message, Tokens, most, read_line
from budgauge.sources.lines import marked_lines
from budgauge.sources.log import Counts
from budgauge.sources.name import AgentNames, fit_name, fit_text

SOURCE = "claude-code"
_MARK = b'"output_tokens"'
"""Every usage has it; longer and so found quicker than others."""
_KEPT_OPEN = 1000
"""So many of a log's latest messages without their last count are known."""


class State(msgspec.Struct, array_like=True):
    """What is known of one log after the lines read so far."""

    seconds: int
    """When the file was last written, for lines that do not say their time."""
    counts: Counts = msgspec.field(default_factory=Counts)
    open: dict[str, None] = msgspec.field(default_factory=dict)
    """The ids of messages whose last count has not come."""


_decode_state = msgspec.msgpack.Decoder(State).decode


def no_type() -> None:
    """The kind of an agent of which nothing tells."""


class _Merged:
    """One message, of all lines that were fed since the last time."""

    __slots__ = ("line", "message", "tokens")

    def __init__(self, line: Line, message: Message, tokens: Tokens) -> None:
        self.line = line
        self.message = message
        self.tokens = tokens


class Session:
    """One log. Give it each line once, in order."""

    def __init__(
        self,
        agent: str | None = None,
        *,
        agent_type: Callable[[], str | None] = no_type,
        seconds: int = 0,
        saved: bytes | None = None,
        names: AgentNames = AgentNames(),
    ) -> None:
        """`agent` is the sub-agent's id in the file's name; None for a session itself.

        `agent_type` tells what kind it is, as soon as that is known. `saved` is what `save` gave.
        """
        self._state = _decode_state(saved) if saved else State(seconds)
        self._agent = agent
        self._agent_type = agent_type
        self._names = names
        self._merged: dict[str, _Merged] = {}

    @property
    def counts(self) -> Counts:
        """What it met beside new calls."""
        return self._state.counts

    def save(self) -> bytes:
        """All it must know to go on."""
        return msgspec.msgpack.encode(self._state)

    def feed(self, data: bytes, end: int) -> None:
        """Take in whole lines, up to `end`."""
        counts = self._state.counts
        for text in marked_lines(data, end, _MARK):
            try:
                line = read_line(text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                counts.set_aside += 1
                continue
            message = line.message if line else None
            if line is None or message is None or message.usage is None or message.model == SYNTHETIC:
                continue
            key = message.id or line.uuid
            if key is None:
                counts.set_aside += 1
                continue
            self._merge(key, line, message, message.usage.tokens)

    def _merge(self, key: str, line: Line, message: Message, tokens: Tokens) -> None:
        known = self._merged.get(key)
        if known is None:
            self._merged[key] = _Merged(line, message, tokens)
        else:
            self._state.counts.duplicates += 1
            if tokens != known.tokens:
                known.tokens = most(known.tokens, tokens)
            if known.line.is_sidechain and not line.is_sidechain:
                known.line = line
        if message.stop_reason is not None:
            self._close(key)
        elif known is None:
            self._open(key)

    def _open(self, key: str) -> None:
        state = self._state
        if key not in state.open:
            state.open[key] = None
            state.counts.lower_bounds += 1
            if len(state.open) > _KEPT_OPEN:
                del state.open[next(iter(state.open))]

    def _close(self, key: str) -> None:
        if key in self._state.open:
            del self._state.open[key]
            self._state.counts.lower_bounds -= 1

    def take(self) -> list[Usage]:
        """The calls of what was fed since the last time, each once."""
        merged, self._merged = self._merged, {}
        calls = []
        for key, one in merged.items():
            call = self._call(key, one)
            if call is not None:
                calls.append(call)
        return calls

    def _call(self, key: str, one: _Merged) -> Usage | None:
        fresh, read, write, write_5m, write_1h, output = one.tokens
        # Where the flat figure is there it is the whole, whatever its split adds up to.
        write = write or write_5m + write_1h
        prompt = fresh + read + write
        if not prompt + output:
            return None
        if prompt + output > MAX_COUNT:
            self._state.counts.set_aside += 1
            return None
        line = one.line
        return Usage(
            self._names.of(SOURCE, self._role(line), line.cwd),
            fit_name(one.message.model),
            prompt,
            output,
            prompt + output,
            line.seconds or self._state.seconds,
            cached_tokens=read or None,
            cache_write_tokens=write or None,
            cache_write_1h_tokens=min(write_1h, write) or None,
            id=f"{SOURCE}:{fit_text(key)}",
            session=fit_text(line.session_id),
            project=fit_text(line.cwd),
            source=SOURCE,
        )

    def _role(self, line: Line) -> str | None:
        """Which sub-agent it was, by its kind where anything tells it; None for the session's own agent."""
        if self._agent is None and not line.is_sidechain:
            return None
        return self._agent_type() or line.attribution_agent or line.agent_id or self._agent or "subagent"
