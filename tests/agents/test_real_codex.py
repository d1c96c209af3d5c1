"""The real Codex CLI, offline, against a model server on loopback: our totals are what was served.

Optional: `npm install @openai/codex`, then

    BUDGAUGE_CODEX=node_modules/.bin/codex python -m pytest -m agents -ra

Without `BUDGAUGE_CODEX` a `codex` on the PATH is used; without either these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.mock_models import ModelServer, Truth, serving
from budgauge.records import Usage
from budgauge.sources import Collector, Report
from sources import sinks
from sources.sinks import Sink
from terminal import Terminal

CODEX = os.path.abspath(named) if (named := os.environ.get("BUDGAUGE_CODEX")) else shutil.which("codex")
RUN_SECONDS = 120
CONFIG = """
model = "gpt-5.1-codex"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "{url}/v1"
wire_api = "responses"
"""

pytestmark = [
    pytest.mark.agents,
    pytest.mark.skipif(CODEX is None, reason="no Codex CLI: set BUDGAUGE_CODEX to its path, or put codex on the PATH"),
]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server


class Codex:
    """A Codex of its own, which knows no model server but ours."""

    def __init__(self, folder: Path, url: str) -> None:
        self.home, self.project = folder / "codex", folder / "project"
        self.home.mkdir()
        self.project.mkdir()
        (self.home / "config.toml").write_text(CONFIG.format(url=url))

    @property
    def env(self) -> dict[str, str]:
        """Nothing of the caller's own set-up but where programs are."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home.parent), "CODEX_HOME": str(self.home)}

    def command(self, *prompt: str) -> list[str]:
        assert CODEX is not None
        return [CODEX, "exec", "--skip-git-repo-check", "-s", "danger-full-access", *prompt]

    def exec(self, *prompt: str) -> None:
        done = subprocess.run(
            self.command(*prompt),
            cwd=self.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RUN_SECONDS,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")


@pytest.fixture
def codex(tmp_path: Path, server: ModelServer) -> Codex:
    return Codex(tmp_path, server.url)


def sums(calls: list[Usage]) -> Truth:
    """As the server keeps them."""
    by_model: Truth = {}
    for call in calls:
        row = by_model.setdefault(call.model, dict.fromkeys(("calls", *COUNTS), 0))
        row["calls"] += 1
        for name in COUNTS:
            row[name] += getattr(call, name) or 0
    return by_model


COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")


@pytest.mark.parametrize(
    ("runs", "agents"),
    [
        ([["say hi"]], {"codex"}),
        ([["delegate: say hi"]], {"codex", "codex/worker"}),
        ([["say hi"], ["resume", "--last", "say hi again"]], {"codex"}),
        ([["review", "look at it"]], {"codex/review"}),
    ],
    ids=["plain", "delegate", "resume", "review"],
)
def test_totals_are_what_was_served(codex: Codex, server: ModelServer, runs: list[list[str]], agents: set[str]) -> None:
    for prompt in runs:
        codex.exec(*prompt)
    sink = Sink()
    report = Collector(sink, [sinks.codex(codex.home)], only_below=codex.project).collect()
    assert sums(sink.calls) == server.book.truth() != {}
    assert agents <= {call.agent_id for call in sink.calls} <= agents | {"codex"}
    assert report.notes == ()


def test_a_fork_spends_only_its_own(codex: Codex, server: ModelServer) -> None:
    codex.exec("say hi")
    sink = Sink()
    Collector(sink, [sinks.codex(codex.home)]).collect()
    codex.exec("fork", str(sink.calls[0].session), "say hi from the fork")
    Collector(sink, [sinks.codex(codex.home)]).collect()
    assert sums(sink.calls) == server.book.truth() != {}


def test_following_keeps_up_with_a_running_codex(codex: Codex, server: ModelServer) -> None:
    sink, stop, complete = Sink(), threading.Event(), threading.Event()

    def on_report(report: Report) -> None:
        if report.records == sum(row["calls"] for row in server.book.truth().values()) > 0:
            complete.set()
        else:
            complete.clear()

    follower = threading.Thread(target=Collector(sink, [sinks.codex(codex.home)]).follow, args=(stop, on_report))
    follower.start()
    try:
        codex.exec("delegate: say hi")
        assert complete.wait(10)
    finally:
        stop.set()
        follower.join()
    assert sums(sink.calls) == server.book.truth()


def test_the_gauges_move_to_the_truth_beside_a_running_codex(codex: Codex, server: ModelServer) -> None:
    monitor = [sys.executable, "-m", "budgauge", "--collect"]
    with Terminal(monitor, env=codex.env, cwd=str(codex.project)) as terminal:
        terminal.wait_for("collecting, 0 calls")
        for prompt in ("say hi", "delegate: say hi"):
            command = codex.command(prompt)
            running = subprocess.Popen(
                command, cwd=codex.project, env=codex.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            deadline = time.monotonic() + RUN_SECONDS
            while running.poll() is None and time.monotonic() < deadline:
                terminal.pump(0.05)
            assert running.wait(0) == 0
            served = server.book.truth().values()
            total = sum(row["prompt_tokens"] + row["completion_tokens"] for row in served)
            terminal.wait_for(f"{total:,} / 1,000,000")
            terminal.wait_for(f"collecting, {sum(row['calls'] for row in served)} calls")
