"""The ledger's lines: what is read, what is set aside, what may be written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from budgauge.accounting.codec import decode, decode_line, encode, join
from budgauge.accounting.record_checks import check_name, check_record, make_usage
from budgauge.accounting.records import MAX_COUNT, Batch, Record, Release, Reserve, Reset, Settle, UndoReset, Usage
from budgauge.errors import RecordError
from usage import line, usage

FIELDS: dict[str, Any] = {
    "agent_id": "code-reviewer",
    "model": "gpt-4",
    "prompt_tokens": 1500,
    "completion_tokens": 800,
    "total_tokens": 2300,
    "timestamp": 1698765432,
}


def text(**fields: Any) -> bytes:
    return json.dumps({**FIELDS, **fields}).encode()


def raw(field: str, value: str) -> bytes:
    """A good line with one field's value as raw JSON."""
    return text(**{field: "@@"}).replace(b'"@@"', value.encode())


def test_the_contracts_example_is_read() -> None:
    assert decode_line(text()) == Usage("code-reviewer", "gpt-4", 1500, 800, 2300, 1698765432)


def test_it_is_written_as_the_contract_shows_it() -> None:
    assert encode(Usage(**FIELDS)) == (
        b'{"agent_id":"code-reviewer","model":"gpt-4","prompt_tokens":1500,"completion_tokens":800,'
        b'"total_tokens":2300,"timestamp":1698765432}\n'
    )


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (Reset(1, "r", "a", "me", 5), {"type": "reset", "id": "r", "agent_id": "a", "by": "me", "total_used": 5}),
        (Reset(1, "r"), {"type": "reset", "id": "r"}),
        (UndoReset(1, "r"), {"type": "undo_reset", "reset": "r"}),
        (Reserve(1, "h", "a", 9, 60), {"type": "reserve", "id": "h", "agent_id": "a", "tokens": 9, "expires": 60}),
        (Release(1, "h"), {"type": "release", "reserve": "h"}),
        (Settle(**FIELDS, reserve="h"), {**FIELDS, "type": "settle", "reserve": "h"}),
    ],
)
def test_other_lines_carry_their_type(record: Record, shown: dict[str, object]) -> None:
    assert json.loads(encode(record)) == {"timestamp": 1, **shown}
    assert decode_line(encode(record).rstrip()) == record


def test_unknown_fields_are_no_error() -> None:
    assert decode_line(text(cost=1.5, tags=["x", {"y": None}], type=None)) == Usage(**FIELDS)


def test_a_fractional_timestamp_is_a_moment() -> None:
    record = decode_line(text(timestamp=1698765432.25))
    assert isinstance(record, Usage)
    assert record.timestamp == 1698765432.25


@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"])
@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "1.5", "true", '"x"', "-1", str(2**53), "9" * 5000, "[1]", "{}"],
)
def test_what_is_no_count_is_that_lines_fault(field: str, value: str) -> None:
    assert isinstance(decode_line(raw(field, value)), str)


@pytest.mark.parametrize("value", ["0", str(MAX_COUNT)])
def test_counts_reach_from_0_to_2_53_less_1(value: str) -> None:
    assert isinstance(decode_line(raw("total_tokens", value)), Usage)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b"17", "Expected `object`, got `int`"),
        (b"{}", "Object missing required field `agent_id`"),
        (b'{"agent_id":', "not JSON: Input data was truncated"),
        (text() + text(), "not JSON: trailing characters"),
        (text(agent_id="\xff").replace(rb"\u00ff", b"\xff"), "not UTF-8"),
        (text(x="\xff").replace(rb"\u00ff", b"\xff"), "not UTF-8"),
        (text(agent_id=""), "Expected `str` of length >= 1 in `agent_id`"),
        (text(agent_id="a" * 129), "Expected `str` of length <= 128 in `agent_id`"),
        (text(agent_id="é" * 65), "agent_id is longer than 128 bytes"),
        (text(model="é" * 65), "model is longer than 128 bytes"),
        (raw("session", r'"\ud800"'), "not JSON"),
        (raw("x", r'"\ud800x"'), "not JSON"),
        (raw("x", "[" * 100_000 + "]" * 100_000), "nested too deeply"),
        (raw("x", '{"x":' * 40 + "1" + "}" * 40), "nested too deeply"),
        (text(type="frobnicate"), "Invalid value 'frobnicate' in `type`"),
        (text(type=5), "Expected `str`"),
        (text(timestamp=-1), "`timestamp` must be unix seconds or milliseconds, not -1"),
        (raw("timestamp", "1e400"), "Number out of range in `timestamp`"),
        (text(timestamp=10**14 + 1), "`timestamp` must be unix seconds or milliseconds, not 100000000000001"),
    ],
)
def test_a_bad_line_says_why(bad: bytes, reason: str) -> None:
    why = decode_line(bad)
    assert isinstance(why, str)
    assert reason in why


