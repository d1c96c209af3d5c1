"""`budgauge collect`: what comes into the ledger, what is only reported, and from when on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from budgauge.accounting.billing_cycle import Calendar
from budgauge.cli import cli
from budgauge.config import Cycle
from sources.rollouts import CHILD, START, Log
from sources.sessions import Session, tokens
from usage import line

Run = Callable[..., Result]


@pytest.fixture
def run(own_place: Path, ledger: Path) -> Run:
    """The command, in a home where Codex has spent 110 tokens in ~/work and 8 elsewhere."""
    codex, work = own_place / ".codex", own_place / "work"
    Log().meta(cwd=str(work)).turn("gpt-4o").call(100, 40, 10, 0).write(codex)
    Log(CHILD, start=START + 1000).meta(agent_role="worker", cwd="/elsewhere").turn("o3").call(7, 0, 1, 0).write(codex)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--ledger", str(ledger), "collect", *arguments])

    return run


def fields(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_json_has_every_public_field(run: Run, ledger: Path, more: tuple[str, ...]) -> None:
    report = fields(run("codex", "--since", "all", "--json", *more))
    sums = {key: value for key, value in report.items() if isinstance(value, int)}
    assert sums == {
        "records": 2,
        "total_tokens": 118,
        "prompt_tokens": 107,
        "completion_tokens": 11,
        "cached_tokens": 40,
    }
    assert [(row["agent_id"], row["used"], row["calls"]) for row in report["agents"]] == [
        ("codex", 110, 1),
        ("codex/worker", 8, 1),
    ]
    assert [(row["model"], row["used"], row["cached_tokens"]) for row in report["models"]] == [
        ("gpt-4o", 110, 40),
        ("o3", 8, 0),
    ]
    (source,) = report["sources"]
    public = {"name", "files", "bytes", "calls", "duplicates", "replayed", "set_aside"}
    assert set(source) == public | {"grown", "lower_bounds", "unpriced_models"}
    assert (source["name"], source["files"], source["calls"]) == ("codex", 2, 2)
    assert ledger.exists() != bool(more)


def test_collecting_again_adds_nothing_and_a_dry_run_says_so(run: Run, ledger: Path) -> None:
    fields(run("--since", "all", "--json"))
    before = ledger.read_bytes()
    for more in (("--dry-run",), ()):
        again = fields(run("--since", "all", "--json", *more))
        assert again["records"] == again["sources"][0]["duplicates"] == again["sources"][0]["bytes"] == 0
    assert ledger.read_bytes() == before


@pytest.mark.parametrize(
    ("since", "records"), [("all", 2), ("now", 0), ("2025-11-24", 2), ("2025-11-24T16:10", 1), ("2025-11-25", 0)]
)
def test_since_when(run: Run, since: str, records: int) -> None:
    assert fields(run("--since", since, "--json"))["records"] == records


def test_without_since_it_begins_at_the_last_reset_else_at_midnight(run: Run, ledger: Path) -> None:
    assert fields(run("--json"))["records"] == 0
    reset = {"type": "reset", "id": "r", "timestamp": START + 500}
    ledger.write_text(json.dumps(reset) + "\n", encoding="utf-8")
    assert fields(run("--json"))["records"] == 1


def test_without_since_it_begins_where_the_cycle_does(run: Run, own_place: Path, ledger: Path) -> None:
    cycle = '[token_budget.cycle]\nperiod = "monthly"\nday = 24\n'
    (own_place / ".codex" / "config.toml").write_text(cycle, encoding="utf-8")
    begin = Calendar(Cycle(period="monthly", day=24)).span(time.time())[0]
    late = Log("019a0000-0000-7000-8000-00000000beef", start=int(begin) + 1).meta().turn("o3").call(5, 0, 1, 0)
    late.write(own_place / ".codex")
    assert fields(run("--json"))["total_tokens"] == 6
    reset = {"type": "reset", "id": "r", "timestamp": int(begin) - 5}
    ledger.write_text(json.dumps(reset) + "\n", encoding="utf-8")
    assert fields(run("--json"))["total_tokens"] == 6, "a reset of an earlier cycle is over"


@pytest.mark.parametrize("timestamp", [100_000_000_000, 253_402_300_799])
def test_a_reset_dated_in_the_future_hides_no_call(run: Run, ledger: Path, timestamp: int) -> None:
    before = line("x", timestamp=START - 1)
    ledger.write_bytes(before + b'{"type":"reset","id":"r","timestamp":%d}\n' % timestamp)
    assert fields(run("--json"))["records"] == 2


@pytest.mark.parametrize("since", ["cycle", "tomorrow", "7", ""])
def test_a_since_that_means_nothing_is_wrong_usage(run: Run, since: str) -> None:
    result = run("--since", since)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--since {since}" in result.stderr


@pytest.mark.parametrize("more", [(), ("--json",), ("--dry-run",)])
def test_what_was_not_read_is_told_on_standard_error(run: Run, own_place: Path, more: tuple[str, ...]) -> None:
    packed = own_place / ".codex" / "sessions" / "rollout-1.jsonl.zst"
    packed.write_bytes(b"x")
    result = run("--since", "all", *more)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"budgauge: codex: cannot read {packed}: is damaged")


def test_following_ends_well_on_sigterm(run: Run, ledger: Path) -> None:
    command = [sys.executable, "-m", "budgauge", "collect", "--follow", "--since", "all", "--json"]
    with subprocess.Popen([*command, "--ledger", str(ledger)], stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["records"] == 2
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(10) == 0
    assert ledger.read_bytes().count(b"\n") == 2


def test_people_are_told_in_a_few_lines(run: Run) -> None:
    first = run("--since", "2025-11-24T16:10")
    assert first.stdout.splitlines()[0] == "codex: 1 call recorded from 2 logs"
    again = run("--since", "all", "--dry-run")
    assert again.stdout.splitlines()[0] == "codex: 1 call would be recorded from 2 logs"


def test_a_lower_bound_is_told_while_it_is_one(own_place: Path, ledger: Path) -> None:
    log = Session().said("msg_1", tokens(10, 1), stop=None).said("msg_2", tokens(5, 5))
    command = ["--ledger", str(ledger), "collect", "claude-code", "--since", "all"]
    log.write(own_place / ".claude")
    first = CliRunner().invoke(cli, command)
    assert "1 without a final output count: a lower bound" in first.stdout
    log.said("msg_1", tokens(10, 150)).write(own_place / ".claude")
    assert fields(CliRunner().invoke(cli, [*command, "--json"]))["sources"][0]["lower_bounds"] == 0
    assert "lower bound" not in CliRunner().invoke(cli, command).output
