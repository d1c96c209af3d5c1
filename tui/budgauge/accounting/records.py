"""The ledger's lines as typed, frozen values, with their codec.

A line without `type` is a call's usage; the others change how usage is counted. Field meanings
are those of the ledger format (`budgauge help ledger`).
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Annotated, Union

import msgspec

from budgauge.accounting.number import COUNTS, MAX_SECONDS, MOMENTS, read_numbers
from budgauge.accounting.number import MAX_COUNT as MAX_COUNT
from budgauge.accounting.number import MAX_TIMESTAMP as MAX_TIMESTAMP
from budgauge.config.name import hidden, same_name
from budgauge.errors import RecordError

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
    Annotated[int, msgspec.Meta(ge=0, le=MAX_SECONDS)],
    Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)],
]
Expiry = Union[
    Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP)],
    Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMESTAMP)],
]


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The tokens of one call. Counts are tokens, the timestamp unix seconds.

    Unknown fields are no error in a line: they are left out when it is read a second time.
    """

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


class _Foreign(Usage, frozen=True, gc=False, forbid_unknown_fields=False):
    """A call with unknown fields."""


_KINDS: dict[object, type[_Foreign] | type[Control]] = {
    None: _Foreign,
    "settle": Settle,
    "reset": Reset,
    "undo_reset": UndoReset,
    "reserve": Reserve,
    "release": Release,
}
_NUMBERS = COUNTS | MOMENTS

_usage = msgspec.json.Decoder(Usage)
_foreign = msgspec.json.Decoder(_Foreign)
_control: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
_encode = msgspec.json.Encoder().encode


def encode(record: Record) -> bytes:
    """One line of the ledger, ending in a newline."""
    return _encode(record) + b"\n"


def decode(data: bytes, offset: int = 0) -> Batch:
    """Decode whole lines, each ending in a newline; `offset` is where `data` stands in the file.

    Typed decoding of many lines at once is six times as fast as line by line. So runs of plain
    calls are decoded at once, wherever that surely has the same outcome.
    """
    batch = _decode_run(data, offset)
    if batch is not None:
        return batch
    marks = [match.start() for match in _TYPE.finditer(data)]
    if not marks or len(marks) > data.count(b"\n") // _SPARSE:
        return _decode_lines(data, offset)
    return _decode_between(data, offset, marks)


_TYPE = re.compile(rb'"type"')
_SPARSE = 16
"""From one line in so many on, lines with a type are worth decoding what is between them at once."""
_OWN_START = b'\n{"agent_id":"'


def _decode_run(data: bytes, offset: int) -> Batch | None:
    """All of `data` as calls as we write them ourselves, or None where only a closer look can tell."""
    # Every line begins as ours do, and a second object in a line would make more records than lines.
    spaced = data[:1] == b"\n"
    dense = data.replace(b"\n\n", b"\n").removeprefix(b"\n") if spaced else data
    lines = dense.count(b"\n")
    if not dense.startswith(_OWN_START[1:]) or dense.count(_OWN_START) != lines - 1:
        return None
    plain = data.isascii()
    try:
        if not plain:
            data.decode()
        records: list[Record] = _usage.decode_lines(dense)  # type: ignore[assignment]  # lists are invariant
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(records) != lines or ((not plain or b"\\" in data) and any(name_fault(r) for r in records)):
        return None
    blank = data.count(b"\n") - lines if spaced else 0
    return Batch(records, [], blank, lambda: _starts(data, offset))


def _starts(data: bytes, offset: int) -> list[int]:
    """Return the offsets of lines with content."""
    return [offset + match.start() for match in _LINE.finditer(data)]


_LINE = re.compile(rb"[^\n]+")


def _decode_between(data: bytes, offset: int, marks: list[int]) -> Batch:
    """Decode typed lines one by one, and the runs between them at once."""
    parts: list[Batch] = []
    begin = 0
    for mark in [*marks, len(data)]:
        if mark < begin:
            continue
        start = data.rfind(b"\n", begin, mark) + 1 or begin
        if begin < start:
            run = data[begin:start]
            parts.append(_decode_run(run, offset + begin) or _decode_lines(run, offset + begin))
        begin = data.find(b"\n", mark) + 1 or len(data)
        parts.append(_decode_lines(data[start:begin], offset + start))
    return join(parts)


def join(parts: Sequence[Batch]) -> Batch:
    """Several batches, in the order of their lines, as one."""
    return Batch(
        records=[record for part in parts for record in part.records],
        faults=[fault for part in parts for fault in part.faults],
        blank=sum(part.blank for part in parts),
        offsets=lambda: [offset for part in parts for offset in part.offsets()],
    )


def _decode_lines(data: bytes, offset: int) -> Batch:
    records: list[Record] = []
    offsets: list[int] = []
    batch = Batch(records, [], offsets=lambda: offsets)
    for line in data.split(b"\n")[:-1]:
        body = line.strip(b" \t\r\0")
        if offset == 0:
            body = body.removeprefix(b"\xef\xbb\xbf")
        if body:
            record = decode_line(body)
            if isinstance(record, str):
                batch.faults.append(Fault(offset, len(line) + 1, record))
            else:
                records.append(record)
                offsets.append(offset)
        else:
            batch.blank += 1
        offset += len(line) + 1
    return batch


