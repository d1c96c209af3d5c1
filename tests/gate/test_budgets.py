"""Two budgets at the gate: a project's config can refuse, and never takes the user's budget away."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from asking import Stage, refusal, reset_line
from budgauge import gate
from budgauge.gate import Answer
from faults.crew import fold
from sources.rollouts import START

OVER = "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"


class Place(Stage):
    """A session begun in a project; the user's ledger is the default one."""

    def __init__(self, agent: str, home: Path) -> None:
        super().__init__(agent, home, home / ".codex" / "token_usage.jsonl")
        self.project = home / "work" / "app"
        (self.project / ".codex").mkdir(parents=True)
        (self.project / "src").mkdir()
        self.project_ledger = self.project / ".codex" / "token_usage.jsonl"
        self.project_ledger.write_bytes(reset_line(START - 1))

    def project_config(self, data: bytes) -> None:
        (self.project / ".codex" / "config.toml").write_bytes(data)

    def begin_in_project(self) -> None:
        """The log says that the session was begun in the project."""
        text = self.transcript.read_text().replace('"/home/me/app"', json.dumps(str(self.project)))
        self.transcript.write_text(text)

    def answer(self, data: bytes) -> Answer:
        return gate.answer(data)


@pytest.fixture(params=["codex", "claude-code"])
def place(request: pytest.FixtureRequest, own_place: Path) -> Place:
    return Place(request.param, own_place)


@pytest.mark.parametrize(
    "config",
    [
        b"[token_budget]\n",
        b"[token_budget]\ntotal_budget = 0\n",
        b"[token_budget]\ntotal_budget = 1_000_000\n",
        b'[token_budget.collect]\nagent = "project"\n',
        b'[token_budget]\non_hook_error = "allow"\n',
        b"[token_budget]\ntotal_budget = \xff\n",
        b"[token_budget]\nledger = '/etc/other.jsonl'\n",
    ],
)
def test_a_projects_config_takes_no_budget_away(place: Place, config: bytes) -> None:
    place.config("total_budget = 100")
    place.project_config(config)
    place.spend(100, 0)
    assert refusal(place.ask("PreToolUse", cwd=str(place.project))) == OVER


def test_a_project_may_refuse_and_both_ledgers_have_the_call(place: Place) -> None:
    place.config("total_budget = 1000")
    place.project_config(b"[token_budget]\ntotal_budget = 100\n")
    place.spend(100, 0)
    assert refusal(place.ask(cwd=str(place.project))) == OVER
    assert fold(place.ledger) == fold(place.project_ledger) == {place.agent: 100}


def test_both_ledgers_have_the_call_where_the_user_refuses(place: Place) -> None:
    place.config("total_budget = 100")
    place.project_config(b"[token_budget]\ntotal_budget = 1000\n")
    place.spend(100, 0)
    assert place.ask(cwd=str(place.project)).code == 2
    assert fold(place.ledger) == fold(place.project_ledger) == {place.agent: 100}


@pytest.mark.parametrize(("user", "project"), [("deny", "allow"), ("allow", "deny")])
def test_the_strictest_answer_to_trouble_holds(place: Place, user: str, project: str) -> None:
    place.config(f'total_budget = 100\non_hook_error = "{user}"')
    place.project_config(f'[token_budget]\non_hook_error = "{project}"\ntotal_budget = -1\n'.encode())
    reply = place.ask(cwd=str(place.project))
    assert (reply.code, "so this was refused" in reply.error) == (2, True)


def test_the_sessions_own_folder_names_the_project(place: Place, own_place: Path) -> None:
    place.project_config(b"[token_budget]\ntotal_budget = 100\n")
    place.spend(100, 0)
    place.begin_in_project()
    for cwd in (str(place.project / "src"), str(own_place), "", None):
        assert refusal(place.ask("PreToolUse", cwd=cwd)) == OVER
    assert fold(place.project_ledger) == {place.agent: 100}


@pytest.mark.parametrize(("said", "code"), [("0", 2), ("1000", 2), ("many", 2), ("50", 2)])
def test_the_environment_raises_no_budget(place: Place, said: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    place.config("total_budget = 100")
    place.spend(100, 0)
    monkeypatch.setenv("CODEX_TOKEN_BUDGET", said)
    assert place.ask().code == code


def test_the_environment_lowers_a_budget(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.config("total_budget = 1000")
    place.spend(100, 0)
    assert place.ask().code == 0
    monkeypatch.setenv("CODEX_TOKEN_BUDGET", "100")
    assert refusal(place.ask()) == OVER


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", [".codex", ".codex/config.toml"])
def test_a_strangers_project_is_passed_over(place: Place, what: str) -> None:
    place.config("total_budget = 100")
    place.project_config(b"[token_budget]\ntotal_budget = 0\nper_agent_limits = { codex = 0, claude-code = 0 }\n")
    os.chown(place.project / what, 12345, 12345)
    assert place.ask(cwd=str(place.project)) == Answer()
