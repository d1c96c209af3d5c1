"""The ledger's lines as typed, frozen values, with their codec.

A line without `type` is a call's usage; the others change how usage is counted. Field meanings
are those of the ledger format (`budgauge help ledger`).
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Union

import msgspec

from budgauge.accounting.number import MAX_COUNT as MAX_COUNT
from budgauge.accounting.number import MAX_SECONDS
from budgauge.accounting.number import MAX_TIMESTAMP as MAX_TIMESTAMP
from budgauge.config.name import same_name

MAX_NAME_BYTES = 128
"""The most bytes of UTF-8 that an agent id or a model may have."""

PART = "#"
"""Between a call's id and the number of a later record that adds to it, as in `x#2`."""
CLAIM = "="
"""Ends the alias of a line without tokens: the record of that id, by an older version, belongs to this call."""
VARIANT = "@"
"""Between a message's id and what tells one more call of the same id from the first, as in `x@1200.80`."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_BYTES)]
Timestamp = Union[
    Annotated[int, msgspec.Meta(ge=0, le=MAX_SECONDS)], Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)]
]
Expiry = Union[
    Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP)], Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMESTAMP)]
]


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The tokens of one call, at unix seconds. A line's unknown fields are no error: a second reading drops them."""

    agent_id: Name
    model: Name
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    timestamp: Timestamp
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_write_1h_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    id: str | None = None
    session: str | None = None
    project: str | None = None
    source: str | None = None
    service_tier: str | None = None
    """Such as `priority`, `flex`, `batch`; None is the standard one."""
    speed: str | None = None
    """`fast`; None is standard."""
    inference_geo: str | None = None
    """`us`; None is anywhere."""
    web_search_requests: Count | None = None
    """Searches that the provider made for the call."""
    alias: str | None = None
    """Another name of the call, such as the id of the model's response."""


class Settle(Usage, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=False, kw_only=True, tag="settle"):
    """The usage a reservation ended in."""

    reserve: str


class Reset(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="reset"):
    """Counters start afresh from this line, for one agent, a family (`a/*`) or everyone."""

    timestamp: Timestamp
    id: str
    agent_id: Name | None = None
    by: str | None = None
    total_used: Count | None = None
    """Counted tokens in total before it."""


class UndoReset(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="undo_reset"):
    """The latest reset is taken back; usage since then is kept."""

    timestamp: Timestamp
    reset: str


class Reserve(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="reserve"):
    """Tokens held for a call to come, until `expires` (unix seconds)."""

    timestamp: Timestamp
    id: str
    agent_id: Name
    tokens: Count
    expires: Expiry


class Release(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="release"):
    """A reservation is given back unused."""

    timestamp: Timestamp
    reserve: str


Control = Union[Settle, Reset, UndoReset, Reserve, Release]
Record = Union[Usage, Control]


class Fault(msgspec.Struct, frozen=True, gc=False):
    """A line without a record."""

    offset: int
    """Bytes from the start of the file."""
    length: int
    reason: str


class Batch(msgspec.Struct):
    """The records and faults of a run of whole lines."""

    records: list[Record]
    faults: list[Fault]
    blank: int = 0
    """Lines that hold nothing, or nothing but NULs."""
    offsets: Callable[[], Sequence[int]] = list
    """Tells where each record's line begins, in bytes from the start of the file."""


def same_content(one: Record, other: Record) -> bool:
    """The same content, moments and ids aside, names compared in one form, and nothing the same as zero?"""
    if type(one) is not type(other):
        return False
    aside = ("timestamp", "expires", "alias", "id") if isinstance(one, Usage) else ("timestamp", "expires")
    fields = (field for field in one.__struct_fields__ if field not in aside)
    return all(_same(field, getattr(one, field) or 0, getattr(other, field) or 0) for field in fields)


def _same(field: str, one: object, other: object) -> bool:
    if one == other:
        return True
    is_name = field in ("agent_id", "model") and isinstance(one, str) and isinstance(other, str)
    return is_name and same_name(str(one)) == same_name(str(other))
