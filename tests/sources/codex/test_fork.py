"""Forks and sub-agents: what they copied of their parent's history is not spent twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from budgauge.sources.collector import Collector
from budgauge.sources.report import Report
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sinks import Sink, codex

LATER = START + 10_000


@pytest.fixture(params=[False, True], ids=["compact", "spaced"])
def spaced(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def parent_log(spaced: bool) -> Log:
    log = Log(spaced=spaced).meta().started().turn()
    return log.call(100, 0, 10, 0).call(200, 0, 20, 0).started().call(300, 0, 30, 0)


def fork_of(parent: Log, spaced: bool, **meta: object) -> Log:
    return Log(CHILD, spaced=spaced, start=LATER).meta(**meta).copy_of(parent)


def collected(home: Path) -> tuple[Sink, Report]:
    sink = Sink()
    return sink, Collector(sink, [codex(home)]).collect()


@pytest.mark.parametrize("named", [{"forked_from_id": PARENT}, {"parent_thread_id": PARENT}])
@pytest.mark.parametrize("parent_kept", [True, False])
def test_copies_under_new_times_are_replays(
    tmp_path: Path, spaced: bool, named: dict[str, object], parent_kept: bool
) -> None:
    parent = parent_log(spaced)
    fork_of(parent, spaced, **named).started().call(7, 0, 1, 0).call(8, 0, 2, 0).write(tmp_path)
    if parent_kept:
        parent.write(tmp_path)
    sink, report = collected(tmp_path)
    own = [(call.prompt_tokens, call.completion_tokens) for call in sink.calls if call.session == CHILD]
    assert own == [(7, 1), (8, 2)]
    assert report.sources[0].replayed == 3
    assert report.records == (5 if parent_kept else 2)


def test_a_fork_of_a_fork(tmp_path: Path, spaced: bool) -> None:
    parent = parent_log(spaced)
    fork = fork_of(parent, spaced, forked_from_id=PARENT).started().call(7, 0, 1, 0)
    third = CHILD.replace("01a2", "01a3")
    last = Log(third, spaced=spaced, start=LATER * 1 + 500).meta(forked_from_id=CHILD).copy_of(fork)
    last.started().call(9, 0, 3, 0)
    for log in (parent, fork, last):
        log.write(tmp_path)
    sink, report = collected(tmp_path)
    assert sum(call.prompt_tokens for call in sink.calls) == 600 + 7 + 9
    assert report.sources[0].replayed == 3 + 4


def test_a_fork_that_repeats_its_parents_next_call_spent_it(tmp_path: Path, spaced: bool) -> None:
    parent = Log(spaced=spaced).meta().started().turn().call(100, 0, 10, 0)
    fork = fork_of(parent, spaced, forked_from_id=PARENT).started().call(200, 0, 20, 0)
    parent.started().call(200, 0, 20, 0)
    parent.write(tmp_path)
    fork.write(tmp_path)
    assert sum(call.prompt_tokens for call in collected(tmp_path)[0].calls) == 100 + 200 + 200


def test_an_equal_first_call_alone_is_no_copy(tmp_path: Path, spaced: bool) -> None:
    Log(spaced=spaced).meta().turn().call(100, 0, 10, 0).call(200, 0, 20, 0).write(tmp_path)
    child = Log(CHILD, spaced=spaced, start=LATER).meta(parent_thread_id=PARENT, thread_source="subagent")
    child.turn().call(100, 0, 10, 0).call(50, 0, 5, 0).write(tmp_path)
    sink, report = collected(tmp_path)
    assert sum(call.prompt_tokens for call in sink.calls) == 300 + 150
    assert report.sources[0].replayed == 0


def test_copied_records_without_a_thread_are_found_by_their_run(tmp_path: Path, spaced: bool) -> None:
    parent = Log(spaced=spaced).meta().turn().record(100, 0, 10, 0, thread=None).record(200, 0, 20, 0, thread=None)
    fork = fork_of(parent, spaced, forked_from_id=PARENT).record(7, 0, 1, 0, thread=None)
    parent.write(tmp_path)
    fork.write(tmp_path)
    sink, report = collected(tmp_path)
    assert sorted(sink.spent) == [(7, 1), (100, 10), (200, 20)]
    assert report.sources[0].replayed == 2


def test_a_call_keeps_its_id_whether_the_parent_is_there_or_not(tmp_path: Path) -> None:
    parent = parent_log(False)
    fork_of(parent, False, forked_from_id=PARENT).started().call(7, 0, 1, 0).write(tmp_path)
    [alone] = collected(tmp_path)[0].calls
    parent.write(tmp_path)
    assert alone in collected(tmp_path)[0].calls


def test_history_copied_bit_by_bit_is_still_a_copy(tmp_path: Path) -> None:
    parent = parent_log(False)
    parent.write(tmp_path)
    whole = fork_of(parent, False, forked_from_id=PARENT).started().call(7, 0, 1, 0)
    sink, source = Sink(), codex(tmp_path)
    collector = Collector(sink, [source])
    fork = Log(CHILD)
    for line in whole.data.splitlines(keepends=True):
        fork.data += line
        fork.write(tmp_path)
        collector.collect()
    assert [call.prompt_tokens for call in sink.calls if call.session == CHILD] == [7]


OWN = [
    {"forked_from_id": PARENT},
    {"forked_from_id": PARENT.upper()},
    {"parent_thread_id": PARENT},
    {"source": {"subagent": {"thread_spawn": {"parent_thread_id": PARENT}}}},
    {"forked_from_id": PARENT, "id": None},
    {"forked_from_id": PARENT, "id": CHILD},
]


@pytest.mark.parametrize("named", OWN)
def test_a_thread_is_no_copy_of_itself(tmp_path: Path, spaced: bool, named: dict[str, object]) -> None:
    Log(spaced=spaced).meta(**named).turn().call(100, 0, 10, 0).call(200, 0, 20, 0).write(tmp_path)
    sink, report = collected(tmp_path)
    assert sink.spent == [(100, 10), (200, 20)]
    assert report.sources[0].replayed == 0


def test_copies_that_the_parents_log_lacks_are_in_turns_older_than_the_child(tmp_path: Path, spaced: bool) -> None:
    parent_log(spaced).write(tmp_path)
    rewound = Log(spaced=spaced).meta().started().turn().call(1000, 0, 5, 0).call(2000, 0, 6, 0)
    fork_of(rewound, spaced, forked_from_id=PARENT).started().call(7, 0, 1, 0).write(tmp_path)
    sink, report = collected(tmp_path)
    assert sum(call.prompt_tokens for call in sink.calls) == 600 + 7
    assert report.sources[0].replayed == 2


def test_two_forks_of_a_missing_thread_prove_each_others_copies(tmp_path: Path, spaced: bool) -> None:
    parent = Log(spaced=spaced).meta().turn().call(100, 0, 10, 0).call(200, 0, 20, 0)
    fork_of(parent, spaced, forked_from_id=PARENT).call(7, 0, 1, 0).write(tmp_path)
    other = Log(CHILD.replace("01a2", "01a3"), spaced=spaced, start=LATER + 500).meta(forked_from_id=PARENT)
    other.copy_of(parent).call(9, 0, 3, 0).write(tmp_path)
    sink, report = collected(tmp_path)
    assert sum(call.prompt_tokens for call in sink.calls) == 300 + 7 + 9
    assert report.sources[0].replayed == 2


def test_two_forks_that_begin_with_one_equal_call_spent_both(tmp_path: Path, spaced: bool) -> None:
    for thread in (CHILD, CHILD.replace("01a2", "01a3")):
        fork = Log(thread, spaced=spaced, start=LATER).meta(forked_from_id=PARENT)
        fork.turn().call(100, 0, 10, 0).event("task_complete").write(tmp_path)
    assert sum(call.prompt_tokens for call in collected(tmp_path)[0].calls) == 200


@pytest.mark.parametrize("records", [False, True])
def test_a_forks_first_count_that_repeats_its_parents_last_is_no_call(
    tmp_path: Path, spaced: bool, records: bool
) -> None:
    parent = Log(spaced=spaced, ordinals=True).meta().turn().call(100, 0, 10, 0).call(200, 0, 20, 0)
    base = {"thread_id": PARENT, "end_ordinal_exclusive": 4}
    fork = Log(CHILD, spaced=spaced, start=LATER).meta(forked_from_id=PARENT, history_base=base)
    fork._total = list(parent._total)
    fork.count((300, 0, 30, 0), (200, 0, 20, 0))
    (fork.record if records else fork.call)(7, 0, 1, 0)
    parent.call(5, 0, 1, 0).write(tmp_path)
    fork.write(tmp_path)
    sink, report = collected(tmp_path)
    assert sum(call.prompt_tokens for call in sink.calls) == 305 + 7
    assert report.sources[0].replayed == 1


def test_a_forks_first_call_may_be_like_a_later_one_of_its_parent(tmp_path: Path, spaced: bool) -> None:
    parent = Log(spaced=spaced, ordinals=True).meta().turn().call(100, 0, 10, 0)
    base = {"thread_id": PARENT, "end_ordinal_exclusive": 3}
    fork = Log(CHILD, spaced=spaced, start=LATER).meta(forked_from_id=PARENT, history_base=base)
    fork.count((300, 0, 30, 0), (200, 0, 20, 0)).write(tmp_path)
    parent.call(200, 0, 20, 0).write(tmp_path)
    assert sum(call.prompt_tokens for call in collected(tmp_path)[0].calls) == 300 + 200


def test_a_fork_of_a_parent_with_pages(tmp_path: Path, spaced: bool) -> None:
    """The parent was rewound before its last call; its fork copied what was left, and what came then."""
    parent = Log(spaced=spaced, ordinals=True).meta().turn().call(100, 0, 10, 0)
    page = Log(spaced=spaced).page_of(parent, CHILD.replace("01a2", "01a4")).turn().call(400, 0, 40, 0)
    copied = Log(spaced=spaced).meta().turn().call(100, 0, 10, 0).call(400, 0, 40, 0)
    fork_of(copied, spaced, forked_from_id=PARENT).call(7, 0, 1, 0).write(tmp_path)
    parent.call(200, 0, 20, 0).write(tmp_path)
    page.write(tmp_path)
    sink, report = collected(tmp_path)
    assert sum(call.prompt_tokens for call in sink.calls if call.session == CHILD) == 7
    assert report.sources[0].replayed == 2
