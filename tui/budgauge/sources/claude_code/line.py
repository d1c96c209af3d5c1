"""Usage lines of a Claude Code session, typed: `"type": "assistant"` carries a Messages API message with usage."""

from datetime import datetime, timezone
from typing import TypeVar, Union

import msgspec

from budgauge.accounting.codec import repaired
from budgauge.accounting.records import MAX_COUNT, Count
from budgauge.config.factors import charged

ASSISTANT = "assistant"
_ADVISOR = "advisor_message"
_Kind = TypeVar("_Kind")
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
    """Counts of a message; any may be null. `cache_creation` splits the flat figure, and adds nothing to it."""

    input_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    output_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    cache_read_input_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    cache_creation_input_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    cache_creation: _Lifetimes | None = None
    iterations: object = None
    """The requests that the answer was made of; most of them restate it."""
    service_tier: object = None
    speed: object = None
    inference_geo: object = None
    server_tool_use: object = None

    @property
    def charges(self) -> Charges | None:
        """Charges beside the tokens; None for a standard call."""
        tools = self.server_tool_use
        searches = tools.get("web_search_requests") if isinstance(tools, dict) else None
        counted = searches if type(searches) is int and 0 < searches <= MAX_COUNT else None
        found = charged(self.service_tier), charged(self.speed), charged(self.inference_geo), counted
        return found if any(found) else None

    @property
    def is_whole(self) -> bool:
        """True if both counts of every usage are there. A missing one may go by another name."""
        return self.input_tokens is not msgspec.UNSET and self.output_tokens is not msgspec.UNSET

    @property
    def names_all(self) -> bool:
        """True if all counts are there. A missing one may go by another name."""
        parts = (self.cache_read_input_tokens, self.cache_creation_input_tokens)
        return self.is_whole and msgspec.UNSET not in parts

    @property
    def advisors(self) -> list["Iteration | None"]:
        """Calls of advisors, which the counts beside them leave out; None for an unreadable one."""
        if not isinstance(self.iterations, list):
            return []
        named = (one for one in self.iterations if isinstance(one, dict) and one.get("type") == _ADVISOR)
        return [_iteration(one) for one in named]

    @property
    def tokens(self) -> Tokens:
        """Counts of tokens. A missing one is 0."""
        split = self.cache_creation
        write = self.cache_creation_input_tokens or 0
        write_5m = (split.ephemeral_5m_input_tokens or 0) if split else 0
        write_1h = (split.ephemeral_1h_input_tokens or 0) if split else 0
        if write and write_5m + write_1h > write:
            # The split contradicts the whole: nothing is known of how long what was written lives.
            write_5m = write_1h = 0
        return (
            self.input_tokens or 0,
            self.cache_read_input_tokens or 0,
            write,
            write_5m,
            write_1h,
            self.output_tokens or 0,
        )


class Iteration(MessageUsage, frozen=True, gc=False):
    """A request within an answer. Only an advisor's is a call of its own."""

    type: str | None = None
    model: str | None = None


def _iteration(fields: dict[str, object]) -> Iteration | None:
    name = fields.get("model")
    try:
        one = msgspec.convert({**fields, "model": name if isinstance(name, str) else None}, Iteration)
    except msgspec.ValidationError:
        return None
    return one if one.is_whole and not holds_unknown_counts(fields) else None


_COUNTS = frozenset(MessageUsage.__struct_fields__)


def holds_unknown_counts(usage: dict[str, object]) -> bool:
    """Return True if a usage holds counts of tokens under unknown names."""
    return any(name.endswith("_tokens") and name not in _COUNTS and value for name, value in usage.items())


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message of the model."""

    usage: MessageUsage | None = None
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    """None while the message is not complete: its output count is not final either."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """The fields of a line as Claude Code writes them."""

    type: str
    message: Message | None = None
    timestamp: datetime | None = None
    session_id: str | None = msgspec.field(default=None, name="sessionId")
    is_sidechain: bool | None = msgspec.field(default=None, name="isSidechain")
    agent_id: str | None = msgspec.field(default=None, name="agentId")
    attribution_agent: str | None = msgspec.field(default=None, name="attributionAgent")
    cwd: str | None = None
    uuid: str | None = None
    parent_uuid: str | None = msgspec.field(default=None, name="parentUuid")
    request_id: str | None = msgspec.field(default=None, name="requestId")

    @property
    def seconds(self) -> int | None:
        """Time in unix seconds, UTC without a zone; None without a time."""
        moment = self.timestamp
        if moment is None:
            return None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
        return int(seconds) if seconds >= 0 else None


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_line = msgspec.json.Decoder(Line).decode
_fields = msgspec.json.Decoder(Union[dict[str, msgspec.Raw], None]).decode
_usage = msgspec.json.Decoder(Union[MessageUsage, None]).decode
_NULL = msgspec.Raw(b"null")


class _Named(msgspec.Struct, frozen=True, gc=False):
    usage: dict[str, object]


class _NamedLine(msgspec.Struct, frozen=True, gc=False):
    message: _Named


_named = msgspec.json.Decoder(_NamedLine).decode


def is_understood(line: Line, text: bytes) -> bool:
    """Return True if all counts of a line's usage have known names. `text` is the line as read."""
    message = line.message
    assert message is not None
    assert message.usage is not None
    if message.usage.names_all:
        return True
    try:
        named = _named(repaired(text).removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return message.usage.is_whole and not holds_unknown_counts(named.message.usage)


def read_line(text: bytes) -> Line | None:
    """Return a line of the model; None for any other. Raises MsgspecError, UnicodeDecodeError, RecursionError."""
    try:
        line = _line(text)
    except msgspec.ValidationError:
        line = _read_loosely(text)
    except msgspec.DecodeError:
        mended = repaired(text).removeprefix(_BYTE_ORDER_MARK)
        if mended == text:
            raise
        return read_line(mended)
    return line if line.type == ASSISTANT else None


def _read_loosely(text: bytes) -> Line:
    """Read a line in which only the counts must have the right types. Raises MsgspecError."""
    fields = _fields(text) or {}
    if _get(fields, "type", str) != ASSISTANT:
        return Line("")
    message = _fields(fields.get("message", _NULL))
    names = ("agentId", "attributionAgent", "cwd", "uuid", "parentUuid", "requestId")
    return Line(
        ASSISTANT,
        None if message is None else _loose_message(message),
        _get(fields, "timestamp", datetime),
        _get(fields, "sessionId", str),
        _get(fields, "isSidechain", bool) is True,
        *(_get(fields, name, str) for name in names),
    )


def _loose_message(fields: dict[str, msgspec.Raw]) -> Message:
    ends = msgspec.json.decode(fields.get("stop_reason", _NULL))
    usage = _usage(fields.get("usage", _NULL))
    return Message(usage, _get(fields, "id", str), _get(fields, "model", str), None if ends is None else str(ends))


def _get(fields: dict[str, msgspec.Raw], name: str, kind: type[_Kind]) -> _Kind | None:
    """Return a field's value; None if missing or of another type."""
    try:
        return msgspec.json.decode(fields.get(name, _NULL), type=kind)
    except msgspec.ValidationError:
        return None


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
