"""The codec of the ledger's lines: records to lines, and lines to records or faults."""

import re
from collections.abc import Sequence

import msgspec

from budgauge.accounting.number import COUNTS, MOMENTS, read_numbers
from budgauge.accounting.records import (
    MAX_NAME_BYTES,
    Batch,
    Control,
    Fault,
    Record,
    Release,
    Reserve,
    Reset,
    Settle,
    UndoReset,
    Usage,
)


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
        typed = b'"type"' in line and _typed.decode(line).type is not None
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


def _plain(message: str) -> str:
    return message.replace(" - at `$.", " in `").replace("JSON is malformed: ", "").replace(" - at `$`", "")


def name_fault(record: Record) -> str | None:
    """Return the fault of an agent id's or a model's length, which no type can express."""
    for field in ("agent_id", "model"):
        value = getattr(record, field, None)
        if value is not None and len(value) * 4 > MAX_NAME_BYTES and len(value.encode()) > MAX_NAME_BYTES:
            return f"{field} is longer than {MAX_NAME_BYTES} bytes"
    return None
