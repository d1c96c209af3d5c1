"""The lines of a Claude Code session that tell of usage, as typed values.

Format: one object a line; `"type": "assistant"` carries a message of the Messages API with its usage.
"""

from datetime import datetime, timezone
from typing import Union

import msgspec

from budgauge.factors import charged
from budgauge.records import MAX_COUNT, Count, repaired

ASSISTANT = "assistant"
SYNTHETIC = "<synthetic>"
"""The model of messages that Claude Code itself wrote: nothing was spent for them."""

Tokens = tuple[int, int, int, int, int, int]
"""Fresh input, cache reads, cache writes, of those for five minutes, of those for an hour, output."""

Charges = tuple[Union[str, None], Union[str, None], Union[str, None], Union[int, None]]
"""Service tier, speed, region and web searches; None where they cost nothing more."""

STANDARD: Charges = (None, None, None, None)
"""Those of a standard call."""


class _Lifetimes(msgspec.Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class MessageUsage(msgspec.Struct, frozen=True, gc=False):
    """A message's counts; any may be null. `cache_creation` splits the flat figure, it does not add to it."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _Lifetimes | None = None
    service_tier: object = None
    speed: object = None
    inference_geo: object = None
    server_tool_use: object = None

    @property
    def charges(self) -> Charges | None:
        """What it costs beside its tokens; None for a standard call."""
        tools = self.server_tool_use
        searches = tools.get("web_search_requests") if isinstance(tools, dict) else None
        counted = searches if type(searches) is int and 0 < searches <= MAX_COUNT else None
        found = charged(self.service_tier), charged(self.speed), charged(self.inference_geo), counted
        return found if any(found) else None

    @property
    def tokens(self) -> Tokens:
        """The counts; what is missing is 0."""
        split = self.cache_creation
        return (
            self.input_tokens or 0,
            self.cache_read_input_tokens or 0,
            self.cache_creation_input_tokens or 0,
            (split.ephemeral_5m_input_tokens or 0) if split else 0,
            (split.ephemeral_1h_input_tokens or 0) if split else 0,
            self.output_tokens or 0,
        )


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message of the model."""

    usage: MessageUsage | None = None
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    """None while the message is not complete: its output count is not final either."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """What matters of a line, as Claude Code writes it."""

    type: str
    message: Message | None = None
    timestamp: datetime | None = None
    session_id: str | None = msgspec.field(default=None, name="sessionId")
    is_sidechain: bool | None = msgspec.field(default=None, name="isSidechain")
    agent_id: str | None = msgspec.field(default=None, name="agentId")
    attribution_agent: str | None = msgspec.field(default=None, name="attributionAgent")
    cwd: str | None = None
    uuid: str | None = None

    @property
    def seconds(self) -> int | None:
        """Its time in unix seconds, UTC where it names no zone; None where it has none."""
        moment = self.timestamp
        if moment is None:
            return None
        try:
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
        except (OverflowError, ValueError):
            return None
        return int(seconds) if seconds >= 0 else None


class _Loose(msgspec.Struct, frozen=True, gc=False):
    """A line of which only what is counted must be as it should."""

    type: object = None
    message: msgspec.Raw = msgspec.Raw(b"null")
    timestamp: object = None
    sessionId: object = None
    isSidechain: object = None
    agentId: object = None
    attributionAgent: object = None
    cwd: object = None
    uuid: object = None


_line = msgspec.json.Decoder(Line).decode
_loose = msgspec.json.Decoder(_Loose).decode
_message = msgspec.json.Decoder(Message | None).decode


def read_line(text: bytes | bytearray) -> Line | None:
    """A line; None if it is none of the model's. Raises MsgspecError, UnicodeDecodeError, RecursionError."""
    try:
        line = _line(text)
    except msgspec.ValidationError:
        line = _read_loosely(text)
    except msgspec.DecodeError:
        mended = repaired(text)
        if mended == text:
            raise
        return read_line(mended)
    return line if line.type == ASSISTANT else None


def _read_loosely(text: bytes | bytearray) -> Line:
    loose = _loose(text)
    if loose.type != ASSISTANT:
        return Line("")
    moment: datetime | None = None
    try:
        moment = msgspec.convert(loose.timestamp, datetime)
    except msgspec.ValidationError:
        moment = None
    names = map(_text, (loose.sessionId, loose.agentId, loose.attributionAgent, loose.cwd, loose.uuid))
    session_id, agent_id, attribution_agent, cwd, uuid = names
    return Line(
        ASSISTANT,
        _message(loose.message),
        moment,
        session_id,
        loose.isSidechain is True,
        agent_id,
        attribution_agent,
        cwd,
        uuid,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def most(one: Tokens, other: Tokens) -> Tokens:
    """The larger of each."""
    fresh, read, write, write_5m, write_1h, output = map(max, one, other)
    return fresh, read, write, write_5m, write_1h, output


def merged_charges(one: Charges | None, other: Charges) -> Charges:
    """The charges of two copies of a message: the later word, and the larger count of searches."""
    if one is None:
        return other
    tier, speed, geo, searches = other
    return tier or one[0], speed or one[1], geo or one[2], max(searches or 0, one[3] or 0) or None
