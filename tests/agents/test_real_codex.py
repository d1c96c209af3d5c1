"""The real Codex CLI, offline, against a model server on loopback: our totals are what was served.

Optional: how to get it, and where it is looked for, is told in `program.py`.
"""

from __future__ import annotations

import pytest

from agents import live
from agents.app_server import AppServer
from agents.mock_models import ModelServer
from agents.program import Codex, needs_codex, sums
from budgauge.sources.collector import Collector
from sources.sinks import Sink

pytestmark = [pytest.mark.agents, needs_codex]


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
    report = Collector(sink, [codex.source], only_below=codex.project).collect()
    assert sums(sink.calls) == server.book.truth() != {}
    assert agents <= {call.agent_id for call in sink.calls} <= agents | {"codex"}
    assert report.notes == ()


def test_a_fork_spends_only_its_own(codex: Codex, server: ModelServer) -> None:
    codex.exec("say hi")
    sink = Sink()
    Collector(sink, [codex.source]).collect()
    codex.exec("fork", str(sink.calls[0].session), "say hi from the fork")
    Collector(sink, [codex.source]).collect()
    assert sums(sink.calls) == server.book.truth() != {}


def test_pages_of_a_reverted_thread_are_all_spent(codex: Codex, server: ModelServer) -> None:
    sink = Sink()
    with AppServer(codex) as app:
        thread = app.thread()
        app.turn(thread, "say hi")
        for _ in range(2):
            second = app.turn(thread, "say hi again")
            app.turn(thread, "say hi once more")
            app.revert(thread, second)
            Collector(sink, [codex.source]).collect()
            assert sums(sink.calls) == server.book.truth()
            app.turn(thread, "say hi otherwise")
    assert len(list(codex.codex_home.glob(f"sessions/**/*{thread}*.jsonl"))) == 3
    for known in (sink, Sink()):
        Collector(known, [codex.source]).collect()
        assert sums(known.calls) == server.book.truth() != {}
        assert {call.session for call in known.calls} == {thread}


def test_a_fork_of_a_thread_with_pages_spends_only_its_own(codex: Codex, server: ModelServer) -> None:
    with AppServer(codex) as app:
        thread = app.thread()
        app.turn(thread, "say hi")
        app.revert(thread, app.turn(thread, "say hi again"))
        app.turn(thread, "say hi otherwise")
        fork = app.fork(thread)
        app.compact(fork)
        app.turn(fork, "say hi from the fork")
    sink = Sink()
    Collector(sink, [codex.source]).collect()
    assert sums(sink.calls) == server.book.truth() != {}
    assert {call.session for call in sink.calls} == {thread, fork}


@pytest.mark.parametrize(
    ("tier", "kept"), [("priority", "priority"), ("flex", "flex"), ("default", None), (None, None)]
)
def test_a_service_tier_is_kept_with_each_call(
    codex: Codex, server: ModelServer, tier: str | None, kept: str | None
) -> None:
    with AppServer(codex) as app:
        app.turn(app.thread(model="gpt-5.5", **({"serviceTier": tier} if tier else {})), "say hi")
    sink = Sink()
    Collector(sink, [codex.source]).collect()
    assert sums(sink.calls) == server.book.truth() != {}
    assert {(call.model, call.service_tier) for call in sink.calls} == {("gpt-5.5", kept)}
    assert {request.get("service_tier") for request in server.book.requests} <= {kept, "default"}


def test_following_keeps_up_with_a_running_codex(codex: Codex, server: ModelServer) -> None:
    live.follow_to_the_truth(codex, server)


def test_the_gauges_move_to_the_truth_beside_a_running_codex(codex: Codex, server: ModelServer) -> None:
    live.watch_the_gauges(codex, server)
