"""Numbers that other programs spell in another way: read where they can mean one thing only, else said in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from budgauge.accounting.codec import decode, decode_line
from budgauge.accounting.records import MAX_COUNT, Release, Reserve, Reset, Settle, Usage
from budgauge.cli import cli
from usage import line, usage

COUNT = "a whole number from 0 to 9007199254740991"
MOMENT = "unix seconds or milliseconds"


def written(**fields: object) -> bytes:
    """A call's line with other fields than ours."""
    return json.dumps({**json.loads(line()), **fields}).encode()


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [
        (1.0, 1),
        (1e3, 1000),
        (-0.0, 0),
        ("1", 1),
        ("007", 7),
        ("1500.0", 1500),
        (str(MAX_COUNT), MAX_COUNT),
        (float(MAX_COUNT), MAX_COUNT),
    ],
)
@pytest.mark.parametrize("field", ["prompt_tokens", "cached_tokens", "web_search_requests"])
def test_a_count_that_can_mean_one_thing_only_is_read(field: str, spelt: object, meant: int) -> None:
    record = decode_line(written(**{field: spelt}))
    assert isinstance(record, Usage)
    assert (getattr(record, field), type(getattr(record, field))) == (meant, int)


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [
        (1_790_000_000_000, 1_790_000_000),
        (1_790_000_000_250, 1_790_000_000.25),
        (1_790_000_000_250.0, 1_790_000_000.25),
        ("1790000000", 1_790_000_000),
        ("1790000000.5", 1_790_000_000.5),
        ("1790000000250", 1_790_000_000.25),
        (10**11, 10**11),
        (10**11 + 1000, 10**8 + 1),
    ],
)
def test_a_moment_is_read_as_seconds_or_milliseconds(spelt: object, meant: float) -> None:
    record = decode_line(written(timestamp=spelt))
    assert isinstance(record, Usage)
    assert record.timestamp == meant


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("prompt_tokens", "1.000", COUNT),
        ("prompt_tokens", "1,5", COUNT),
        ("prompt_tokens", "12 tokens", COUNT),
        ("prompt_tokens", "", COUNT),
        ("prompt_tokens", "-1", COUNT),
        ("prompt_tokens", 1.5, COUNT),
        ("prompt_tokens", True, COUNT),
        ("prompt_tokens", -1, COUNT),
        ("prompt_tokens", 2**53, COUNT),
        ("prompt_tokens", [1], COUNT),
        ("timestamp", "2026-11-01", MOMENT),
        ("timestamp", True, MOMENT),
        ("timestamp", 1_790_000_000_000_000, MOMENT),
    ],
)
def test_what_is_no_such_number_is_said_in_words(field: str, value: object, allowed: str) -> None:
    assert decode_line(written(**{field: value})) == f"`{field}` must be {allowed}, not {json.dumps(value)}"


def test_long_values_are_cut() -> None:
    assert str(decode_line(written(prompt_tokens="9" * 500))).endswith('"' + "9" * 39 + "...")


@pytest.mark.parametrize(
    ("fields", "record"),
    [
        ({"type": "reset", "id": "r", "timestamp": 1_790_000_000_000}, Reset(1_790_000_000, "r")),
        (
            {"type": "reserve", "id": "h", "agent_id": "a", "tokens": "9", "timestamp": 1, "expires": "1790000000000"},
            Reserve(1, "h", "a", 9, 1_790_000_000),
        ),
        ({"type": "release", "reserve": "h", "timestamp": "5"}, Release(5, "h")),
    ],
)
def test_other_lines_are_read_alike(fields: dict[str, object], record: object) -> None:
    assert decode_line(json.dumps(fields).encode()) == record


def test_a_settled_call_is_read_alike() -> None:
    record = decode_line(written(type="settle", reserve="h", completion_tokens="5"))
    assert isinstance(record, Settle)
    assert record.completion_tokens == 5


def test_what_is_wrong_beside_the_numbers_is_still_wrong() -> None:
    assert "agent_id" in str(decode_line(written(agent_id=7, prompt_tokens="1")))
    assert decode_line(written(type="new", prompt_tokens="1")) == "Invalid value 'new' in `type`"
    unknown = decode_line(written(tokens="many", prompt_tokens="10"))
    assert isinstance(unknown, Usage), "a field of another kind of line is none of this one's"


def test_an_id_with_the_same_content_in_another_spelling_is_the_same_call() -> None:
    first, again = decode_line(written(id="x")), decode_line(written(id="x", prompt_tokens="10", total_tokens=15.0))
    assert first == again


def test_lines_of_both_kinds_are_counted_in_their_places() -> None:
    other, bad = written(agent_id="b", prompt_tokens="10"), written(prompt_tokens="x")
    data = line("a") + other + b"\n" + bad + b"\n" + line("c")
    batch = decode(data)
    assert [record.agent_id for record in batch.records if isinstance(record, Usage)] == ["a", "b", "c"]
    assert [*batch.offsets()] == [0, len(line("a")), data.rindex(line("c"))]
    assert [fault.reason for fault in batch.faults] == [f'`prompt_tokens` must be {COUNT}, not "x"']


def test_a_ledger_in_milliseconds_counts_in_its_cycle(ledger: Path, own_place: Path) -> None:
    (own_place / ".codex").mkdir()
    (own_place / ".codex" / "config.toml").write_text('[token_budget.cycle]\nperiod = "daily"\n', encoding="utf-8")
    ledger.write_bytes(written(timestamp=1_790_000_000_250) + b"\n")
    shown = CliRunner().invoke(cli, ["status", "--cycles", "--ledger", str(ledger)]).stdout
    assert "2026-09-21" in shown
    exported = CliRunner().invoke(cli, ["export", "--format", "jsonl", "--ledger", str(ledger)]).stdout
    assert json.loads(exported) == {**json.loads(line()), "timestamp": 1_790_000_000.25}
    assert usage().total_tokens == 15
