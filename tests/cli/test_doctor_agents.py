"""`budgauge doctor` says "ok" only of what is so: logs that nobody collects, and a gate that cannot refuse."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from budgauge.cli import cli
from budgauge.sources.hook_settings import installed
from budgauge.sources.settings.change import write
from sources.rollouts import Log
from sources.sessions import Session, tokens

MINUTES_AGO = 300


def check(name: str, ledger: Path) -> dict[str, Any]:
    """One finding; nothing may go wrong in looking."""
    result = CliRunner().invoke(cli, ["doctor", "--json", "--ledger", str(ledger)])
    (finding,) = [check for check in json.loads(result.stdout)["checks"] if check["name"] == name]
    return dict(finding)


def written_before(path: Path, seconds: float) -> Path:
    os.utime(path, (time.time() - seconds, time.time() - seconds))
    return path


def reset_long_ago(ledger: Path) -> None:
    ledger.write_text('{"type":"reset","id":"r","timestamp":1700000000}\n', encoding="utf-8")


def test_logs_that_nobody_collects_are_a_warning(own_place: Path, ledger: Path) -> None:
    reset_long_ago(ledger)
    path = Log().meta().turn().call(100, 0, 10, 0).write(own_place / ".codex")
    assert check("agents' logs", ledger)["state"] == "ok", "it was written just now"
    written_before(path, MINUTES_AGO)
    finding = check("agents' logs", ledger)
    assert (finding["state"], "what codex wrote is not collected" in finding["message"]) == ("warning", True)
    assert "budgauge collect codex" in finding["mend"]
    assert finding["details"] == ["codex: 1 log written since the counters began, but not read", f"codex: {path}"]
    collected = CliRunner().invoke(cli, ["collect", "--since", "all", "--ledger", str(ledger)])
    assert collected.exit_code == 0
    assert check("agents' logs", ledger)["state"] == "ok"
    with path.open("ab") as file:
        file.write(b"{}\n")
    written_before(path, MINUTES_AGO)
    assert check("agents' logs", ledger)["state"] == "warning"


def test_logs_of_before_the_counters_began_are_none_of_it(own_place: Path, ledger: Path) -> None:
    ledger.write_text(json.dumps({"type": "reset", "id": "r", "timestamp": int(time.time()) - 200}) + "\n")
    written_before(Log().meta().turn().call(1, 0, 1, 0).write(own_place / ".codex"), MINUTES_AGO)
    assert check("agents' logs", ledger)["state"] == "ok"


def test_logs_of_an_agent_that_asks_the_gate_are_collected_by_it(own_place: Path, ledger: Path) -> None:
    reset_long_ago(ledger)
    path = Session().said("m", tokens(1, 1)).write(own_place / ".claude")
    written_before(path, MINUTES_AGO)
    assert check("agents' logs", ledger)["state"] == "warning"
    write(installed("claude-code", own_place / ".claude" / "settings.json", f"{sys.executable} -m budgauge hook"))
    assert check("agents' logs", ledger)["state"] == "ok"


def test_a_projects_ledger_lacks_only_what_began_in_the_project(own_place: Path) -> None:
    project = own_place / "work" / ".codex"
    project.mkdir()
    (project / "config.toml").write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    reset_long_ago(project / "token_usage.jsonl")
    log = Log().meta(cwd="/elsewhere").turn().call(1, 0, 1, 0).write(own_place / ".codex")
    written_before(log, MINUTES_AGO)

    def finding() -> dict[str, Any]:
        result = CliRunner().invoke(cli, ["doctor", "--json"])
        (found,) = [one for one in json.loads(result.stdout)["checks"] if one["name"] == "agents' logs"]
        return dict(found)

    assert finding()["state"] == "ok"
    log.unlink()
    log = Log().meta(cwd=str(own_place / "work")).turn().call(1, 0, 1, 0).write(own_place / ".codex")
    written_before(log, MINUTES_AGO)
    assert finding()["state"] == "warning"


@pytest.mark.parametrize("name", ["rollout-2025-05-01-x.json", "rollout-2026-01-01-x.jsonl.gz"])
def test_a_format_that_is_not_read_is_a_warning(own_place: Path, ledger: Path, name: str) -> None:
    path = own_place / ".codex" / "sessions" / "2026" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    finding = check("agents' logs", ledger)
    assert (finding["state"], "not everything could be read" in finding["message"]) == ("warning", True)
    assert finding["details"] == [f"codex: 1 log in a format that is not read, such as {path}"]


@pytest.fixture
def gated(own_place: Path) -> Path:
    """Claude Code asks the gate; the config."""
    write(installed("claude-code", own_place / ".claude" / "settings.json", f"{sys.executable} -m budgauge hook"))
    (own_place / ".codex").mkdir()
    return own_place / ".codex" / "config.toml"


@pytest.mark.parametrize(
    ("config", "state"),
    [
        ("total_budget = 5", "ok"),
        ("per_agent_limits = { codex = 5 }", "warning"),
        ("per_agent_limits = { claude-codex = 5 }", "warning"),
        ("per_agent_limits = { claude-code = 5 }", "ok"),
        ('per_agent_limits = { "claude-code/*" = 5 }', "ok"),
        ('per_agent_limits = { "claude-code/Explore" = 5 }', "ok"),
        ('per_agent_limits = { codex = 5 }\ncollect = { agent = "project" }', "ok"),
    ],
)
def test_limits_that_concern_nobody_who_asks_refuse_nothing(gated: Path, ledger: Path, config: str, state: str) -> None:
    gated.write_text(f"[token_budget]\n{config}\n", encoding="utf-8")
    finding = check("gate", ledger)
    assert finding["state"] == state
    assert ("no budget and no limit concerns claude-code" in finding["message"]) == (state == "warning")


def test_a_gate_that_cannot_decide_is_an_error(gated: Path, ledger: Path) -> None:
    gated.write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    ledger.write_bytes(b"no ledger\n")
    finding = check("gate", ledger)
    assert (finding["state"], finding["message"]) == ("error", "it cannot decide, and lets agents through")
    assert "holds no ledger line" in finding["details"][0]
    assert 'on_hook_error = "deny"' in finding["mend"]
    gated.write_text('[token_budget]\ntotal_budget = 5\non_hook_error = "deny"\n', encoding="utf-8")
    finding = check("gate", ledger)
    assert (finding["state"], "refuses every call" in finding["message"]) == ("error", True)
