"""`budgauge export`: what counts, once, in constant memory, safe to open."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Reserve, Reset, Settle
from budgauge.cli import cli
from budgauge.cli.export import COLUMNS, Calls
from usage import line

Export = Callable[..., Result]


@pytest.fixture
def export(ledger: Path) -> Export:
    return lambda form, *more: CliRunner().invoke(cli, ["export", "--format", form, "--ledger", str(ledger), *more])


def rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_every_call_that_counts_once_whatever_was_reset(export: Export, ledger: Path) -> None:
    ledger.write_bytes(
        line("a", id="x")
        + encode(Reset(1, "r"))
        + line("b")
        + line("a", id="x")
        + line("c", id="x")
        + b"junk\n"
        + encode(Reserve(1, "h", "d", 9, 60))
        + encode(Settle("d", "m", 1, 2, 3, 5, reserve="h"))
    )
    result = export("csv")
    assert [row["agent_id"] for row in rows(result)] == ["a", "b", "d"]
    assert "2 lines skipped" in result.stderr


def test_every_field_has_a_column_and_the_counted_total(export: Export, ledger: Path) -> None:
    parts = {"cached_tokens": 4, "cache_write_tokens": 3, "cache_write_1h_tokens": 2, "reasoning_tokens": 1}
    texts = {"id": "i", "session": "s", "project": "/p", "source": "codex"}
    texts |= {"service_tier": "flex", "speed": "fast", "inference_geo": "us"}
    ledger.write_bytes(line("a/b", 10, 5, total_tokens=3, web_search_requests=7, **parts, **texts))
    (row,) = rows(export("csv"))
    assert tuple(row) == COLUMNS
    assert row == {
        "timestamp": "1767225600",
        "time": "2026-01-01T00:00:00+00:00",
        "agent_id": "a/b",
        "model": "gpt-4",
        "prompt_tokens": "10",
        "completion_tokens": "5",
        "total_tokens": "15",
        **{key: str(value) for key, value in parts.items()},
        **texts,
        "web_search_requests": "7",
    }


def test_json_lines_lose_nothing_and_are_ascii(export: Export, ledger: Path) -> None:
    ledger.write_bytes(line("é\x1b[31m", 10, 5, id="=1+1", cached_tokens=3))
    result = export("jsonl")
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
    assert json.loads(result.stdout) == json.loads(ledger.read_bytes())


@pytest.mark.parametrize("hostile", ["\x1b]0;pwn\x07", "\x9b31m", "\u202ex", "a\nb"])
def test_nothing_steers_a_terminal(export: Export, ledger: Path, hostile: str) -> None:
    ledger.write_bytes(line(hostile, model=hostile, session=hostile))
    assert not any(sign in export("csv").stdout for sign in "\x1b\x07\x9b\u202e")
    assert len(export("csv").stdout.splitlines()) == 2


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_text_is_a_formula(export: Export, ledger: Path, formula: str) -> None:
    ledger.write_bytes(line(formula, session=formula))
    (row,) = rows(export("csv"))
    assert (row["agent_id"], row["session"]) == ("'" + formula, "'" + formula)


def test_since_a_date_in_local_time(export: Export, ledger: Path) -> None:
    ledger.write_bytes(line("old", timestamp=1_767_225_599) + line("new", timestamp=1_767_225_600))
    assert [row["agent_id"] for row in rows(export("csv", "--since", "2026-01-01"))] == ["new"]
    result = export("csv", "--since", "yesterday-ish")
    assert result.exit_code == 2
    assert "a date such as 2026-11-01" in result.stderr


def test_no_ledger_is_an_empty_export(export: Export, ledger: Path) -> None:
    result = export("csv")
    assert (rows(result), result.stdout) == ([], ",".join(COLUMNS) + "\n")
    assert "no file yet" in result.stderr
    assert not ledger.exists()


def test_what_is_no_ledger_is_told(export: Export, ledger: Path) -> None:
    os.mkfifo(ledger)
    result = export("jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is a FIFO, not a ledger file" in result.stderr


def test_a_long_ledger_takes_no_more_memory_than_a_block(ledger: Path) -> None:
    ledger.write_bytes(line(session="s" * 40) * 60_000)
    tracemalloc.start()
    calls = sum(1 for _ in Calls(ledger))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert calls == 60_000
    assert peak < 3 << 20


def test_a_reader_that_has_enough_ends_it_quietly(ledger: Path) -> None:
    ledger.write_bytes(line() * 20_000)
    command = f"{sys.executable} -m budgauge export --format jsonl --ledger {ledger} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_what_must_be_escaped_and_what_need_not_be_are_written_alike(export: Export, ledger: Path) -> None:
    ledger.write_bytes(line("plain", timestamp=1.5) + line("\x7f") + line("é"))
    lines = export("jsonl").stdout.splitlines()
    assert [list(json.loads(text)) for text in lines] == [list(json.loads(lines[0]))] * 3
    assert [json.loads(text)["agent_id"] for text in lines] == ["plain", "\x7f", "é"]
    assert all(text.isprintable() and text.isascii() and " " not in text for text in lines)


def test_a_standard_output_that_was_closed_is_no_traceback(ledger: Path) -> None:
    ledger.write_bytes(line())
    command = f"{sys.executable} -m budgauge export --format csv --ledger {ledger} >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
