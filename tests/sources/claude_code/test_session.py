"""What Claude Code's sessions say was spent: each rule as a small log with its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.record_checks import check_name
from budgauge.accounting.records import MAX_COUNT, Usage
from budgauge.sources.claude_code.transcript import Session as Reader
from budgauge.sources.collector import Collector
from budgauge.sources.report import Report
from sources.rollouts import START
from sources.sessions import CWD, OTHER, SESSION, Session, tokens
from sources.sinks import Sink, claude


@pytest.fixture(params=[False, True], ids=["compact", "spaced"])
def spaced(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def log(spaced: bool) -> Session:
    return Session(spaced=spaced)


def read(log: Session) -> tuple[list[Usage], Reader]:
    reader = Reader(log.agent)
    reader.feed(log.data)
    return reader.take(), reader


def collected(home: Path) -> tuple[Sink, Report]:
    sink = Sink()
    return sink, Collector(sink, [claude(home)]).collect()


def test_a_call_carries_all_that_is_known_of_it(log: Session) -> None:
    assert read(log.said("msg_1", tokens(23, 303, 2000, 200, 1000)))[0] == [
        Usage(
            "claude-code",
            "claude-sonnet-4-5",
            3223,
            303,
            3526,
            START,
            cached_tokens=2000,
            cache_write_tokens=1200,
            cache_write_1h_tokens=1000,
            id="claude-code:msg_1",
            session=SESSION,
            project=CWD,
            source="claude-code",
        )
    ]


def test_lines_of_one_message_are_one_call_with_the_largest_of_each_count(log: Session) -> None:
    log.said("msg_1", tokens(10, 1, 500, 7), stop=None, requestId="").said("msg_1", tokens(9, 150, 500, 7), stop=None)
    log.said("msg_2", tokens(1, 2)).said("msg_1", tokens(10, 90, 499, 8), requestId=None)
    calls, reader = read(log)
    assert [(c.id, c.prompt_tokens, c.completion_tokens, c.cached_tokens) for c in calls] == [
        ("claude-code:msg_1", 10 + 500 + 8, 150, 500),
        ("claude-code:msg_2", 1, 2, None),
    ]
    assert reader.counts.duplicates == 2
    assert calls[0].timestamp == START


def test_the_last_count_may_come_later_and_adds_the_difference(tmp_path: Path, spaced: bool) -> None:
    log, sink = Session(spaced=spaced).said("msg_1", tokens(10, 1, 500), stop=None), Sink()
    collector = Collector(sink, [claude(tmp_path)])
    log.write(tmp_path)
    first = collector.collect()
    assert (first.records, first.sources[0].lower_bounds) == (1, 1)
    assert ("without a final output count: a lower bound", 1) in first.sources[0].beside
    assert first.notes == ()
    with log.write(tmp_path).open("ab") as file:
        file.write(Session(spaced=spaced, start=START + 60).said("msg_1", tokens(10, 150, 500)).data)
    last = collector.collect()
    assert [(c.id, c.prompt_tokens, c.completion_tokens, c.timestamp) for c in sink.calls] == [
        ("claude-code:msg_1", 510, 1, START),
        ("claude-code:msg_1#2", 0, 149, START),
    ]
    assert (last.sources[0].calls, last.sources[0].grown, last.sources[0].lower_bounds) == (1, 1, 0)
    assert last.notes == ()


def test_a_resumed_session_repeats_what_was_spent(tmp_path: Path, spaced: bool) -> None:
    first = Session(spaced=spaced).said("msg_1", tokens(10, 5)).said("msg_2", tokens(20, 6))
    Session(OTHER, spaced=spaced).copy_of(first).said("msg_3", tokens(30, 7)).write(tmp_path)
    first.write(tmp_path)
    sink, report = collected(tmp_path)
    assert sorted(sink.spent) == [(10, 5), (20, 6), (30, 7)]
    assert report.sources[0].replayed == 2


@pytest.mark.parametrize("sub_agent_first", [True, False])
def test_a_side_question_repeats_its_session_and_counts_for_the_session(
    tmp_path: Path, spaced: bool, sub_agent_first: bool
) -> None:
    session = Session(spaced=spaced).said("msg_1", tokens(10, 5))
    side = Session(agent="a1", spaced=spaced).copy_of(session).said("msg_2", tokens(20, 6))
    for log in (side, session) if sub_agent_first else (session, side):
        log.write(tmp_path, kind="aside_question" if log is side else None)
    sink, _ = collected(tmp_path)
    assert sorted((c.agent_id, c.prompt_tokens) for c in sink.calls) == [
        ("claude-code", 10),
        ("claude-code/aside_question", 20),
    ]


def test_a_copy_within_a_session_counts_for_the_session(log: Session) -> None:
    log.said("msg_1", tokens(10, 5), isSidechain=True, agentId="a1").said("msg_1", tokens(10, 5))
    assert [call.agent_id for call in read(log)[0]] == ["claude-code"]


@pytest.mark.parametrize(
    ("kind", "fields", "agent_id"),
    [
        ("general-purpose", {}, "claude-code/general-purpose"),
        ("Explore", {"attributionAgent": "other"}, "claude-code/Explore"),
        (None, {"attributionAgent": "Plan"}, "claude-code/Plan"),
        (None, {}, "claude-code/a1"),
        (" ", {"agentId": None}, "claude-code/a1"),
        ("a\x1b]0;pwn\x1b\\b", {}, "claude-code/a\ufffd]0;pwn\ufffd\\b"),
        ("日" * 100, {}, "claude-code/" + "日" * 37 + "…"),
    ],
)
@pytest.mark.parametrize("folder", ["", "workflows/w1"])
def test_who_spent_it(
    tmp_path: Path, spaced: bool, kind: str | None, fields: dict[str, object], agent_id: str, folder: str
) -> None:
    log = Session(agent="a1", spaced=spaced).said("msg_1", tokens(1, 1), **fields)
    log.write(tmp_path, kind=kind, folder=folder)
    [call] = collected(tmp_path)[0].calls
    assert (call.agent_id, call.session) == (check_name("agent_id", agent_id), SESSION)


def test_a_sub_agent_within_its_sessions_log_is_told_apart(log: Session) -> None:
    log.said("msg_1", tokens(1, 1), isSidechain=True, agentId="a1").said("msg_2", tokens(1, 1), isSidechain=True)
    assert [call.agent_id for call in read(log)[0]] == ["claude-code/a1", "claude-code/subagent"]


def test_the_kind_of_a_sub_agent_may_be_written_later(tmp_path: Path) -> None:
    log, sink = Session(agent="a1").said("msg_1", tokens(1, 1)), Sink()
    collector = Collector(sink, [claude(tmp_path)])
    log.write(tmp_path)
    collector.collect()
    log.said("msg_2", tokens(1, 1)).write(tmp_path, kind="Plan")
    collector.collect()
    assert [call.agent_id for call in sink.calls] == ["claude-code/a1", "claude-code/Plan"]


def test_a_workflows_journal_is_no_log(tmp_path: Path) -> None:
    log = Session(agent="a1").said("msg_1", tokens(1, 1))
    journal = log.write(tmp_path, folder="workflows/w1").with_name("journal.jsonl")
    journal.write_bytes(Session().said("msg_9", tokens(9, 9)).data)
    assert collected(tmp_path)[0].spent == [(1, 1)]


@pytest.mark.parametrize(
    ("flat", "split", "written", "for_an_hour"),
    [
        (300, {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}, 300, 200),
        (300, {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 50}, 300, 50),
        (300, {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 400}, 300, None),
        (300, {"ephemeral_5m_input_tokens": None, "ephemeral_1h_input_tokens": None}, 300, None),
        (300, None, 300, None),
        (None, {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 50}, 150, 50),
    ],
)
def test_the_split_of_cache_writes_does_not_add_to_them(
    log: Session, flat: int | None, split: dict[str, int | None] | None, written: int, for_an_hour: int | None
) -> None:
    usage = tokens(1, 1, cache_creation_input_tokens=flat, cache_creation=split)
    [call] = read(log.said("msg_1", usage))[0]
    assert (call.prompt_tokens, call.cache_write_tokens, call.cache_write_1h_tokens) == (
        1 + written,
        written,
        for_an_hour,
    )


def test_null_fields_and_missing_ones_are_nothing(log: Session) -> None:
    log.said("msg_1", tokens(None, 7, None)).said("msg_2", {"input_tokens": None, "output_tokens": 3})
    log.said("msg_3", None)
    log.said("msg_4", tokens(0, 0)).said("msg_5", tokens(1, 1), cwd=None, timestamp=None, sessionId=None)
    calls, reader = read(log)
    assert [(c.prompt_tokens, c.completion_tokens) for c in calls] == [(0, 7), (0, 3), (1, 1)]
    assert (calls[2].project, calls[2].session, reader.counts.skipped) == (None, None, 0)


def test_what_the_model_did_not_say_is_not_usage(log: Session) -> None:
    log.said("msg_1", tokens(9, 9), model="<synthetic>").line(type="user", toolUseResult={"usage": tokens(9, 9)})
    log.line(type="user", message="text", usage={"output_tokens": 5}).line(type="summary", summary='"output_tokens": 5')
    trap = '{"type":"assistant","message":{"id":"m","usage":{"output_tokens":5}}}\n'
    log.line(type="user", message={"content": trap + "\u2028\x85"}, toolUseResult={"stdout": trap})
    log.said("msg_2", tokens(1, 1), toolUseResult={"usage": {"output_tokens": 5}})
    calls, reader = read(log)
    assert [(c.prompt_tokens, c.completion_tokens) for c in calls] == [(1, 1)]
    assert reader.counts.skipped == 0


def test_counts_in_a_tools_arguments_are_not_usage(log: Session) -> None:
    content = [{"type": "tool_use", "input": {"usage": {"input_tokens": 9, "output_tokens": 9}, "id": "msg_9"}}]
    message = {"content": content, "id": "msg_1", "model": "m", "stop_reason": "tool_use", "usage": tokens(1, 2)}
    assert [(c.prompt_tokens, c.completion_tokens) for c in read(log.said(None, None, message=message))[0]] == [(1, 2)]


def test_a_message_without_an_id_is_its_line(log: Session) -> None:
    log.said(None, tokens(1, 1)).said(None, tokens(1, 1)).said(None, tokens(1, 1), uuid=None)
    calls, reader = read(log)
    assert len({call.id for call in calls}) == 2
    assert reader.counts.skipped == 1


@pytest.mark.parametrize(
    "usage", [tokens(-1, 1), tokens(1, MAX_COUNT + 1), tokens(1, 1, output_tokens=1.5), tokens(1, 1, output_tokens="7")]
)
def test_a_line_that_cannot_be_right_is_set_aside_and_the_rest_read(log: Session, usage: dict[str, Any]) -> None:
    calls, reader = read(log.said("msg_1", usage).said("msg_2", tokens(3, 1)))
    assert (reader.counts.skipped, [call.prompt_tokens for call in calls]) == (1, [3])


@pytest.mark.parametrize("counts", [(MAX_COUNT, 1), (1, MAX_COUNT)])
def test_more_than_a_record_may_hold_is_set_aside(log: Session, counts: tuple[int, int]) -> None:
    calls, reader = read(log.said("msg_1", tokens(*counts)))
    assert (calls, reader.counts.skipped) == ([], 1)


@pytest.mark.parametrize("fields", [{"cwd": 7}, {"timestamp": "soon"}, {"sessionId": []}, {"isSidechain": "no"}])
def test_what_is_beside_the_counts_may_be_anything(log: Session, fields: dict[str, object]) -> None:
    [call] = read(log.said("msg_1", tokens(3, 1), **fields))[0]
    assert (call.prompt_tokens, call.agent_id) == (3, "claude-code")


def test_a_torn_line_in_the_middle_is_set_aside(log: Session) -> None:
    log.said("msg_1", tokens(1, 1))
    log.data = log.data[:-20] + b"\n"
    calls, reader = read(log.said("msg_2", tokens(2, 1)))
    assert ([call.prompt_tokens for call in calls], reader.counts.skipped) == ([2], 1)


def test_a_message_that_never_ended_is_a_lower_bound(log: Session) -> None:
    log.said("msg_1", tokens(1, 1), stop=None).said("msg_1", tokens(1, 2), stop=None).said("msg_2", tokens(1, 1))
    assert read(log)[1].counts.lower_bounds == 1


@given(st.data())
def test_where_reading_stops_and_goes_on_makes_no_difference(data: st.DataObject) -> None:
    log = Session(spaced=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(1, 12))):
        id = f"msg_{data.draw(st.integers(1, 4))}"
        stop = data.draw(st.sampled_from([None, "end_turn"]))
        counts = data.draw(st.tuples(*[st.integers(0, 10**6)] * 5))
        log.said(id, tokens(*counts), stop=stop)
    whole = Sink()
    whole.add(read(log)[0])
    parts, reader, rest = Sink(), Reader(), log.data
    while rest:
        cut = rest.index(b"\n", data.draw(st.integers(0, len(rest) - 1))) + 1
        reader.feed(rest[:cut])
        if data.draw(st.booleans()):
            parts.add(reader.take())
            reader = Reader(saved=reader.save())
        rest = rest[cut:]
    parts.add(reader.take())
    assert by_message(parts) == by_message(whole)


def by_message(sink: Sink) -> dict[str, list[int]]:
    """Sums of what is booked of each message."""
    sums: dict[str, list[int]] = {}
    for call in sink.calls:
        row = sums.setdefault(str(call.id).partition("#")[0], [0] * 4)
        parts = (call.prompt_tokens, call.completion_tokens, call.cached_tokens or 0, call.cache_write_tokens or 0)
        row[:] = [one + more for one, more in zip(row, parts, strict=True)]
    return sums


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_damage_never_raises(noise: bytes, at: int) -> None:
    log = Session().said("msg_1", tokens(5, 1)).said("msg_2", tokens(6, 1, 3, 2, 1))
    at %= len(log.data)
    log.data = log.data[:at] + noise + log.data[at + len(noise) :] + b"\n"
    for call in read(log)[0]:
        check_name("agent_id", call.agent_id)
        check_name("model", call.model)
