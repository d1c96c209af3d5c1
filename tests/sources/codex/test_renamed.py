"""Parts of Codex's counts under other names: what cannot be read is skipped and reported, never taken for 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from budgauge.accounting.records import Usage
from budgauge.sources.codex.rollout import Rollout
from budgauge.sources.collector import Collector
from sources.rollouts import Log, usage
from sources.sinks import Sink, codex

PARTS = ("cached_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens")


@pytest.fixture(params=[False, True], ids=["compact", "spaced"])
def log(request: pytest.FixtureRequest) -> Log:
    return Log(spaced=request.param).meta().turn()


def read(log: Log) -> tuple[list[Usage], Rollout]:
    rollout = Rollout(log.thread)
    rollout.feed(log.data)
    return rollout.take(), rollout


def renamed(counts: dict[str, int], name: str, other: str | None) -> dict[str, int]:
    """The counts with one under another name, or without it."""
    rest = {key: value for key, value in counts.items() if key != name}
    return rest if other is None else {**rest, other: counts[name]}


def tell(log: Log, kind: str, counts: dict[str, int]) -> None:
    """One more line of usage."""
    if kind == "count":
        log.event("token_count", info={"total_token_usage": counts, "last_token_usage": counts}, rate_limits=None)
    else:
        log.line("token_usage_record", {"thread_id": log.thread, "response_id": "r", "usage": counts})


@pytest.mark.parametrize("kind", ["count", "record"])
@pytest.mark.parametrize("name", PARTS)
def test_a_part_under_another_name_is_skipped_and_reported(log: Log, kind: str, name: str) -> None:
    tell(log, kind, renamed(usage((1000, 800, 50, 10, 5)), name, f"new_{name}"))
    calls, rollout = read(log)
    assert calls == []
    assert rollout.counts.skipped == 1


@pytest.mark.parametrize("kind", ["count", "record"])
@pytest.mark.parametrize("other", [None, "cached_prompt"])
def test_cached_input_that_was_told_before_and_is_no_longer_is_another_format(
    log: Log, kind: str, other: str | None
) -> None:
    tell(log, kind, usage((1000, 800, 50, 10)))
    tell(log, kind, renamed(usage((3000, 2800, 150, 30)), "cached_input_tokens", other))
    calls, rollout = read(log)
    assert [call.prompt_tokens for call in calls] == [1000]
    assert rollout.counts.skipped == 1


def test_reading_that_goes_on_later_knows_what_was_told_before(log: Log) -> None:
    first = read(log.call(1000, 800, 50, 10))[1]
    later = Rollout("", saved=first.save())
    more = Log()
    tell(more, "count", renamed(usage((3000, 2800, 150, 30)), "cached_input_tokens", None))
    later.feed(more.data)
    assert (later.take(), later.counts.skipped) == ([], 1)


@pytest.mark.parametrize("kind", ["count", "record"])
@pytest.mark.parametrize("value", ["absent", None])
def test_an_older_format_without_parts_is_read(log: Log, kind: str, value: str | None) -> None:
    counts: dict[str, int] = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    parts = {} if value else dict.fromkeys(PARTS)
    for times in (1, 2):
        told = {name: count * times for name, count in counts.items()}
        tell(log, kind, {**told, **parts})  # type: ignore[dict-item]  # null, as some versions write
    calls, rollout = read(log)
    assert [call.prompt_tokens for call in calls] == ([100, 100] if kind == "count" else [100, 200])
    assert rollout.counts.skipped == 0


def without_last(log: Log, *counts: int) -> Log:
    """One more call, told by a `token_count` without the call's own counts."""
    log._add(counts)
    return log.event("token_count", info={"total_token_usage": usage(tuple(log._total))}, rate_limits=None)


PAGE = "01a20b50-7c6e-71b0-ac6d-b55d744bbb24"
FORK = "01a20b4b-c6aa-7b01-ac28-ba56e8650e12"


def collected(home: Path) -> tuple[list[int], int]:
    sink = Sink()
    report = Collector(sink, [codex(home)]).collect()
    return sorted(call.prompt_tokens for call in sink.calls if call.total_tokens), report.sources[0].set_aside


def fork_of(parent: Log) -> Log:
    """A fork that refers to its parent's lines and copies none."""
    fork = Log(FORK, start=parent.time + 60, ordinals=True)
    fork._total, fork._ordinal = list(parent._total), parent._ordinal
    base = {"thread_id": parent.thread, "end_ordinal_exclusive": parent._ordinal}
    return fork.meta(forked_from_id=parent.thread, history_base=base)


@pytest.mark.parametrize("kind", ["page", "fork"])
@pytest.mark.parametrize("kept", [True, False], ids=["history kept", "history missing"])
def test_a_file_that_goes_on_from_another_counts_only_its_own_growth(tmp_path: Path, kind: str, kept: bool) -> None:
    first = Log(ordinals=True).meta().turn().call(1000, 0, 10, 0).call(2000, 0, 20, 0)
    second = (Log().page_of(first, PAGE) if kind == "page" else fork_of(first)).turn()
    without_last(without_last(second, 300, 0, 3, 0), 40, 0, 4, 0).event("task_complete").write(tmp_path)
    if kept:
        first.write(tmp_path)
        assert collected(tmp_path) == ([40, 300, 1000, 2000], 0)
    else:
        # Of the first count nothing tells how much is the file's own.
        assert collected(tmp_path) == ([40], 1)


def test_a_fork_that_copies_its_parent_counts_only_its_own_growth(tmp_path: Path) -> None:
    parent = Log().meta().started().turn()
    without_last(without_last(parent, 1000, 0, 10, 0), 2000, 0, 20, 0).write(tmp_path)
    fork = Log(FORK, start=parent.time + 1000).meta(forked_from_id=parent.thread).copy_of(parent)
    without_last(fork.started().turn(), 300, 0, 3, 0).write(tmp_path)
    assert collected(tmp_path) == ([300, 1000, 2000], 0)


def test_a_fork_without_copies_counts_only_its_own_growth(tmp_path: Path) -> None:
    parent = Log().meta().started().turn()
    without_last(without_last(parent, 1000, 0, 10, 0), 2000, 0, 20, 0).write(tmp_path)
    fork = Log(FORK, start=parent.time + 1000).meta(forked_from_id=parent.thread)
    fork._total = list(parent._total)
    without_last(fork.started().turn(), 300, 0, 3, 0).write(tmp_path)
    assert collected(tmp_path) == ([300, 1000, 2000], 0)
