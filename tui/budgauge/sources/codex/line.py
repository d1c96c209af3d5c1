"""Usage lines of a Codex rollout, typed: each is `{"timestamp", "ordinal"?, "type", "payload"}` (`RolloutLine`)."""

from datetime import datetime, timezone
from typing import Union

import msgspec

from budgauge.accounting.records import Count
from budgauge.sources.codex.tokens import Tokens
from budgauge.sources.name import UNKNOWN


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """Codex's own counts. Any may be null, and parts be left out; without the two wholes the format is unknown."""

    input_tokens: Count | None
    output_tokens: Count | None
    cached_input_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    cache_write_input_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    reasoning_output_tokens: Count | msgspec.UnsetType | None = msgspec.UNSET
    total_tokens: Count | None = None

    @property
    def names_all(self) -> bool:
        """True if all parts are there. A missing one may go by another name."""
        parts = (self.cached_input_tokens, self.cache_write_input_tokens, self.reasoning_output_tokens)
        return msgspec.UNSET not in parts

    @property
    def tokens(self) -> Tokens:
        """Counts without their sum. A missing one is 0."""
        return (
            self.input_tokens or 0,
            self.cached_input_tokens or 0,
            self.cache_write_input_tokens or 0,
            self.output_tokens or 0,
            self.reasoning_output_tokens or 0,
        )


class Line(msgspec.Struct, frozen=True):
    """The fields of every line. The payload is left for the type to decode."""

    type: str
    payload: msgspec.Raw
    timestamp: object = None
    ordinal: int | None = None

    def seconds(self) -> int | None:
        """Return the line's time in unix seconds; None without a readable one."""
        return unix_seconds(self.timestamp)


class SessionMeta(msgspec.Struct, frozen=True):
    """The owner of a thread. Only the first in a file counts: forks copy the parent's."""

    id: str | None = None
    cwd: str | None = None
    timestamp: object = None
    source: object = None
    thread_source: object = None
    agent_role: str | None = None
    agent_nickname: str | None = None
    forked_from_id: str | None = None
    parent_thread_id: str | None = None
    session_id: str | None = None
    """The thread that a person began, for sub-agents of any depth."""
    subagent_history_start_ordinal: int | None = None
    history_base: object = None

    @property
    def parent(self) -> str | None:
        """The thread whose history this one may have copied; never itself."""
        spawned = self._spawned().get("parent_thread_id")
        return self.forked_from or self._other(self.parent_thread_id) or self._other(spawned)

    @property
    def forked_from(self) -> str | None:
        """The thread of which this one is a fork; never itself."""
        return self._other(self.forked_from_id)

    @property
    def base_ordinal(self) -> int | None:
        """The first ordinal of this file's own lines, where earlier history stands in another file."""
        end = self.history_base.get("end_ordinal_exclusive") if isinstance(self.history_base, dict) else None
        return end if type(end) is int else None

    @property
    def role(self) -> str | None:
        """The sub-agent's role, else nickname, else kind; None for a person's own thread."""
        spawned = self._spawned()
        for name in (self.agent_role, self.agent_nickname, spawned.get("agent_role"), spawned.get("agent_nickname")):
            if isinstance(name, str) and name.strip():
                return name
        kind = self._subagent()
        if isinstance(kind, dict):
            kind = kind.get("other")
        if isinstance(kind, str) and kind.strip():
            return kind
        return "subagent" if self._subagent() is not None or self.thread_source == "subagent" else None

    def _other(self, thread: object) -> str | None:
        """Return `thread` if this names a thread other than this one."""
        own = (self.id or "").lower()
        return thread if isinstance(thread, str) and thread.lower() not in ("", own) else None

    def _subagent(self) -> object:
        return self.source.get("subagent") if isinstance(self.source, dict) else None

    def _spawned(self) -> dict[str, object]:
        kind = self._subagent()
        spawned = kind.get("thread_spawn") if isinstance(kind, dict) else None
        return spawned if isinstance(spawned, dict) else {}


class TurnContext(msgspec.Struct, frozen=True, gc=False):
    """The model in force from here on."""

    model: str | None = None


class TokenInfo(msgspec.Struct, frozen=True, gc=False):
    """Cumulative counts of the thread, and counts of the last call."""

    total_token_usage: TokenUsage
    last_token_usage: TokenUsage | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """An `event_msg`.

    `info` belongs to `token_count`, `started_at` (unix seconds) to `task_started`, `thread_settings` to
    `thread_settings_applied`.
    """

    type: str
    info: msgspec.Raw = msgspec.Raw(b"null")
    started_at: object = None
    thread_settings: object = None


class TokenUsageRecord(msgspec.Struct, frozen=True, gc=False):
    """One model response."""

    usage: TokenUsage
    thread_id: str | None = None
    response_id: str | None = None
    thread_token_usage: TokenUsage | None = None


def unix_seconds(timestamp: object) -> int | None:
    """Return the unix seconds of an RFC 3339 text; None for anything else."""
    try:
        return moment_seconds(msgspec.convert(timestamp, datetime))
    except (msgspec.ValidationError, OverflowError, ValueError):
        return None


def moment_seconds(moment: datetime) -> int | None:
    """Return the unix seconds of a moment, which is UTC without a zone; None before 1970."""
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    return int(seconds) if seconds >= 0 else None


def session_meta(payload: msgspec.Raw) -> SessionMeta:
    """Return the owner of a thread, without names of other types than text: counts matter more. Raises MsgspecError."""
    try:
        return _session_meta(payload)
    except msgspec.ValidationError:
        fields = _fields(payload)
        odd = [name for name in _NAMES if name in fields and bytes(fields[name])[:1] != b'"']
        return _session_meta(msgspec.json.encode({name: fields[name] for name in fields if name not in odd}))


def turn_context(payload: msgspec.Raw) -> TurnContext:
    """Return the model in force; unknown if its name is of another type than text. Raises MsgspecError."""
    try:
        return _turn_context(payload)
    except msgspec.ValidationError:
        _fields(payload)
        return TurnContext(UNKNOWN)


_NAMES = ("cwd", "agent_role", "agent_nickname")


class _CountPayload(msgspec.Struct, frozen=True, gc=False):
    info: TokenInfo | None
    type: str


class CountLine(msgspec.Struct, frozen=True, gc=False):
    """A `token_count` line as Codex writes it, decoded at once: nearly all usage lines are of this kind."""

    timestamp: datetime
    type: str
    payload: _CountPayload
    ordinal: int | None = None


count_line = msgspec.json.Decoder(CountLine).decode
line = msgspec.json.Decoder(Line).decode
_session_meta = msgspec.json.Decoder(SessionMeta).decode
_turn_context = msgspec.json.Decoder(TurnContext).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
event = msgspec.json.Decoder(Event).decode
token_info = msgspec.json.Decoder(Union[TokenInfo, None]).decode
token_usage_record = msgspec.json.Decoder(TokenUsageRecord).decode
