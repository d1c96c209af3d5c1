"""What Codex's rollouts say was spent: each rule as a small log with its truth."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.record_checks import check_name
from budgauge.accounting.records import MAX_COUNT, Usage
from budgauge.sources.codex.rollout import Rollout
from sources.rollouts import PARENT, START, Log, usage


@pytest.fixture(params=[False, True], ids=["compact", "spaced"])
def log(request: pytest.FixtureRequest) -> Log:
    return Log(spaced=request.param)


def read(log: Log) -> tuple[list[Usage], Rollout]:
    rollout = Rollout(log.thread)
    rollout.feed(log.data)
    return rollout.take(), rollout


def spent(log: Log) -> list[tuple[int, int]]:
    return [(call.prompt_tokens, call.completion_tokens) for call in read(log)[0]]


def test_a_call_carries_all_that_is_known_of_it(log: Log) -> None:
    log.meta().turn("gpt-5-codex").call(1000, 600, 50, 20, 300)
    assert read(log)[0] == [
        Usage(
            "codex",
            "gpt-5-codex",
            1000,
            50,
            1050,
            START + 2,
            cached_tokens=600,
            cache_write_tokens=300,
            reasoning_tokens=20,
            id=f"codex:{PARENT}:1",
            session=PARENT,
            project="/home/me/app",
            source="codex",
        )
    ]


def test_growth_of_the_total_is_counted_and_restatements_are_not(log: Log) -> None:
    log.meta().turn().call(100, 0, 10, 0).count((100, 0, 10, 0)).call(200, 100, 20, 5).count((300, 100, 30, 5))
    calls, rollout = read(log)
    assert [(c.prompt_tokens, c.cached_tokens, c.completion_tokens) for c in calls] == [(100, None, 10), (200, 100, 20)]
    assert rollout.counts.duplicates == 2


def test_last_is_never_summed(log: Log) -> None:
    log.meta().turn().count((100, 0, 10, 0), (9, 9, 9, 9)).count((150, 0, 30, 0), (9, 9, 9, 9))
    assert spent(log) == [(100, 10), (50, 20)]


def test_a_total_that_shrinks_begins_a_new_count(log: Log) -> None:
    log.meta().turn().count((1000, 0, 100, 0)).count((300, 0, 40, 0)).count((500, 0, 50, 0))
    assert spent(log) == [(1000, 100), (300, 40), (200, 10)]


def test_info_may_be_null(log: Log) -> None:
    log.meta().event("token_count", info=None).turn().call(1, 0, 1, 0).event("token_count")
    assert spent(log) == [(1, 1)]


def test_a_full_window_is_not_usage(log: Log) -> None:
    log.meta().turn().call(100, 0, 10, 0).full().full().call(250_000, 0, 30, 0)
    calls, rollout = read(log)
    assert [(c.prompt_tokens, c.completion_tokens) for c in calls] == [(100, 10), (250_000, 30)]
    assert rollout.counts.duplicates == 0


def test_a_count_may_go_on_after_a_full_window(log: Log) -> None:
    log.meta().turn().call(100, 0, 10, 0).full().count((350, 0, 30, 0), (250, 0, 20, 0))
    assert spent(log) == [(100, 10), (250, 20)]


def test_records_are_preferred_to_counts(log: Log) -> None:
    log.meta().turn()
    for k in (1, 2, 3):
        log.record(100 * k, 0, 10 * k, 0).count((600, 0, 60, 0))
    assert spent(log) == [(100, 10), (200, 20), (300, 30)]


def test_a_record_after_its_own_count_restates_it(log: Log) -> None:
    log.meta().turn().call(100, 0, 10, 0)
    log._total = [0] * 5
    log.record(100, 0, 10, 0).record(200, 0, 20, 0).count((300, 0, 30, 0))
    calls, rollout = read(log)
    assert [call.prompt_tokens for call in calls] == [100, 200]
    assert rollout.counts.duplicates == 1


def test_a_thread_taken_up_by_a_newer_codex_keeps_its_earlier_calls(log: Log) -> None:
    log.meta().turn().call(100, 0, 10, 0).call(50, 0, 5, 0).record(70, 0, 7, 0).count((220, 0, 22, 0))
    assert spent(log) == [(100, 10), (50, 5), (70, 7)]


def test_the_same_record_twice_counts_once(log: Log) -> None:
    log.meta().turn().record(100, 0, 10, 0, response="resp_1")
    log.data += log.data.splitlines(keepends=True)[-1]
    calls, rollout = read(log)
    assert len(calls) == 1
    assert rollout.counts.duplicates == 1


def test_two_responses_of_one_name_and_size_are_two(log: Log) -> None:
    log.meta().turn().record(100, 0, 10, 0, response="resp_1").record(100, 0, 10, 0, response="resp_1")
    assert spent(log) == [(100, 10), (100, 10)]
    assert [call.alias for call in read(log)[0]] == ["resp_1", None]


def test_records_that_do_not_add_up_are_told(log: Log) -> None:
    log.meta().turn().record(100, 0, 10, 0)
    log._total[0] += 5
    log.record(100, 0, 10, 0)
    assert read(log)[1].counts.disagreements == 1


def test_another_threads_record_is_a_copy(log: Log) -> None:
    log.meta(forked_from_id="p").turn().record(100, 0, 10, 0, thread="p").record(7, 0, 1, 0)
    calls, rollout = read(log)
    assert [call.prompt_tokens for call in calls] == [7]
    assert rollout.counts.replayed == 1


def test_ordinals_mark_where_a_sub_agents_own_history_starts() -> None:
    log = Log(ordinals=True).meta(subagent_history_start_ordinal=3, parent_thread_id="p")
    log.turn().call(100, 0, 10, 0).turn("gpt-5-mini").call(7, 0, 1, 0)
    calls, rollout = read(log)
    assert [(call.model, call.prompt_tokens) for call in calls] == [("gpt-5-mini", 7)]
    assert rollout.counts.replayed == 1


def test_a_fork_by_reference_goes_on_from_its_parents_total(log: Log) -> None:
    log.meta(forked_from_id="p", history_base={"thread_id": "p"}).turn().count((6000, 0, 220, 0), (1900, 0, 59, 0))
    assert spent(log) == []
    assert spent(log.event("task_complete")) == [(1900, 59)]


def test_the_first_count_of_a_fork_by_reference_is_a_call_if_counts_follow(log: Log) -> None:
    log.meta(forked_from_id="p", history_base={"thread_id": "p"}).turn().count((6000, 0, 220, 0), (1900, 0, 59, 0))
    log.count((6000, 0, 220, 0), (1900, 0, 59, 0)).count((6100, 0, 230, 0), (100, 0, 10, 0))
    assert spent(log) == [(1900, 59), (100, 10)]


def test_the_first_count_of_a_fork_by_reference_repeats_its_parents_last_if_records_follow(log: Log) -> None:
    log.meta(forked_from_id="p", history_base={"thread_id": "p"}).turn().count((6000, 0, 220, 0), (1900, 0, 59, 0))
    calls, rollout = read(log.record(7, 0, 1, 0))
    assert [(call.prompt_tokens, call.id) for call in calls] == [(7, f"codex:{PARENT}:2")]
    assert rollout.counts.replayed == 1


def test_settings_name_the_model_before_a_turn_does(log: Log) -> None:
    log.meta().event("thread_settings_applied", thread_settings={"model": "gpt-5.5"}).record(7, 0, 1, 0)
    log.event("thread_settings_applied", thread_settings={"service_tier": "default"}).record(8, 0, 1, 0)
    assert [call.model for call in read(log.turn("o3").record(9, 0, 1, 0))[0]] == ["gpt-5.5", "gpt-5.5", "o3"]


def test_a_count_that_goes_on_from_an_earlier_total_is_of_another_process(log: Log) -> None:
    log.meta().turn().call(5000, 0, 100, 0).call(6000, 5000, 200, 0)
    log.count((8000, 2000, 150, 0), (3000, 2000, 50, 0)).count((12000, 5000, 210, 0), (4000, 3000, 60, 0))
    assert spent(log) == [(5000, 100), (6000, 200), (3000, 50), (4000, 60)]


def test_two_processes_take_turns_in_one_file(log: Log) -> None:
    log.meta().turn().count((100, 0, 10, 0), (100, 0, 10, 0))
    log.count((300, 0, 30, 0), (200, 0, 20, 0)).count((105, 0, 11, 0), (5, 0, 1, 0))
    log.count((600, 0, 60, 0), (300, 0, 30, 0)).count((112, 0, 12, 0), (7, 0, 1, 0))
    calls, rollout = read(log.count((600, 0, 60, 0), (300, 0, 30, 0)))
    assert [call.prompt_tokens for call in calls] == [100, 200, 5, 300, 7]
    assert rollout.counts.duplicates == 1


def test_a_part_that_shrinks_begins_a_new_count(log: Log) -> None:
    log.meta().turn().count((1000, 500, 100, 0)).count((1200, 100, 110, 0), (1200, 100, 110, 0))
    assert spent(log) == [(1000, 100), (1200, 110)]


def test_only_the_first_session_meta_is_the_threads_own(log: Log) -> None:
    log.meta(cwd="/mine").line("session_meta", {"id": "other", "cwd": "/theirs", "agent_role": "worker"}).turn()
    [call] = read(log.call(1, 0, 1, 0))[0]
    assert (call.session, call.project, call.agent_id) == (PARENT, "/mine", "codex")


def test_each_call_has_the_model_in_force(log: Log) -> None:
    log.meta().call(1, 0, 1, 0).turn("a").call(2, 0, 1, 0).turn(None).call(3, 0, 1, 0).turn("b").call(4, 0, 1, 0)
    assert [call.model for call in read(log)[0]] == ["unknown", "a", "a", "b"]


@pytest.mark.parametrize(
    ("fields", "agent_id"),
    [
        ({}, "codex"),
        ({"source": "exec", "thread_source": "user"}, "codex"),
        ({"agent_role": "worker", "agent_nickname": "Erdos", "thread_source": "subagent"}, "codex/worker"),
        ({"agent_role": "", "agent_nickname": "Erdos"}, "codex/Erdos"),
        ({"source": {"subagent": {"thread_spawn": {"agent_role": "explorer"}}}}, "codex/explorer"),
        ({"source": {"subagent": "review"}}, "codex/review"),
        ({"source": {"subagent": {"other": "guardian"}}}, "codex/guardian"),
        ({"thread_source": "subagent"}, "codex/subagent"),
        ({"agent_role": "a\x1b]0;pwn\x1b\\b"}, "codex/a\ufffd]0;pwn\ufffd\\b"),
        ({"agent_role": "日" * 100}, "codex/" + "日" * 39 + "…"),
    ],
)
def test_who_spent_it(log: Log, fields: dict[str, object], agent_id: str) -> None:
    [call] = read(log.meta(**fields).turn().call(1, 0, 1, 0))[0]
    assert call.agent_id == check_name("agent_id", agent_id)


@pytest.mark.parametrize("model", ["", " ", "x" * 1000, "\0", "[/nope]", "é" * 64, "é" * 65])
def test_a_model_that_no_record_may_have_is_made_fit(log: Log, model: str) -> None:
    [call] = read(log.meta().turn(model).call(1, 0, 1, 0))[0]
    check_name("model", call.model)


def test_text_that_looks_like_usage_is_not(log: Log) -> None:
    trap = '{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":5}}}}\n'
    log.meta().turn().line("response_item", {"type": "message", "content": trap + "\u2028\x85"})
    log.line("compacted", {"message": "", "latest_token_usage_record": {"token_usage_record": usage_of(9)}})
    log.event("item_completed", token_limit=1, started_at="soon").call(1, 0, 1, 0)
    calls, rollout = read(log)
    assert [call.prompt_tokens for call in calls] == [1]
    assert rollout.counts.skipped == 0


def usage_of(tokens: int) -> dict[str, object]:
    return {"usage": {"input_tokens": tokens, "output_tokens": tokens}}


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":-1}}}',
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":1.5}}}',
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":"7"}}}',
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":true}}}',
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":%d}}}' % (MAX_COUNT + 1),
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":%s}}}' % (b"9" * 5000),
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":NaN}}}',
        b'{"type":"token_count","info":{"total_token_usage":{"prompt_tokens":7,"output_tokens":1}}}',
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":7,"completion_tokens":1}}}',
        b'{"type":"token_count","info":{"total":{"input_tokens":7,"output_tokens":1}}}',
        b'{"type":"token_count","info":null,"usage":{"input_tokens":7,"output_tokens":1}}',
        b'{"type":"token_count","usage":{"input_tokens":"7","output_tokens":1}}',
        b'{"type":"token_usage","usage":{"input_tokens":7,"output_tokens":1}}',
        b'{"type":"token_count","info":%s}' % (b"[" * 100_000),
        b'{"type":"token_count","info":',
        b'{"type":"token_count","info":{"total_token_usage":{"input_tokens":%d,"output_tokens":1}}}' % MAX_COUNT,
    ],
)
def test_a_line_that_cannot_be_right_is_set_aside_and_the_rest_read(log: Log, payload: bytes) -> None:
    log.meta().turn()
    log.data += b'{"timestamp":"2026-11-24T01:55:01Z","type":"event_msg","payload":' + payload + b"}\n"
    calls, rollout = read(log.count((0, 0, 0, 0)).call(3, 0, 1, 0))
    assert rollout.counts.skipped == 1
    assert [call.prompt_tokens for call in calls] == [3]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("token_usage_record", {"usage": {"prompt_tokens": 5, "output_tokens": 1}}),
        ("token_usage_record", {"usage": {"input_tokens": 5.5, "output_tokens": 1}}),
        ("token_usage_record", {"usage": {"input_tokens": "5", "output_tokens": 1}}),
        ("token_usage_record", {"usage": {"input_tokens": -5, "output_tokens": 1}}),
        ("token_usage_record", {"token_usage": {"input_tokens": 5, "output_tokens": 1}}),
        ("token_usage_record_v2", {"usage": {"input_tokens": 5, "output_tokens": 1}}),
        ("model_usage", {"input_tokens": 5, "output_tokens": 1}),
    ],
)
def test_a_record_in_another_format_is_set_aside(log: Log, kind: str, payload: dict[str, object]) -> None:
    log.meta().turn().line(kind, {"thread_id": PARENT, **payload}).record(7, 0, 1, 0)
    calls, rollout = read(log)
    assert rollout.counts.skipped == 1
    assert [call.prompt_tokens for call in calls] == [7]


def test_parts_larger_than_their_whole_are_clipped(log: Log) -> None:
    [call] = read(log.meta().turn().call(10, 50, 5, 9, 50))[0]
    assert (call.cached_tokens, call.cache_write_tokens, call.reasoning_tokens) == (10, None, 5)


def test_a_time_that_cannot_be_read_is_the_one_before(log: Log) -> None:
    log.meta().turn()
    log.data += json.dumps(
        {"timestamp": "yesterday", "type": "token_usage_record", "payload": {"usage": usage((5, 0, 0, 0))}}
    ).encode()
    log.data += b"\n"
    [call] = read(log)[0]
    assert call.timestamp == START + 1


def test_a_file_without_its_first_line_is_read_by_its_name() -> None:
    [call] = read(Log().turn().call(1, 0, 1, 0))[0]
    assert (call.session, call.project) == (PARENT, None)


@given(st.data())
def test_where_reading_stops_and_goes_on_makes_no_difference(data: st.DataObject) -> None:
    log = Log(spaced=data.draw(st.booleans())).meta().turn()
    for _ in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(["call", "call", "turn", "full", "repeat", "record"]))
        size = data.draw(st.integers(1, 10**6))
        if kind == "turn":
            log.turn(f"model-{size}")
        elif kind == "full":
            log.full()
        elif kind == "repeat":
            log.data += log.data.splitlines(keepends=True)[-1]
        else:
            getattr(log, kind)(size, size // 2, size // 3, 0)
    expected, whole = read(log)
    rest, parts, calls = log.data, Rollout(PARENT), list[Usage]()
    while rest:
        cut = rest.index(b"\n", data.draw(st.integers(0, len(rest) - 1))) + 1
        parts.feed(rest[:cut])
        calls += parts.take()
        rest = rest[cut:]
        if data.draw(st.booleans()):
            parts = Rollout("", saved=parts.save())
    assert calls == expected
    assert parts.counts == whole.counts


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_damage_never_raises(noise: bytes, at: int) -> None:
    log = Log().meta().turn().call(5, 0, 1, 0).record(6, 0, 1, 0)
    at %= len(log.data)
    log.data = log.data[:at] + noise + log.data[at + len(noise) :] + b"\n"
    for call in read(log)[0]:
        check_name("agent_id", call.agent_id)
        check_name("model", call.model)
