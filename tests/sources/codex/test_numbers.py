"""Codex's counts where they fall, and the numbers that calls get: a call keeps its id whatever is known of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from budgauge.accounting.records import Usage
from budgauge.sources.codex.rollout import Rollout
from budgauge.sources.collector import Collector
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sinks import Sink, codex

BEFORE = (1000, 500, 100, 50, 40)
"""Input, cached, output, reasoning, written to the cache."""
NAMES = ("input", "cached", "output", "reasoning", "written")


def read(log: Log) -> list[Usage]:
    rollout = Rollout(log.thread)
    rollout.feed(log.data)
    return rollout.take()


@pytest.mark.parametrize("part", range(5), ids=NAMES)
def test_a_count_of_which_one_part_alone_fell_begins_anew(part: int) -> None:
    after = [count + 10 for count in BEFORE]
    after[part] = BEFORE[part] - 1
    log = Log().meta().turn().count(BEFORE).count(tuple(after), (1, 0, 1, 0))
    prompt, _, completion, *_ = after
    assert [(call.prompt_tokens, call.completion_tokens) for call in read(log)] == [(1000, 100), (prompt, completion)]


@pytest.mark.parametrize("part", range(5), ids=NAMES)
def test_a_call_is_one_in_which_tokens_were_spent(part: int) -> None:
    """Parts are no tokens of their own: only input and output are spent."""
    after = list(BEFORE)
    after[part] += 1
    calls = read(Log().meta().turn().count(BEFORE).count(tuple(after), (1, 0, 1, 0)))
    assert len(calls) == (2 if NAMES[part] in ("input", "output") else 1)
    assert [call.id for call in calls] == [f"codex:{PARENT}:{number}" for number in range(1, len(calls) + 1)]


def numbers(home: Path, thread: str) -> list[str]:
    """What stands behind the thread in each of its calls' ids."""
    sink = Sink()
    Collector(sink, [codex(home)]).collect()
    return [(call.id or "").rpartition(":")[2] for call in sink.calls if call.session == thread]


@pytest.mark.parametrize("kind", ["call", "record"])
@pytest.mark.parametrize("parent_kept", [True, False])
def test_a_forks_calls_are_numbered_behind_what_it_copied(tmp_path: Path, kind: str, parent_kept: bool) -> None:
    parent = Log().meta().started().turn()
    for size in (100, 200, 300):
        getattr(parent, kind)(size, 0, 10, 0)
    if parent_kept:
        parent.write(tmp_path)
    fork = Log(CHILD, start=START + 10_000).meta(forked_from_id=PARENT).copy_of(parent).started()
    getattr(getattr(fork, kind)(7, 0, 1, 0), kind)(8, 0, 2, 0).write(tmp_path)
    assert numbers(tmp_path, CHILD) == ["4", "5"]


@pytest.mark.parametrize("kind", ["call", "record"])
def test_what_spends_nothing_has_no_number(tmp_path: Path, kind: str) -> None:
    log = Log().meta().turn()
    for size in (0, 5, 0, 6):
        getattr(log, kind)(size, 0, 0, 0)
    log.write(tmp_path)
    assert numbers(tmp_path, PARENT) == ["1", "2"]


def test_a_record_that_comes_twice_has_one_number(tmp_path: Path) -> None:
    log = Log().meta().turn().record(5, 0, 1, 0)
    log.data += log.data.splitlines(keepends=True)[-1]
    log.record(6, 0, 1, 0).write(tmp_path)
    assert numbers(tmp_path, PARENT) == ["1", "2"]


def test_a_count_that_a_record_restates_has_one_number(tmp_path: Path) -> None:
    log = Log().meta().turn().call(5, 0, 1, 0)
    log._total = [0] * 5
    log.record(5, 0, 1, 0).record(6, 0, 1, 0).write(tmp_path)
    assert numbers(tmp_path, PARENT) == ["1", "2"]


def test_a_sub_agents_own_calls_are_numbered_behind_what_ordinals_mark_as_copied(tmp_path: Path) -> None:
    log = Log(CHILD, ordinals=True).meta(parent_thread_id=PARENT, subagent_history_start_ordinal=4).turn()
    log.call(100, 0, 10, 0).call(200, 0, 20, 0).call(7, 0, 1, 0).write(tmp_path)
    assert numbers(tmp_path, CHILD) == ["3"]
