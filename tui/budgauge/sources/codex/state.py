"""State of a Codex thread after the lines read so far, as cursors keep it."""

import msgspec

from budgauge.accounting.records import Usage
from budgauge.sources.codex.line import SessionMeta, TokenUsageRecord
from budgauge.sources.codex.tokens import NO_TOKENS, Tokens
from budgauge.sources.log import Counts
from budgauge.sources.name import UNKNOWN


class State(msgspec.Struct, array_like=True):
    """State of a thread after the lines read so far."""

    thread: str
    seconds: int
    """The time of the last line, in unix seconds."""
    counts: Counts = msgspec.field(default_factory=Counts)
    meta: SessionMeta | None = None
    copied: int = 0
    """So many usage lines at the start are a parent's, as far as is known."""
    own_seen: bool = False
    model: str = UNKNOWN
    usage_lines: int = 0
    calls: int = 0
    total: Tokens | None = None
    growth: Tokens = NO_TOKENS
    window_full: bool = False
    records: bool = False
    """Has a `token_usage_record` come?"""
    last_record: TokenUsageRecord | None = None
    page: str | None = None
    """The id of a later page of the thread; None for the first."""
    held: Usage | None = None
    """A call that may be a copy of an earlier one: the next line tells."""
    held_as_copy: bool = False
    """Is it like the first line of another thread? Else it may repeat the last line of the history."""
    service_tier: str | None = None
    """None is the standard one."""
    cached_seen: bool = False
    """Has a line of usage named its cached input? All later ones of the same format do."""


decode_state = msgspec.msgpack.Decoder(State).decode