def decode_line(line: bytes) -> Record | str:
    """Decode one line without a newline: the record, or the reason for none."""
    try:
        if not line.isascii():
            line.decode()
        if is_deep(line):
            return _DEEP
        typed = b'"type"' in line and _type_of(line) is not None
        record: Record = _control.decode(line) if typed else _decode_call(line)
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason}"
    except RecursionError:
        return _DEEP
    except msgspec.ValidationError as error:
        found = _decode_foreign_numbers(line)
        if found is None or isinstance(found, str):
            return found or _plain(str(error))
        record = found
    except msgspec.MsgspecError as error:
        return f"not JSON: {_plain(str(error))}"
    return name_fault(record) or record


def _decode_foreign_numbers(line: bytes) -> Record | str | None:
    """Read a line with numbers in another spelling; a text names a bad number, None means another fault."""
    try:
        fields = msgspec.json.decode(line)
    except msgspec.MsgspecError:
        return None
    kind = _KINDS.get(fields.get("type")) if isinstance(fields, dict) else None
    if kind is None:
        return None
    trouble = read_numbers(fields, _NUMBERS.intersection(kind.__struct_fields__))
    if trouble is not None:
        return trouble
    try:
        call: Record = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        return _plain(str(error))
    return _as_own(call) if isinstance(call, _Foreign) else call


def _decode_call(line: bytes) -> Usage:
    try:
        return _usage.decode(line)
    except msgspec.ValidationError:
        return _as_own(_foreign.decode(line))


def _as_own(call: _Foreign) -> Usage:
    return Usage(*(getattr(call, field) for field in Usage.__struct_fields__))


MAX_DEPTH = 32
"""How deep a line may nest: without a bound of our own it would depend on the interpreter's stack."""
_DEEP = "nested too deeply"
# A string without its end reaches to the end of the line: tried anew from every quote, it would cost their square.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)
_STEPS = {b"{": 1, b"[": 1, b"]": -1, b"}": -1}


