"""What real agents make of our hooks in each of their files, and of settings that switch hooks off.

Optional: how to get the agents, and where they are looked for, is told in `program.py`.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from agents.gated import Gated
from agents.mock_models import ModelServer
from agents.program import Claude, Codex, Program, needs_claude, needs_codex
from budgauge.sources.codex import switches
from budgauge.sources.hook_settings import hooks_in

pytestmark = pytest.mark.agents


def found(program: Program) -> dict[str, Any]:
    """What the doctor says of the gate."""
    checks = json.loads(program.budgauge("doctor", "--json").stdout)["checks"]
    return next(check for check in checks if check["name"] == "gate")


def spent(program: Program) -> Gated:
    """The agent's budget is spent."""
    gated = Gated(program)
    gated.config("total_budget = 10")
    gated.spent(10)
    return gated


@needs_claude
def test_a_projects_hook_is_called_in_its_subfolders(claude: Claude, server: ModelServer) -> None:
    spent(claude)
    subprocess.run(["git", "init", "-q", claude.project], check=True)
    assert claude.budgauge("hook", "install", claude.name, "--project").returncode == 0
    claude.project = claude.project / "deep"
    claude.project.mkdir()
    claude.run("say hi")
    assert (server.book.requests, found(claude)["state"]) == ([], "ok")


@needs_codex
def test_codex_calls_the_hooks_in_its_hooks_json(codex: Codex, server: ModelServer) -> None:
    spent(codex)
    config, path = codex.settings.read_text(), codex.codex_home / "hooks.json"
    path.write_text("{}")
    assert codex.budgauge("hook", "install", codex.name).returncode == 0
    codex.run("say hi")
    assert (server.book.requests, codex.settings.read_text()) == ([], config)


@needs_claude
def test_a_projects_variables_choose_no_other_ledger(claude: Claude, server: ModelServer) -> None:
    gated = spent(claude)
    assert claude.budgauge("hook", "install", claude.name, "--ledger", str(gated.ledger)).returncode == 0
    settings = claude.project / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"env": {"CODEX_TOKEN_LEDGER": str(claude.folder / "other.jsonl")}}))
    claude.run("say hi")
    assert server.book.requests == []
    assert [detail for detail in found(claude)["details"] if f"{settings}: env sets CODEX_TOKEN_LEDGER" in detail]


def test_hooks_that_are_switched_off_are_an_error_for_the_doctor(program: Program, server: ModelServer) -> None:
    gated = spent(program)
    gated.install()
    if program.name == Codex.name:
        path = program.settings
        path.write_text(f"{path.read_text()}\n[features]\nhooks = false\n")
    else:
        path = program.project / ".claude" / "settings.json"
        path.parent.mkdir()
        path.write_text('{"disableAllHooks": true}')
    program.run("say hi")
    assert server.book.requests, "the agent did not ask"
    finding = found(program)
    assert finding["state"] == "error"
    assert any(f"{path}: " in detail and "no hook is called" in detail for detail in finding["details"])


@needs_codex
def test_codex_hooks_hold_once_they_are_trusted(
    codex: Codex, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = spent(codex)
    gated.install()
    bypassing = codex.command
    monkeypatch.setattr(
        codex, "command", lambda *prompt: [word for word in bypassing(*prompt) if "bypass-hook-trust" not in word]
    )
    codex.run("say hi")
    assert server.book.requests, "the agent did not ask"
    assert "until you trust them" in str(found(codex)["details"])
    server.book.requests.clear()
    lines = [codex.settings.read_text()]
    for event, groups in hooks_in("codex", codex.settings).items():
        (trusted, _) = switches.hashes(event, None, groups[0]["hooks"][0])
        lines += [f'[hooks.state."{codex.settings}:{switches.event_label(event)}:0:0"]', f'trusted_hash = "{trusted}"']
    codex.settings.write_text("\n".join([*lines, ""]))
    codex.run("say hi")
    assert (server.book.requests, found(codex)["state"]) == ([], "ok")
