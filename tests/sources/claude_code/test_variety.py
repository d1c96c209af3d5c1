"""What Claude Code's logs hold beside plain messages: advisors, relays' ids, links, other formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from budgauge.accounting.records import Usage
from budgauge.sources.claude_code.transcript import Session as Reader
from budgauge.sources.collector import Collector
from budgauge.sources.importer import Importer
from sources.sessions import OTHER, SESSION, Session, tokens
from sources.sinks import Sink, claude
from usage import importing


def read(*logs: Session) -> tuple[list[Usage], Reader]:
    reader, calls = Reader(), []
    for log in logs:
        reader.feed(log.data)
        calls += reader.take()
    return calls, reader


def counted(calls: list[Usage]) -> list[tuple[str | None, int, int]]:
    return [(call.id, call.prompt_tokens, call.completion_tokens) for call in calls]


def collected(home: Path) -> Sink:
    sink = Sink()
    Collector(sink, [claude(home)]).collect()
    return sink


def test_an_advisor_is_a_call_of_its_own_model_beside_the_message() -> None:
    advisor = {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 120, "output_tokens": 40}
    usage = tokens(5, 4, 20, iterations=[{"type": "message", "input_tokens": 5}, advisor, advisor])
    calls, _ = read(Session().said("m", usage).said("m", usage))
    assert [(call.id, call.model, call.prompt_tokens, call.completion_tokens) for call in calls] == [
        ("claude-code:m", "claude-sonnet-4-5", 25, 4),
        ("claude-code:m/advisor1", "claude-opus-4-8", 120, 40),
        ("claude-code:m/advisor2", "claude-opus-4-8", 120, 40),
    ]


ADVICE = {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 50, "output_tokens": 5}


@pytest.mark.parametrize(
    ("iterations", "advised", "set_aside"),
    [
        ([{"type": "message", "input_tokens": 1.5}, ADVICE], [(50, 5)], 0),
        ([7, ADVICE], [(50, 5)], 0),
        ("none", [], 0),
        ([ADVICE | {"input_tokens": 1.5}], [], 1),
        ([{"type": "advisor_message", "model": "m", "prompt_tokens": 50, "output_tokens": 5}], [], 1),
        ([ADVICE | {"cached_tokens": 5}], [], 1),
    ],
)
def test_an_iteration_that_cannot_be_read_costs_neither_the_message_nor_its_neighbours(
    iterations: Any, advised: list[tuple[int, int]], set_aside: int
) -> None:
    calls, reader = read(Session().said("m", tokens(100, 10, iterations=iterations)))
    assert [(call.prompt_tokens, call.completion_tokens) for call in calls] == [(100, 10), *advised]
    assert reader.counts.skipped == set_aside


def relayed(log: Session, prompt: int, output: int, **fields: Any) -> Session:
    return log.said("same", tokens(prompt, output), stop="end_turn", **{"requestId": None, **fields})


@pytest.mark.parametrize("apart", [False, True], ids=["in one reading", "followed"])
def test_one_id_for_every_answer_hides_no_call(apart: bool) -> None:
    first = relayed(Session(), 1000, 100)
    second = relayed(Session(), 2000, 200)
    logs = [first, second] if apart else [Session()]
    if not apart:
        logs[0].data = first.data + second.data
    assert counted(read(*logs)[0]) == [("claude-code:same", 1000, 100), ("claude-code:same@2000.200", 2000, 200)]


def test_calls_of_one_id_in_several_sessions_are_booked_each_once_in_any_order(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    one = relayed(relayed(Session(SESSION), 1000, 100), 2000, 200)
    two = relayed(relayed(Session(OTHER), 3000, 300), 500, 50)
    resumed = Session("c" * 36).copy_of(one)
    for logs in ([one, two, resumed], [two, resumed, one]):
        importer = Importer(importing(ledger))
        for log in logs:
            importer.add(read(log)[0])
    booked = importing(ledger)
    booked.refresh()
    lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["prompt_tokens"] for line in lines) == [500, 1000, 2000, 3000]


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({"requestId": "r"}, 1),
        ({"parentUuid": "u0"}, 1),
        ({"parentUuid": "first"}, 1),
        ({"parentUuid": "a later user's line"}, 2),
        ({"requestId": "another", "parentUuid": None}, 2),
    ],
)
def test_a_prompt_that_grows_within_a_message_is_no_other_call(fields: dict[str, Any], calls: int) -> None:
    log = Session().said("m", tokens(10, 1), stop=None, requestId="r", parentUuid="u0", uuid="first")
    log.said("m", tokens(90, 7), **{"requestId": None, **fields})
    assert len(read(log)[0]) == calls


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    Session(SESSION).said("m1", tokens(10, 20)).write(tmp_path / "home")
    Session(OTHER).said("m2", tokens(30, 40)).write(tmp_path / "elsewhere", project="other")
    projects = tmp_path / "home" / "projects"
    (projects / "linked").symlink_to(tmp_path / "elsewhere" / "projects" / "other")
    (projects / "twice").symlink_to(tmp_path / "elsewhere" / "projects" / "other")
    (projects / "loop").symlink_to(projects)
    assert sorted(collected(tmp_path / "home").spent) == [(10, 20), (30, 40)]


def test_a_byte_order_mark_and_windows_line_ends_hide_no_line() -> None:
    log = Session().said("m1", tokens(10, 20)).said("m2", tokens(30, 40))
    log.data = b"\xef\xbb\xbf" + log.data.replace(b"\n", b"\r\n")
    assert [call.prompt_tokens for call in read(log)[0]] == [10, 30]


@pytest.mark.parametrize(("split", "hour"), [((5, 10), 10), ((0, 10), 10), ((10, 10), None)])
def test_a_split_that_contradicts_the_whole_says_nothing_of_lifetimes(split: tuple[int, int], hour: int | None) -> None:
    usage = tokens(1, 2) | {"cache_creation_input_tokens": 15}
    usage["cache_creation"] = {"ephemeral_5m_input_tokens": split[0], "ephemeral_1h_input_tokens": split[1]}
    (call,), _ = read(Session().said("m", usage))
    assert (call.cache_write_tokens, call.cache_write_1h_tokens) == (15, hour)


def without(name: str) -> dict[str, Any]:
    return {("renamed" if key == name else key): value for key, value in tokens(10, 20).items()}


@pytest.mark.parametrize(
    "usage",
    [
        without("input_tokens"),
        without("output_tokens"),
        {"input_tokens": 5, "output_tokens": 6, "cache_read_tokens": 900},
        tokens(10, 20) | {"output_tokens": 20.5},
        tokens(10, 20) | {"output_tokens": "20"},
        tokens(10, 20) | {"input_tokens": -1},
        [],
    ],
    ids=["no input", "no output", "cache renamed", "float", "text", "negative", "list"],
)
def test_usage_that_cannot_be_read_is_set_aside(usage: Any) -> None:
    calls, reader = read(Session().said("m1", usage).said("m2", tokens(1, 2)))
    assert [call.id for call in calls] == ["claude-code:m2"]
    assert reader.counts.skipped == 1


def test_counts_that_are_not_there_under_any_name_are_nothing() -> None:
    calls, reader = read(Session().said("m", {"input_tokens": 5, "output_tokens": 6}))
    assert [(call.prompt_tokens, call.completion_tokens) for call in calls] == [(5, 6)]
    assert reader.counts.skipped == 0
