"""The gate in real agents, offline: what it refuses is not done, and the ledger it keeps is what was served.

Optional: how to get the agents, and where they are looked for, is told in `program.py`.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from agents.gated import Gated
from agents.mock_models import INSISTING, Json, ModelServer
from agents.program import CODEX, RUN_SECONDS, Claude, Codex, Program, calls_of, needs_codex, sums
from budgauge.gate.reply import ADVICE
from faults.crew import wait_until
from terminal import Terminal

pytestmark = pytest.mark.agents

IN_FLIGHT = {Codex.name: 0, Claude.name: 1}
"""Claude Code calls the hook before its log holds the call that asks for the tool: so many more may pass."""
CURSOR_ASKED, CURSOR_AT = b"\x1b[6n", "\x1b[1;1R"


def over(limit: int, current: int | str, agent: str = "") -> str:
    """The budget's message, to the letter."""
    start = f"Agent {agent} would exceed limit of {limit} tokens" if agent else f"Total budget of {limit} tokens"
    return f"{start}{'' if agent else ' would be exceeded'} (current: {current}, requested: 1)"


def told(request: Json, message: str) -> list[int]:
    """The current tokens in each message of this kind that a model got."""
    pattern = re.escape(message).replace("CURRENT", r"(\d+)")
    return [int(current) for current in re.findall(pattern, json.dumps(request))]


def spent_before(server: ModelServer) -> list[int]:
    """Tokens served until before each call, and after the last."""
    sums = [0]
    for tokens in server.book.totals:
        sums.append(sums[-1] + tokens)
    return sums


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("total_budget = 10", over(10, 10)),
        ("total_budget = 9", over(9, 10)),
        ('total_budget = 0\nper_agent_limits = {{"{name}" = 0}}', over(0, 0, "{name}")),
        ('total_budget = 0\nper_agent_limits = {{"{name}/*" = 0}}', over(0, 0, "{name}/*")),
    ],
    ids=["spent", "overspent", "agent", "family"],
)
def test_a_spent_budget_stops_the_turn_before_any_request(
    gated: Gated, server: ModelServer, config: str, message: str
) -> None:
    name = gated.program.name
    gated.config(config.format(name=name))
    gated.spent(10)
    done = gated.program.run("say hi")
    assert (server.book.requests, server.book.truth(), gated.ran) == ([], {}, 0)
    if name == Codex.name:  # which says why on its screen alone
        assert "hook: UserPromptSubmit Blocked" in done.stderr
    else:
        assert f"{message.format(name=name)}\n{ADVICE}" in json.loads(done.stdout)["result"]


@needs_codex
def test_codex_shows_the_message_on_its_screen(codex: Codex, server: ModelServer) -> None:
    gated = Gated(codex)
    gated.install()
    gated.config("total_budget = 10")
    gated.spent(10)
    assert CODEX is not None
    command = [CODEX, "--dangerously-bypass-hook-trust", "-s", "danger-full-access", "say hi"]
    with Terminal(command, columns=120, env=codex.env, cwd=str(codex.project)) as terminal:
        deadline = time.monotonic() + RUN_SECONDS
        while CURSOR_ASKED not in terminal.raw and time.monotonic() < deadline:
            terminal.pump(0.05)
        terminal.send(CURSOR_AT)
        terminal.wait_for("Blocked by hook")
        terminal.wait_for(over(10, 10))
    assert server.book.requests == []


@pytest.mark.parametrize("prompt", ["say hi", "delegate: say hi"])
def test_within_the_budget_it_runs_and_the_hooks_alone_book_every_call(
    gated: Gated, server: ModelServer, prompt: str
) -> None:
    gated.config("total_budget = 1_000_000")
    gated.program.exec(prompt)
    assert sums(gated.booked) == server.book.truth() != {}
    agents = {gated.program.name, gated.program.worker} if "delegate" in prompt else {gated.program.name}
    assert {call.agent_id for call in gated.booked} == agents
    assert gated.ran > 0


