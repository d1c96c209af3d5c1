"""`check` and `status` in a project: the user's budget stands beside the project's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from budgauge.cli import cli
from usage import line


@pytest.fixture
def codex(own_place: Path) -> Path:
    """The user's folder; the working directory is a project."""
    folder = own_place / ".codex"
    folder.mkdir()
    (own_place / "work" / ".codex").mkdir()
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def config(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(f"[token_budget]\n{text}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("user", "project", "code"),
    [("", "total_budget = 2_000_000", 0), ("total_budget = 5", "total_budget = 0", 3), ("", "total_budget = 5", 3)],
)
def test_check_asks_both(codex: Path, own_place: Path, user: str, project: str, code: int) -> None:
    config(codex, user)
    config(own_place / "work" / ".codex", project)
    assert run("check", "--agent", "a", "--tokens", "1500000").exit_code == code


def test_check_never_allows_beside_a_broken_project(codex: Path, own_place: Path) -> None:
    config(own_place / "work" / ".codex", "total_budget = -1")
    assert run("check", "--agent", "a").exit_code == 2
    config(codex, "total_budget = 5")
    assert run("check", "--agent", "a", "--tokens", "6").exit_code == 3


def test_status_has_the_users_budget_beside_the_projects(codex: Path, own_place: Path) -> None:
    assert json.loads(run("status", "--json").stdout)["user_budget"] is None
    config(codex, "total_budget = 10_000")
    config(own_place / "work" / ".codex", "total_budget = 50")
    (codex / "token_usage.jsonl").write_bytes(line(prompt_tokens=70, completion_tokens=7, total_tokens=77))
    fields = json.loads(run("status", "--json").stdout)
    assert (fields["total_budget"], fields["total_used"]) == (50, 0)
    user = fields["user_budget"]
    assert (user["total_budget"], user["total_used"], user["remaining_budget"]) == (10_000, 77, 9_923)


def test_the_table_says_whose_budget_it_is_and_how_the_users_own_stands(codex: Path, own_place: Path) -> None:
    config(codex, "total_budget = 100")
    assert "Yours" not in run("status").stdout
    config(own_place / "work" / ".codex", "total_budget = 50")
    (codex / "token_usage.jsonl").write_bytes(line(prompt_tokens=70, completion_tokens=7, total_tokens=77))
    lines = run("status").stdout.splitlines()
    assert "Budget  the project's; your own must allow a call as well" in lines
    assert "Yours   77.0% (77 / 100), which is closer to its limit" in lines
    config(codex, "total_budget = 0")
    assert "Yours   77 tokens used, no total budget is set" in run("status").stdout.splitlines()
    config(codex, "per_agent_limits = { a = 80 }")
    lines = run("status").stdout.splitlines()
    assert "Yours   77 tokens used, no total budget is set; closer to its limit: a 96.2% (77 / 80)" in lines


def test_the_doctor_says_whose_budget_is_shown_and_how_the_users_own_stands(codex: Path, own_place: Path) -> None:
    def finding() -> dict[str, Any]:
        checks = json.loads(run("doctor", "--json").stdout)["checks"]
        (found,) = [check for check in checks if check["name"] == "budget"]
        return dict(found)

    config(codex, "total_budget = 100")
    assert (finding()["state"], finding()["message"].partition(";")[0]) == ("ok", "your own is shown")
    config(own_place / "work" / ".codex", "total_budget = 50")
    assert (finding()["state"], finding()["message"].partition(";")[0]) == ("ok", "the project's is shown")
    (codex / "token_usage.jsonl").write_bytes(line(prompt_tokens=70, completion_tokens=7, total_tokens=77))
    assert (finding()["state"], "nearer its end: 77.0% (77 / 100)" in finding()["message"]) == ("ok", True)
    config(codex, "total_budget = 77")
    assert (finding()["state"], "nearer its end: 100.0% (77 / 77)" in finding()["message"]) == ("warning", True)
    assert [str(codex) in detail for detail in finding()["details"]] == [False, True]
    (codex / "token_usage.jsonl").unlink()
    (codex / "token_usage.jsonl").mkdir()
    assert (finding()["state"], "is a folder" in finding()["message"]) == ("error", True)


def test_a_users_ledger_that_cannot_be_read_is_unknown_and_never_zero(codex: Path, own_place: Path) -> None:
    config(own_place / "work" / ".codex", "total_budget = 50")
    (codex / "token_usage.jsonl").mkdir()
    result = run("status")
    assert (result.exit_code, "Yours   unknown: " in result.stdout, "is a folder" in result.stdout) == (0, True, True)
    result = run("status", "--json")
    assert (result.exit_code, "is a folder" in result.stderr) == (1, True)


@pytest.mark.parametrize("more", [(), ("--exit-code",)])
def test_beside_a_projects_wrong_config_the_users_own_budget_is_shown(
    codex: Path, own_place: Path, more: tuple[str, ...]
) -> None:
    config(codex, "total_budget = 100")
    (codex / "token_usage.jsonl").write_bytes(line(prompt_tokens=70, completion_tokens=7, total_tokens=77))
    config(own_place / "work" / ".codex", "total_budget = -1")
    result = run("status", "--json", *more)
    assert result.exit_code == 2
    assert "total_budget = -1" in result.stderr
    fields = json.loads(result.stdout)
    assert (fields["total_budget"], fields["total_used"]) == (100, 77)
    assert (fields["user_budget"]["total_budget"], fields["user_budget"]["total_used"]) == (100, 77)
    [problem] = fields["problems"]
    assert (problem["kind"], "total_budget = -1" in problem["message"]) == ("project_config", True)
    shown = run("status", *more)
    assert shown.exit_code == 2
    assert shown.stdout.startswith("Budget  your own; the project's config is wrong")
    assert "77 / 100" in shown.stdout


def test_a_wrong_config_of_the_users_shows_nothing(codex: Path, own_place: Path) -> None:
    config(codex, "total_budget = -1")
    config(own_place / "work" / ".codex", "total_budget = 5")
    result = run("status", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    config(codex, "total_budget = 5")
    result = run("status", "--json", "--config", str(own_place / "work" / ".codex" / "gone.toml"))
    assert (result.exit_code, result.stdout) == (2, "")
