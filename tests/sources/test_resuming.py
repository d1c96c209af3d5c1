"""A log read in parts, each by a program of its own, says what it says when it is read at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.records import Usage
from sources.collecting import Home, tokens_by_call
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sessions import Session, tokens


def booked(home: Home) -> list[Usage]:
    return sorted(home.records, key=lambda record: record.id or "")


def at_once(log: Log, *others: Log) -> list[Usage]:
    """What is booked of whole logs."""
    return in_parts(log, [], *others)


def in_parts(log: Log, cuts: Sequence[int], *others: Log) -> list[Usage]:
    """What is booked of a log that grew to these sizes, beside others."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        shutil.rmtree(home.folder / ".codex")
        for other in others:
            other.write(home.folder / ".codex")
        path = log.write(home.folder / ".codex")
        for cut in (*cuts, len(log.data)):
            path.write_bytes(log.data[:cut])
            home.collect("codex")
        return booked(home)


def line_ends(log: Log) -> list[int]:
    return [place + 1 for place, byte in enumerate(log.data) if byte == ord("\n")]


def plain(log: Log) -> None:
    log.meta(agent_role="worker").turn("gpt-5").call(100, 40, 10, 3).call(200, 0, 20, 0).turn("o3").call(7, 0, 1, 0)


def restated(log: Log) -> None:
    plain(log)
    log.count((307, 40, 31, 3), (7, 0, 1, 0)).count((307, 40, 31, 3)).call(5, 0, 1, 0).count((312, 40, 32, 3))


def full_window(log: Log) -> None:
    plain(log)
    log.full().full().call(9, 0, 1, 0).call(8, 0, 1, 0).full().turn("gpt-5").call(7, 0, 1, 0)


def told_by_records(log: Log) -> None:
    plain(log)
    log.record(50, 0, 5, 0, response="r1").count((357, 40, 36, 3), (50, 0, 5, 0)).record(60, 0, 6, 0, response="r2")
    log.turn("gpt-5").record(1, 0, 1, 0, response="r3")


def shrunk(log: Log) -> None:
    plain(log)
    log.count((5, 0, 1, 0)).count((9, 0, 2, 0), (4, 0, 1, 0))


def in_turns(log: Log) -> None:
    plain(log)
    log.count((400, 50, 40, 3), (300, 50, 30, 0)).count((320, 40, 33, 3), (13, 0, 2, 0))
    log.count((425, 50, 43, 3), (25, 0, 3, 0)).count((323, 40, 34, 3), (3, 0, 1, 0))


LIVES = [plain, restated, full_window, told_by_records, shrunk, in_turns]


@pytest.mark.parametrize("ordinals", [False, True])
@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("live", LIVES)
def test_cut_after_any_line(live: Callable[[Log], None], spaced: bool, ordinals: bool) -> None:
    log = Log(spaced=spaced, ordinals=ordinals)
    live(log)
    truth = at_once(log)
    assert len(truth) > 2
    for end in line_ends(log):
        assert in_parts(log, [end]) == truth
    assert in_parts(log, line_ends(log)) == truth


@pytest.mark.parametrize("live", LIVES)
def test_cut_within_lines(live: Callable[[Log], None]) -> None:
    log = Log()
    live(log)
    assert in_parts(log, range(50, len(log.data), 97)) == at_once(log)


def forks() -> list[Any]:
    kinds = {
        "forked": {"forked_from_id": PARENT},
        "spawned": {"parent_thread_id": PARENT, "session_id": PARENT},
        "thread-spawn": {"source": {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "depth": 1}}}},
    }
    return [pytest.param(meta, live, id=f"{name}-{live.__name__}") for name, meta in kinds.items() for live in LIVES]


@pytest.mark.parametrize(("meta", "live"), forks())
@pytest.mark.parametrize("with_parent", [True, False])
def test_a_fork_cut_anywhere_in_what_it_copied(
    meta: dict[str, Any], live: Callable[[Log], None], with_parent: bool
) -> None:
    parent = Log().meta().turn()
    live(parent)
    child = Log(CHILD, start=START + 1000).meta(**meta).started(START + 1).copy_of(parent)
    tell = Log.record if live is told_by_records else Log.call
    tell(tell(child.started().turn("o3"), 70, 0, 7, 0).turn("gpt-5"), 80, 0, 8, 0)
    others = [parent] if with_parent else []
    truth = at_once(child, *others)
    assert sum(record.session == CHILD for record in truth) == 2
    for end in line_ends(child):
        assert in_parts(child, [end], *others) == truth
    assert in_parts(child, line_ends(child), *others) == truth


def test_a_spawned_thread_that_copied_the_usage_lines_alone() -> None:
    """Its first line may stand in the file before the second, which proves that both are copies."""
    parent = Log().meta().turn().call(100, 0, 1, 0).call(200, 0, 2, 0).call(300, 0, 3, 0)
    child = Log(CHILD, start=START + 1000).meta(parent_thread_id=PARENT)
    child.call(100, 0, 1, 0).call(200, 0, 2, 0).call(300, 0, 3, 0).call(70, 0, 7, 0)
    truth = at_once(child, parent)
    assert sum(record.session == CHILD for record in truth) == 1
    assert in_parts(child, line_ends(child), parent) == truth


COUNTS = st.tuples(*[st.integers(0, 50)] * 4)
EVENTS = st.one_of(
    st.tuples(st.just("call"), COUNTS),
    st.tuples(st.just("record"), COUNTS),
    st.tuples(st.just("count"), COUNTS.map(lambda row: (row,))),
    st.tuples(st.just("turn"), st.sampled_from([("gpt-5",), ("o3",), (None,)])),
    st.tuples(st.just("full"), st.just(())),
    st.tuples(st.just("started"), st.just(())),
)


@given(st.lists(EVENTS, max_size=12), st.lists(st.floats(0, 1), max_size=5), st.booleans())
def test_any_rollout_in_any_parts(events: list[tuple[str, tuple[Any, ...]]], cuts: list[float], spaced: bool) -> None:
    log = Log(spaced=spaced).meta()
    for kind, values in events:
        getattr(log, kind)(*values)
    assert in_parts(log, sorted(int(cut * len(log.data)) for cut in cuts)) == at_once(log)


MESSAGES = st.tuples(
    st.sampled_from(["m1", "m2", "m3"]),
    st.tuples(*[st.integers(0, 50)] * 3),
    st.sampled_from([None, "end_turn"]),
)


@given(st.lists(MESSAGES, max_size=12), st.lists(st.floats(0, 1), max_size=5))
def test_any_session_in_any_parts(messages: list[Any], cuts: list[float]) -> None:
    """A message whose lines lie in several parts has as many tokens as the most of them say."""
    session = Session()
    for id, (fresh, output, read), stop in messages:
        # A message is a sub-agent's or is not: all its lines say the same.
        session.said(id, tokens(fresh, output, read), stop=stop, isSidechain=id == "m3")
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        path = session.write(home.folder / ".claude")
        for cut in (*sorted(int(cut * len(session.data)) for cut in cuts), len(session.data)):
            path.write_bytes(session.data[:cut])
            home.collect("claude-code")
        assert tokens_by_call(home.records) == home.truth