def is_deep(line: bytes) -> bool:
    """Does JSON nest deeper than MAX_DEPTH?"""
    if line.count(b"{") + line.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(line):
        depth += _STEPS.get(match[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def repaired(text: bytes | bytearray) -> bytes:
    """Return JSON with every lone escaped surrogate as U+FFFD: text may have been cut within a pair."""
    return _HALF_PAIR.sub(rb"\\ufffd", text)


class _Typed(msgspec.Struct, gc=False):
    type: object = None


_typed = msgspec.json.Decoder(_Typed)


def _type_of(line: bytes) -> object:
    return _typed.decode(line).type


def _plain(message: str) -> str:
    return message.replace(" - at `$.", " in `").replace("JSON is malformed: ", "").replace(" - at `$`", "")


def name_fault(record: Record) -> str | None:
    """Return the fault of an agent id's or a model's length, which no type can express."""
    for field in ("agent_id", "model"):
        value = getattr(record, field, None)
        if value is not None and len(value) * 4 > MAX_NAME_BYTES and len(value.encode()) > MAX_NAME_BYTES:
            return f"{field} is longer than {MAX_NAME_BYTES} bytes"
    return None


def _is_plain(name: str) -> bool:
    return name.isascii() and 0 < len(name) <= MAX_NAME_BYTES and name.isprintable()


def check_name(field: str, value: object, *, is_recorded: bool = False) -> str:
    """Return `value`, fit to be written as an agent id or a model, or raise RecordError.

    Control characters are refused here though a foreign line that has them counts: what
    we write ourselves must be safe in every reader's terminal. Spaces at the ends and invisible
    characters are refused, too, unless the name `is_recorded` already: two names must not look the same.
    """
    if type(value) is str and _is_plain(value) and (is_recorded or value == value.strip()):
        return value
    if not isinstance(value, str) or not value:
        raise RecordError(f"{field} must be a text of 1 to {MAX_NAME_BYTES} bytes, not {value!r}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise RecordError(f"{field} {value!r} is not valid Unicode: it holds half a surrogate pair") from None
    if size > MAX_NAME_BYTES:
        raise RecordError(f"{field} {value[:20]!r}... has {size} bytes; at most {MAX_NAME_BYTES} are allowed")
    if not value.isprintable() and any(unicodedata.category(char) == "Cc" for char in value):
        raise RecordError(f"{field} {value!r} holds a control character; use printable text")
    if not is_recorded and (trouble := hidden(value)):
        raise RecordError(f"{field} {value!r} {trouble}", hint="Type the name anew, without it.")
    return str(value)


def check_count(field: str, value: object, *, least: int = 0) -> int:
    """Return `value`, a count of tokens from `least` to 2^53-1, or raise RecordError."""
    if type(value) is int and least <= value <= MAX_COUNT:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_COUNT:
        raise RecordError(f"{field} must be an integer from {least} to {MAX_COUNT}, not {value!r}")
    return value


def check_timestamp(value: object) -> float:
    """Return `value`, a moment in unix seconds from 0 to 10^11, or raise RecordError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_SECONDS:
        raise RecordError(f"timestamp must be unix seconds from 0 to {MAX_SECONDS}, not {value!r}")
    return int(value) if isinstance(value, int) else float(value)


def check_ttl(now: float, ttl: object) -> float:
    """The unix second at which a time to live of `ttl` seconds ends, else RecordError."""
    good = isinstance(ttl, (int, float)) and not isinstance(ttl, bool) and ttl > 0 and now + ttl <= MAX_TIMESTAMP
    if not good:
        raise RecordError(f"ttl must be a number of seconds above 0, not {ttl!r}")
    expires = round(now + ttl, 3)  # type: ignore[operator]  # a number, said just above
    if expires <= now:
        raise RecordError(f"ttl must be a thousandth of a second at least, not {ttl!r}: it would hold nothing")
    return int(expires) if expires == int(expires) else expires


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


def check_record(record: Record) -> None:
    """Raise RecordError for a record that some reader of the line would take for another."""
    try:
        fault = decode_line(encode(record).rstrip())
    except (UnicodeEncodeError, TypeError, msgspec.MsgspecError) as error:
        fault = str(error)
    if isinstance(fault, str):
        raise RecordError(f"this record cannot be written: {fault}", hint="Make records with make_usage.")


def make_usage(
    agent_id: str,
    model: str,
    prompt_tokens: int,
    completion_tokens: int,
    *,
    timestamp: float,
    id: str | None = None,
    alias: str | None = None,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    reasoning_tokens: int = 0,
    session: str | None = None,
    project: str | None = None,
    source: str | None = None,
    service_tier: str | None = None,
    speed: str | None = None,
    inference_geo: str | None = None,
    web_search_requests: int = 0,
) -> Usage:
    """Make a usage record fit to be written, or raise RecordError naming the bad field.

    Parts larger than their whole are refused here (a foreign line's are clipped).
    """
    agent_id, model, timestamp = (
        check_name("agent_id", agent_id),
        check_name("model", model),
        check_timestamp(timestamp),
    )
    check_count("prompt_tokens", prompt_tokens)
    check_count("completion_tokens", completion_tokens)
    total = check_count("prompt_tokens + completion_tokens", prompt_tokens + completion_tokens)
    if (cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens) != (0, 0, 0, 0):
        _check_parts(prompt_tokens, cached_tokens=cached_tokens, cache_write_tokens=cache_write_tokens)
        _check_parts(cache_write_tokens, cache_write_1h_tokens=cache_write_1h_tokens)
        _check_parts(completion_tokens, reasoning_tokens=reasoning_tokens)
    check_text("id", id)
    check_text("alias", alias)
    check_text("session", session)
    check_text("project", project)
    check_text("source", source)
    check_charge("service_tier", service_tier)
    check_charge("speed", speed)
    check_charge("inference_geo", inference_geo)
    return Usage(
        agent_id,
        model,
        prompt_tokens,
        completion_tokens,
        total,
        timestamp,
        cached_tokens=cached_tokens or None,
        cache_write_tokens=cache_write_tokens or None,
        cache_write_1h_tokens=cache_write_1h_tokens or None,
        reasoning_tokens=reasoning_tokens or None,
        id=id,
        session=session,
        project=project,
        source=source,
        service_tier=service_tier,
        speed=speed,
        inference_geo=inference_geo,
        web_search_requests=check_count("web_search_requests", web_search_requests) or None,
        alias=alias,
    )


def _check_parts(whole: int, **parts: int) -> None:
    """Raise RecordError unless the parts are counts, together no more than the whole."""
    together = sum(check_count(field, value) for field, value in parts.items())
    if together > whole:
        raise RecordError(f"{' + '.join(parts)} is {together}, more than the {whole} tokens it is part of")


MAX_TEXT_BYTES = 512
"""The most bytes an id, session, project or source may have, so that a line stays under 4 KiB."""


def check_text(field: str, value: str | None) -> None:
    """RecordError unless `value` is None or a short text without half surrogates."""
    if value is None:
        return
    if not isinstance(value, str) or not value:
        raise RecordError(f"{field} must be a text, not {value!r}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise RecordError(f"{field} {value!r} is not valid Unicode: it holds half a surrogate pair") from None
    if size > MAX_TEXT_BYTES:
        raise RecordError(f"{field} has {size} bytes; at most {MAX_TEXT_BYTES} are allowed")


MAX_CHARGE_BYTES = 32
"""The most bytes a service tier, speed or region may have."""
_CHARGE = re.compile(r"[A-Za-z0-9_-]+")


def check_charge(field: str, value: object) -> None:
    """RecordError unless `value` is None or the short name of a tier, speed or region."""
    if value is None:
        return
    if not isinstance(value, str) or len(value) > MAX_CHARGE_BYTES or not _CHARGE.fullmatch(value):
        raise RecordError(
            f"{field} must be a name of 1 to {MAX_CHARGE_BYTES} letters, digits, - and _, not {str(value)[:60]!r}"
        )