def test_how_deep_a_line_may_nest_depends_on_nothing_else() -> None:
    assert decode_line(raw("x", "[" * 31 + "]" * 31)) == Usage(**FIELDS)
    assert decode_line(raw("x", "[" * 32 + "]" * 32)) == "nested too deeply"
    assert decode_line(text(x='"[{' * 100)) == Usage(**FIELDS), "brackets in a text do not nest"


def test_control_characters_of_a_foreign_line_count() -> None:
    record = decode_line(text(agent_id="\x1b]0;pwn\x07"))
    assert isinstance(record, Usage)
    assert record.agent_id == "\x1b]0;pwn\x07"


def test_faults_name_their_place() -> None:
    good = line()
    batch = decode(good + b"nonsense\n" + good + b"[]\n", offset=1000)
    assert len(batch.records) == 2
    assert [(f.offset, f.length) for f in batch.faults] == [(1000 + len(good), 9), (1009 + 2 * len(good), 3)]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \t\n", b"\0" * 500 + b"\n"])
def test_blank_lines_are_counted_not_faults(blank: bytes) -> None:
    batch = decode(line() + blank + line())
    assert (len(batch.records), batch.faults, batch.blank) == (2, [], 1)


@pytest.mark.parametrize(
    "odd",
    [line().replace(b"\n", b"\r\n"), b"\0\0\0" + line(), b"  " + line(), line().replace(b":", b" : ")],
)
def test_lines_written_otherwise_count(odd: bytes) -> None:
    assert decode(line() + odd + line()).records == [usage()] * 3


def test_a_byte_order_mark_is_accepted_at_the_start_of_the_file_alone() -> None:
    marked = b"\xef\xbb\xbf" + line()
    assert decode(marked + line()).records == [usage()] * 2
    assert decode(marked, offset=7).records == []
    assert len(decode(line() + marked).faults) == 1


def test_lines_end_at_newlines_only() -> None:
    """U+2028, U+0085 and form feeds end lines for `str.splitlines`, not for us."""
    assert decode(line("a\u2028b\u0085c")).records == [usage("a\u2028b\u0085c")]
    assert len(decode(line().replace(b",", b",\x0c", 1)).faults) == 1


def _one_by_one(data: bytes, offset: int = 0) -> Batch:
    """What `decode` says of each line alone."""
    batches = []
    for part in data.split(b"\n")[:-1]:
        batches.append(decode(part + b"\n", offset))
        offset += len(part) + 1
    return join(batches)


names = st.text(min_size=1, max_size=40)
counts = st.integers(0, MAX_COUNT)
maybe_count = st.none() | counts
texts = st.none() | names
usages = st.builds(
    Usage,
    names,
    names,
    counts,
    counts,
    counts,
    st.integers(0, 10**11) | st.floats(0, 10**11, allow_nan=False),
    cached_tokens=maybe_count,
    cache_write_tokens=maybe_count,
    cache_write_1h_tokens=maybe_count,
    reasoning_tokens=maybe_count,
    id=texts,
    session=texts,
    project=texts,
    source=texts,
)
PIECES = [
    line(),
    line().rstrip(),
    line(session="}"),
    text(x={"y": [1]}) + b"\n",
    text(x="}")[:-2],
    text(session="{")[:-1],
    b'"}' + line(),
    b"{",
    b"}",
    b"}\n{",
    b"\n",
    b"\r\n",
    b" ",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[",
    b"]",
    b'"',
    b",",
    b"\\",
    b'"type"',
    encode(Reset(1, "r")),
    text(model="é" * 65) + b"\n",
    text(type=None) + b"\n",
    line("\u2028é"),
    b'{"agent_id":"a",\n"model":"m","prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"timestamp":1}\n',
]
mixes = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=12).map(b"".join)


def _values(batch: Batch) -> tuple[object, ...]:
    return batch.records, batch.faults, batch.blank, list(batch.offsets())


@given(mixes, st.sampled_from([0, 5]))
@example(text(x="}\n{").replace(rb"\n", b"\n") + line(), 0)
@example(text()[:-1] + b',"x":"}\n{"}' + text() + b"\n", 0)
@example(text() + text() + b"\n\n" + line(), 0)
@example(b'{"x":[{}\n,{}]}\n', 0)
@example(text()[:-1] + b',"x":\n{"y":1}}\n', 0)
@example(text()[:-1] + b',"x":\n{"y":1}}' + line(), 0)
@example(text(x=json.loads("[" * 40 + "]" * 40)) + b"\n", 0)
@example(b"\n\n\n" + line() + b"\n\n\n", 0)
def test_a_block_decodes_as_its_lines_alone(data: bytes, offset: int) -> None:
    data += b"\n"
    assert _values(decode(data, offset)) == _values(_one_by_one(data, offset))
    # A carriage return at each end rules out reading a whole block at once.
    assert decode(data, offset).records == decode(data.replace(b"\n", b"\r\n"), offset).records


