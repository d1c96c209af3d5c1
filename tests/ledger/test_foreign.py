"""Which files are taken for ledgers: what holds something of another kind is never written into."""

from __future__ import annotations

from pathlib import Path

import pytest

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Reset
from budgauge.config import BudgetConfig
from budgauge.errors import BudgetExceededError, LedgerError, LedgerRefusedError
from budgauge.tracker.tracker import TokenBudgetTracker
from usage import line, locked, usage


def record(path: Path) -> None:
    with locked(path, timeout=5) as ledger:
        ledger.append(usage())


def total(path: Path) -> int:
    return TokenBudgetTracker(ledger=path).get_total_used()


@pytest.mark.parametrize(
    "foreign",
    [
        b"# Notes\n",
        b'{"some":"json"}\n',
        b"x" * 70_000 + b"\n" + line(),
        b"\0" * 70_000 + b"x" * 70_000 + b"\n" + line(),
        b"no end",
        b"{",
        b'{"agent_id":"a"}\n',
        b'{"agent_id":"a","event":"x"}',
        b'{"type":"FeatureCollection","features":[' + b"0," * 40_000,
        b'{"type":"reset","id":\n# Notes\n',
    ],
)
def test_a_foreign_file_is_never_appended_to(ledger: Path, foreign: bytes) -> None:
    ledger.write_bytes(foreign)
    with pytest.raises(LedgerRefusedError, match="holds no ledger line in its first 64 KiB"):
        record(ledger)
    assert ledger.read_bytes() == foreign


@pytest.mark.parametrize(
    "ours",
    [
        b"",
        line()[:-1],
        b"\n" + line()[:-1],
        b"\xef\xbb\xbf" + line(),
        b"junk\n" * 1000 + line(),
        b'{"type":"reset","id":"r","timestamp":1}\n',
        line() + b"x" * 100_000 + b"\n",
    ],
)
def test_one_readable_line_near_its_start_makes_a_ledger(ledger: Path, ours: bytes) -> None:
    ledger.write_bytes(ours)
    record(ledger)
    assert ledger.read_bytes().startswith(ours)
    assert ledger.read_bytes().endswith(line())


@pytest.mark.parametrize("blank", [b"\n", b"\r\n \n", b"\0" * 100, b"\xef\xbb\xbf", b"\n" * 70_000, b"\0" * 200_000])
def test_a_file_that_holds_nothing_is_taken_for_a_ledger(ledger: Path, blank: bytes) -> None:
    ledger.write_bytes(blank)
    record(ledger)
    record(ledger)
    assert ledger.read_bytes().startswith(blank)
    assert total(ledger) == 30


TORN = [
    line()[:-20],
    line()[:13],
    encode(Reset(0, "r", "a"))[:-4],
    b'{"type":"undo_re',
    b'{"type":',
    b"\n" + line()[:-20],
    line()[:-20] + b"\n" + line()[:-30],
    b'{"agent_id":"' + b"a" * 70_000,
]


@pytest.mark.parametrize("torn", TORN)
def test_a_writer_that_died_in_the_very_first_line_keeps_nobody_out(ledger: Path, torn: bytes) -> None:
    ledger.write_bytes(torn)
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=30), ledger=ledger)
    for tokens in (31, 32):
        with pytest.raises(BudgetExceededError):
            tracker.report_usage("a", "gpt-4", tokens, 0)
    tracker.report_usage("a", "gpt-4", 10, 0)
    tracker.report_usage("a", "gpt-4", 20, 0)
    assert ledger.read_bytes().startswith(torn + b"\n")
    assert total(ledger) == 30


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_path_that_no_file_can_have_is_a_typed_error(tmp_path: Path, name: str) -> None:
    tracker = TokenBudgetTracker(ledger=f"{tmp_path}/{name}")
    for use in (tracker.get_status, tracker.reset, tracker.undo_reset, lambda: tracker.report_usage("a", "m", 1, 1)):
        with pytest.raises(LedgerError, match="cannot be a file's name") as caught:
            use()
        str(caught.value).encode()
