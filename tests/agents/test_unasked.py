"""Real agents whose hooks are switched off spend without asking the gate: they are found, and nobody else.

Optional: how to get the agents, and where they are looked for, is told in `program.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.gated import Gated
from agents.mock_models import ModelServer
from agents.program import Claude, Codex, Program, needs_claude, needs_codex, total

pytestmark = pytest.mark.agents

WITHOUT_HOOKS = [
    pytest.param(Codex, ("-c", "features.hooks=false"), marks=needs_codex, id="codex-features"),
    pytest.param(Claude, ("--settings", '{"disableAllHooks":true}'), marks=needs_claude, id="claude-settings"),
    pytest.param(Claude, ("--bare",), marks=needs_claude, id="claude-bare"),
    pytest.param(Claude, ("--setting-sources", "project"), marks=needs_claude, id="claude-sources"),
]


def budgauge(program: Program, *arguments: str) -> str:
    """What a command of ours prints."""
    done = program.budgauge(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def unasked(program: Program) -> list[dict[str, Any]]:
    """The sessions that are found, once everything is collected."""
    budgauge(program, "collect", "--since", "all")
    rows: list[dict[str, Any]] = json.loads(budgauge(program, "status", "--json"))["unasked"]
    return rows


@pytest.mark.parametrize(("kind", "options"), WITHOUT_HOOKS)
def test_a_session_without_hooks_is_found_and_no_other(
    request: pytest.FixtureRequest, kind: type[Program], options: tuple[str, ...], server: ModelServer
) -> None:
    program = kind(request.getfixturevalue("tmp_path"), server.url)
    gated = Gated(program)
    server.book.command = gated.command
    program.exec("say hi")
    gated.install()
    gated.config("total_budget = 1_000_000")
    program.exec("say hi")
    assert unasked(program) == [], "one began before the hooks were installed, the other asked"
    before = total(server.book.truth())
    gated.spent(1_000_000)
    program.exec("say hi", *options)
    spent = total(server.book.truth()) - before
    (row,) = unasked(program)
    assert (row["agent_id"], row["used"]) == (program.name, spent)
    assert "1 session today spent" in budgauge(program, "status")
    gated.install("--uninstall")
    assert unasked(program) == []


@pytest.mark.parametrize("prompt", ["say hi", "delegate: say hi"])
def test_a_session_that_asks_is_never_found(program: Program, server: ModelServer, prompt: str) -> None:
    gated = Gated(program)
    server.book.command = gated.command
    gated.install()
    program.exec(prompt)
    again = ("resume", "--last", "say hi again") if program.name == Codex.name else ("say hi again", "--continue")
    program.exec(*again)
    assert unasked(program) == []


@needs_codex
@pytest.mark.parametrize("arguments", [("review", "look at it"), ("fork", "SESSION", "say hi from the fork")])
def test_a_review_or_a_fork_that_asks_is_never_found(
    codex: Codex, server: ModelServer, arguments: tuple[str, ...]
) -> None:
    gated = Gated(codex)
    gated.install()
    codex.exec("say hi")
    session = str(gated.booked[0].session)
    codex.exec(*(session if word == "SESSION" else word for word in arguments))
    assert unasked(codex) == []


@needs_claude
def test_a_fork_that_asks_is_never_found(claude: Claude, server: ModelServer) -> None:
    gated = Gated(claude)
    gated.install()
    session = json.loads(claude.exec("say hi"))["session_id"]
    claude.exec("say hi again", "--resume", session, "--fork-session")
    assert unasked(claude) == []
