"""Agents' logs in a format that changed: what cannot be read is reported, by each program that reads logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from budgauge.cli import cli
from sources.rollouts import Log, usage
from sources.sessions import Session, tokens

Run = Callable[..., Result]


@pytest.fixture
def run(own_place: Path, ledger: Path) -> Run:
    """Each command, in a home where each agent's log has a call and lines that cannot be read."""
    renamed = {"prompt_tokens": 5, "output_tokens": 1}
    codex = Log().meta().turn("gpt-4o").call(100, 40, 10, 0)
    codex.event("token_count", info={"total_token_usage": renamed, "last_token_usage": renamed})
    without_cached = {key: value for key, value in usage((500, 0, 20, 0)).items() if "cached" not in key}
    codex.event("token_count", info={"total_token_usage": without_cached}).write(own_place / ".codex")
    Session().said("m", tokens(7, 3)).said("n", renamed).write(own_place / ".claude")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--ledger", str(ledger), *arguments])

    return run


NOTES = [
    "codex: 2 lines of session logs cannot be read; not counted; see budgauge doctor",
    "claude-code: 1 line of session logs cannot be read; not counted; see budgauge doctor",
]


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_collect_counts_and_reports_them_by_source(run: Run, more: tuple[str, ...]) -> None:
    result = run("collect", "--since", "all", "--json", *more)
    report: dict[str, Any] = json.loads(result.stdout)
    assert {source["name"]: source["set_aside"] for source in report["sources"]} == {"codex": 2, "claude-code": 1}
    assert report["total_tokens"] == 120
    assert all(note in result.stderr for note in NOTES)


def test_collect_reports_them_to_people(run: Run) -> None:
    result = run("collect", "--since", "all")
    assert result.exit_code == 0
    assert all(note in result.stderr for note in NOTES)
    assert "skipped" in result.stdout


def test_the_doctor_names_the_logs(run: Run) -> None:
    run("collect", "--since", "all")
    result = run("doctor", "--json")
    (finding,) = [check for check in json.loads(result.stdout)["checks"] if check["name"] == "agents' logs"]
    assert (finding["state"], "not counted" in finding["mend"]) == ("warning", True)
    logs = [Path(line.partition(": ")[0]).name for line in finding["details"] if " log read; " not in line]
    told = [line.partition(": ")[2] for line in finding["details"]]
    assert sum("2 skipped" in line for line in told) == sum("1 skipped" in line for line in told) == 2
    assert len(logs) == 2
