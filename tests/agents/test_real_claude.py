"""The real Claude Code, offline, against a model server on loopback: our totals and costs are what was served.

Optional: how to get it, and where it is looked for, is told in `program.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest

from agents import live
from agents.mock_models import Json, ModelServer
from agents.program import RUN_SECONDS, Claude, needs_claude, sums
from budgauge.sources.collector import Collector
from sources.sinks import Sink

pytestmark = [pytest.mark.agents, needs_claude]

BOTH = {Claude.name, Claude.worker}


@pytest.mark.parametrize(
    ("runs", "agents"),
    [
        ([["say hi"]], {Claude.name}),
        ([["delegate: say hi"]], BOTH),
        ([["say hi"], ["say hi again", "--continue"]], {Claude.name}),
        ([["delegate: say hi"], ["say hi again", "--continue"]], BOTH),
    ],
    ids=["plain", "delegate", "continue", "continue-delegate"],
)
def test_totals_are_what_was_served(
    claude: Claude, server: ModelServer, runs: list[list[str]], agents: set[str]
) -> None:
    for prompt in runs:
        claude.exec(*prompt)
    sink = Sink()
    report = Collector(sink, [claude.source], only_below=claude.project).collect()
    assert sums(sink.calls) == server.book.truth() != {}
    assert {call.agent_id for call in sink.calls} == agents
    assert report.notes == ()


@pytest.mark.parametrize("options", [(), ("--fork-session",)], ids=["resume", "fork"])
def test_a_resumed_session_spends_only_its_own(claude: Claude, server: ModelServer, options: tuple[str, ...]) -> None:
    session = json.loads(claude.exec("say hi"))["session_id"]
    first = Sink()
    Collector(first, [claude.source]).collect()
    assert sums(first.calls) == server.book.truth()
    resumed = json.loads(claude.exec("say hi again", "--resume", session, *options))
    assert (resumed["session_id"] == session) == (not options)
    for sink in (first, Sink()):
        Collector(sink, [claude.source]).collect()
        assert sums(sink.calls) == server.book.truth()


def costs(claude: Claude) -> Decimal:
    """What `budgauge collect` says that all new calls cost."""
    command = [sys.executable, "-m", "budgauge", "collect", "claude-code", "--since", "all", "--json"]
    done = subprocess.run(
        command, cwd=claude.project, env=claude.env, capture_output=True, text=True, timeout=RUN_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")
    return sum((Decimal(row["cost_usd"]) for row in json.loads(done.stdout)["models"]), Decimal(0))


def printed(output: str) -> Decimal:
    """What Claude Code says that its calls cost: a float's digits, of which the last are noise."""
    cost: Decimal = json.loads(output, parse_float=Decimal)["total_cost_usd"]
    return round(cost, 10)


def test_a_cost_is_what_claude_code_says_itself(claude: Claude) -> None:
    for prompt in ("say hi", "delegate: say hi", "say hi again"):
        said = printed(claude.exec(prompt))
        assert costs(claude) == said > 0, prompt


ADVISOR = {
    "type": "advisor_message",
    "model": "claude-opus-4-7",
    "input_tokens": 120,
    "output_tokens": 40,
    "cache_read_input_tokens": 7,
    "cache_creation_input_tokens": 0,
}


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-opus-4-7", "claude-sonnet-4-6"])
@pytest.mark.parametrize(
    "charges",
    [
        {"inference_geo": "us"},
        {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3}},
        {"iterations": [{"type": "message", "input_tokens": 11, "output_tokens": 151}, ADVISOR]},
        {"speed": "fast"},
        {"speed": "fast", "inference_geo": "us", "server_tool_use": {"web_search_requests": 1}},
    ],
    ids=["region", "searches", "advisor", "fast", "all"],
)
def test_a_cost_beside_tokens_is_what_claude_code_says_itself(
    claude: Claude, server: ModelServer, model: str, charges: Json
) -> None:
    if "speed" in charges and "opus" not in model:
        pytest.skip("has no fast mode")
    server.book.charges = charges
    said = printed(claude.exec("say hi", "--model", model))
    assert costs(claude) == said > 0


def test_following_keeps_up_with_a_running_claude(claude: Claude, server: ModelServer) -> None:
    live.follow_to_the_truth(claude, server)


def test_the_gauges_move_to_the_truth_beside_a_running_claude(claude: Claude, server: ModelServer) -> None:
    live.watch_the_gauges(claude, server)