def test_the_next_prompt_books_what_the_last_one_left(gated: Gated, server: ModelServer) -> None:
    gated.config("total_budget = 1_000_000")
    again = ("resume", "--last", "say hi again") if gated.program.name == Codex.name else ("say hi again", "--continue")
    gated.program.exec("delegate: say hi")
    first = server.book.truth()
    gated.config("total_budget = 1")
    gated.program.run(*again)
    assert server.book.truth() == first
    assert sums(gated.booked) == first


def test_a_budget_that_ends_in_mid_turn_refuses_the_tools(gated: Gated, server: ModelServer) -> None:
    gated.config("total_budget = 1")
    gated.program.exec("insist: say hi")
    in_flight = IN_FLIGHT[gated.program.name]
    assert gated.ran <= in_flight
    assert len(server.book.requests) == INSISTING + 1
    currents = told(server.book.requests[-1], over(1, "CURRENT"))
    assert len(currents) == INSISTING - gated.ran
    before = spent_before(server)
    first = 1 + gated.ran
    assert before[first - in_flight] <= currents[0] <= before[first]
    for call, current in enumerate(currents, start=first):
        # Once the ledger is over, it refuses before the log is read.
        assert currents[0] <= current <= before[call]
    assert over(1, currents[-1]) in gated.logs()


def test_a_sub_agents_limit_refuses_that_sub_agent_alone(gated: Gated, server: ModelServer) -> None:
    worker = gated.program.worker
    gated.config(f'total_budget = 0\nper_agent_limits = {{"{worker}" = 0}}')
    gated.program.exec("delegate: say hi")
    assert gated.ran == 0
    currents = [current for request in server.book.requests for current in told(request, over(0, "CURRENT", worker))]
    own = [call for call in gated.booked if call.agent_id == gated.program.name]
    if gated.program.name == Codex.name:  # which asks for a sub-agent's prompt too: it never begins
        assert (calls_of(server.book.truth()), len(own), currents) == (3, 3, [])
    else:
        assert currents
        assert calls_of(server.book.truth()) > len(own)
    server.book.requests.clear()
    gated.program.exec("say hi")
    assert gated.ran > 0


def test_beside_a_running_collector_everything_counts_once(gated: Gated, server: ModelServer) -> None:
    gated.config("total_budget = 1_000_000")
    command = [sys.executable, "-m", "budgauge", "collect", gated.program.name, "--follow", "--since", "all", "--json"]
    place = {"cwd": gated.program.project, "env": gated.program.env}
    with subprocess.Popen(command, **place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as collector:
        try:
            assert collector.stdout is not None
            assert json.loads(collector.stdout.readline())["records"] == 0
            for prompt in ("delegate: say hi", "say hi"):
                gated.program.exec(prompt)
                truth = server.book.truth()
                wait_until(lambda truth=truth: len(gated.booked) >= calls_of(truth))
                assert sums(gated.booked) == truth
        finally:
            collector.send_signal(signal.SIGTERM)
            _, error = collector.communicate(timeout=RUN_SECONDS)
    assert (collector.returncode, error) == (0, "")
    ids = [call.id for call in gated.booked]
    assert len(set(ids)) == len(ids) == calls_of(server.book.truth())


def test_the_default_budget_never_refuses(gated: Gated, server: ModelServer) -> None:
    gated.spent(2_000_000)
    gated.program.exec("delegate: say hi")
    assert calls_of(server.book.truth()) >= 5, "an agent may call once more when its sub-agent has ended"
    assert gated.ran > 0
    assert "exceed" not in gated.logs()


def test_uninstalled_the_settings_are_as_before(program: Program, server: ModelServer) -> None:
    gated = Gated(program)
    server.book.command = gated.command
    if program.name == Claude.name:
        program.settings.write_text('{\n  "cleanupPeriodDays": 30\n}\n')
    before = program.settings.read_bytes()
    gated.config("total_budget = 10")
    gated.spent(10)
    gated.install()
    program.run("say hi")
    assert server.book.requests == []
    gated.install("--uninstall")
    assert program.settings.read_bytes() == before
    program.exec("say hi")
    assert (len(server.book.requests), gated.ran, gated.booked) == (2, 1, [])
