"""Ways around the gate that real agents took: a project's config, no log, another folder. None is open.

Optional: how to get the agents, and where they are looked for, is told in `program.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.gated import Gated
from agents.mock_models import INSISTING, ModelServer
from agents.program import Claude, Codex, sums
from budgauge.accounting.codec import decode
from budgauge.accounting.records import Usage

pytestmark = pytest.mark.agents

LOGLESS = {Codex.name: "--ephemeral", Claude.name: "--no-session-persistence"}
ONE_CALL = 1_800
"""Tokens: the first call fits into them, the second does not."""
IN_FLIGHT = 1
"""An agent may call the hook before its log holds the call that asks for the tool: so many more may pass."""
TAKES_AWAY = b'[token_budget]\ntotal_budget = 0\non_hook_error = "allow"\ncollect = { agent = "project" }\n'


def project_config(folder: Path, content: bytes) -> Path:
    """A folder becomes a project with this config; where its ledger is."""
    (folder / ".codex").mkdir(parents=True)
    (folder / ".codex" / "token_budget.toml").write_bytes(content)
    return folder / ".codex" / "token_usage.jsonl"


@pytest.mark.parametrize("content", [TAKES_AWAY, b"[token_budget]\ntotal_budget = \xff\n"], ids=["none", "broken"])
def test_a_projects_config_takes_no_budget_away(gated: Gated, server: ModelServer, content: bytes) -> None:
    gated.config("total_budget = 10")
    gated.spent(10)
    project_config(gated.program.project, content)
    gated.program.run("insist: say hi")
    assert (server.book.requests, gated.ran) == ([], 0)


def test_a_config_that_the_agent_writes_itself_takes_no_budget_away(gated: Gated, server: ModelServer) -> None:
    gated.config(f"total_budget = {ONE_CALL}")
    written = gated.program.project / ".codex" / "token_budget.toml"
    text = TAKES_AWAY.decode().replace("\n", "\\n")
    server.book.command = f"mkdir -p {written.parent}; printf '{text}' > {written}; {gated.command}"
    gated.program.exec("insist: say hi")
    assert len(server.book.requests) == INSISTING + 1
    assert written.read_bytes() == TAKES_AWAY
    assert 1 <= gated.ran <= 1 + IN_FLIGHT < INSISTING


def test_without_a_log_nothing_is_done_where_the_gate_denies(gated: Gated, server: ModelServer) -> None:
    gated.config('total_budget = 1_000_000\non_hook_error = "deny"')
    gated.program.run("insist: say hi", LOGLESS[gated.program.name])
    assert server.book.requests, "the model was asked"
    assert "has no log" in str(server.book.requests[-1])
    assert (gated.logs(), gated.ran) == ("", 0)


def test_another_folder_leaves_neither_the_limit_nor_the_books(gated: Gated, server: ModelServer) -> None:
    gated.config("total_budget = 1_000_000")
    ledger = project_config(gated.program.project, f"[token_budget]\ntotal_budget = {ONE_CALL}\n".encode())
    source = gated.program.project / "src"
    other = project_config(source, TAKES_AWAY)
    server.book.command = f"cd {source} && {gated.command}"
    gated.program.exec("insist: say hi")
    assert len(server.book.requests) == INSISTING + 1
    assert 1 <= gated.ran <= 1 + IN_FLIGHT < INSISTING
    projects = [record for record in decode(ledger.read_bytes()).records if isinstance(record, Usage)]
    assert sums(projects) == sums(gated.booked) == server.book.truth() != {}
    assert not other.exists()