@given(st.lists(usages, max_size=8))
def test_a_block_of_records_decodes_as_its_lines_alone(records: list[Usage]) -> None:
    data = b"".join(map(encode, records))
    assert _values(decode(data)) == _values(_one_by_one(data))


@given(usages)
def test_what_is_written_is_read_back(record: Usage) -> None:
    data = encode(record)
    assert data.count(b"\n") == 1
    assert decode_line(data[:-1]) in (record, "agent_id is longer than 128 bytes", "model is longer than 128 bytes")


@given(mixes)
def test_every_byte_is_a_record_a_fault_or_blank(data: bytes) -> None:
    data += b"\n"
    batch = decode(data)
    assert len(batch.records) + len(batch.faults) + batch.blank == data.count(b"\n")
    for fault in batch.faults:
        assert data[fault.offset + fault.length - 1 : fault.offset + fault.length] == b"\n"


@pytest.mark.parametrize("bad", ["", "a" * 129, "é" * 65, "a\nb", "\x1b[2J", "a\x7f", "\x85", "\ud800", None, 5, b"a"])
def test_a_name_we_write_is_short_printable_text(bad: object) -> None:
    with pytest.raises(RecordError, match="model"):
        check_name("model", bad)


def test_a_name_of_128_bytes_is_allowed() -> None:
    assert check_name("agent_id", "é" * 64) == "é" * 64


def made(**fields: Any) -> Usage:
    values = {"agent_id": "a", "model": "m", "prompt_tokens": 10, "completion_tokens": 5, "timestamp": 1, **fields}
    return make_usage(**values)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, bad) for name in ("prompt_tokens", "completion_tokens") for bad in (-1, 1.0, True, "1", None, 2**53)),
        ("cached_tokens", -1),
        ("cached_tokens", 11),
        ("cache_write_tokens", 11),
        ("cache_write_1h_tokens", 1),
        ("reasoning_tokens", 6),
        ("timestamp", -1),
        ("timestamp", float("nan")),
        ("timestamp", float("inf")),
        ("timestamp", 1e12),
        ("timestamp", "1"),
        ("timestamp", True),
        ("id", ""),
        ("id", "\ud800"),
        ("session", "x" * 513),
        ("project", 5),
        ("source", b"x"),
    ],
)
def test_what_is_written_is_checked_field_by_field(field: str, value: object) -> None:
    with pytest.raises(RecordError, match=field):
        made(**{field: value})


def test_the_sum_must_be_a_count_too() -> None:
    with pytest.raises(RecordError, match="prompt_tokens \\+ completion_tokens must be an integer"):
        made(prompt_tokens=MAX_COUNT, completion_tokens=1)


def test_parts_as_large_as_their_whole_are_allowed() -> None:
    record = made(cached_tokens=4, cache_write_tokens=6, cache_write_1h_tokens=6, reasoning_tokens=5)
    assert (record.cached_tokens, record.cache_write_tokens, record.total_tokens) == (4, 6, 15)


def test_a_made_record_is_one_that_readers_take() -> None:
    check_record(made(id="x", session="s\x01\n", project="/p", source="cli"))


@pytest.mark.parametrize("fields", [{"prompt_tokens": -1}, {"agent_id": ""}, {"id": "\ud800"}, {"timestamp": -5}])
def test_a_record_that_readers_refuse_is_not_fit_to_be_written(fields: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="cannot be written"):
        check_record(usage(**{"prompt": fields.pop("prompt_tokens", 1), **fields}))


@pytest.mark.parametrize(("noise", "end"), [('\\"', "["), ('"', "["), ("[]", '"'), ("\\", "["), ('"\\', "[")])
def test_the_depth_of_a_long_line_is_found_behind_any_noise(noise: str, end: str) -> None:
    assert isinstance(decode_line((noise * (60_000 // len(noise)) + end * 33).encode()), str)


@pytest.mark.parametrize("body", ['"a', '"a\\"', '"\\', ""])
def test_brackets_within_a_text_are_no_depth_even_without_its_end(body: str) -> None:
    text = '{"x":' + body + "[" * 60_000
    fault = decode_line(text.encode())
    assert isinstance(fault, str)
    assert ("deep" in fault) == (body == "")
