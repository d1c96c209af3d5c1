"""An earlier version beside the present one: what this one writes gives the same tokens there.

Optional. The earlier version is installed, in a folder beside this repository's, by

    git worktree add ../old d2aa79e && python3 -m venv ../old/.venv && ../old/.venv/bin/pip install ../old
    BUDGAUGE_OLD=../old/.venv/bin/budgauge python -m pytest tests/legacy -ra
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from legacy.home import Step, run, status
from legacy.write_homes import CODEX_LEDGER, CONFIG, HOMES, Home, log_file, record, session_file, table
from sources.rollouts import Log
from sources.sessions import Session, tokens

OLD = os.environ.get("BUDGAUGE_OLD", "")
pytestmark = pytest.mark.skipif(not OLD, reason="no earlier version: set BUDGAUGE_OLD to its budgauge")
NEW_PYTHON, OLD_PYTHON = sys.executable, os.path.join(os.path.dirname(os.path.abspath(OLD)), "python")
COLLECT: Step = {"args": ["collect", "--since", "all"]}


def newest_home() -> Home:
    """What the earlier version does not know: charges beside tokens, advisors, aliases."""
    advisor = {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 120, "output_tokens": 40}
    said = Session().said("m", tokens(5, 4, 20, speed="fast", iterations=[advisor]))
    said.said("s", tokens(7, 8, server_tool_use={"web_search_requests": 3}, inference_geo="us"))
    log = Log().meta().event("thread_settings_applied", thread_settings={"model": "gpt-5.5", "service_tier": "fast"})
    files = dict([log_file(log.turn("gpt-5.5").record(100, 20, 10, 5).record(50, 0, 5, 0))]) | session_file(said)
    more = ("--service-tier", "priority", "--speed", "fast", "--inference-geo", "us", "--web-searches", "2")
    steps = [COLLECT, record("a", 5, 6, *more), record("a", 5, 6, "--id", "one")]
    return Home({CONFIG: table("total_budget = 100000"), **files}, steps, [])


def relay_home() -> Home:
    """One id for every answer: each is a call of its own."""
    said = Session().said("same", tokens(1000, 100), requestId=None, uuid="u1", stop="end_turn")
    said.said("same", tokens(2000, 200), requestId=None, uuid="u2", stop="end_turn")
    return Home({CONFIG: table("total_budget = 100000"), **session_file(said)}, [COLLECT], [])


MADE = {**HOMES, "newest": newest_home, "relay": relay_home}


@pytest.fixture(params=MADE)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home in which the present version did everything that is kept of the earlier one."""
    home: Home = MADE[request.param]()
    for files, steps in ((home.files, home.steps), (home.grown, home.later)):
        for file, text in files.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for step in steps:
            assert run(NEW_PYTHON, tmp_path, step).returncode != 2 or step["args"] == ["hook"]
    return home


def counted(shown: dict[str, Any]) -> object:
    """The tokens in a status."""
    kinds = ("prompt_tokens", "completion_tokens", "cached_tokens")
    agents = {row["agent_id"]: [row[kind] for kind in kinds] for row in shown["agents"] if row["calls"]}
    return shown["total_used"], shown["agent_totals"], agents, shown["reserved"], shown["since"], shown["ledger"]


def test_what_is_written_now_gives_the_same_tokens_there(home: Home, tmp_path: Path) -> None:
    now = counted(status(NEW_PYTHON, tmp_path, home.folder))
    assert counted(status(OLD_PYTHON, tmp_path, home.folder)) == now


def test_collecting_there_doubles_nothing(home: Home, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if not any(step["args"][0] == "collect" for step in home.steps):
        pytest.skip("nothing is collected here")
    if request.node.callspec.params["home"] == "relay":
        pytest.skip("the earlier version takes all answers of one id for one call that grows")
    now = counted(status(NEW_PYTHON, tmp_path, home.folder))
    for python in (OLD_PYTHON, NEW_PYTHON):
        assert run(python, tmp_path, COLLECT).returncode == 0
        assert counted(status(python, tmp_path, home.folder)) == now
    assert (tmp_path / CODEX_LEDGER).exists()
