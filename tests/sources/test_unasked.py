"""Sessions that spent without calling the gate are found; nobody is accused who may have called."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from budgauge.files.cache import cache_folder
from budgauge.sources.unasked.asked import Hook, add_hook, forget_hooks, has_asked, read_hooks
from clock import Clock
from sources.rollouts import Log
from sources.sessions import Session, tokens
from unasking import AGENTS, Sessions, session_id

HOUR, DAY = 3600, 86_400
NOON = 1_767_225_600 + 12 * HOUR


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(NOON)
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def place(own_place: Path, noon: Clock) -> Sessions:
    return Sessions(own_place, noon)


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_who_spends_without_asking_is_found_and_who_asks_is_not(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.clock.now += 60
    for number in (1, 2, 3):
        place.begin(agent, number)
    place.ask(agent, 1)
    for number in (1, 2, 3):
        place.spend(number, 10 * number)
    place.collect()
    assert place.found() == {3: 30, 2: 20}


def test_each_agent_has_its_own_hooks(place: Sessions) -> None:
    place.install("codex")
    for number, agent in enumerate(AGENTS):
        place.begin(agent, number)
        place.spend(number)
    place.collect()
    assert place.found() == {0: 10}


def test_who_asks_later_is_no_longer_found(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1)
    place.collect()
    assert place.found() == {1: 10}
    place.ask(agent, 1, "Stop")
    assert place.found() == {}


def test_a_session_under_way_when_the_hook_is_installed_is_left_alone(place: Sessions, agent: str) -> None:
    place.begin(agent, 1)
    place.clock.now += 60
    place.install(agent)
    place.clock.now += 60
    place.spend(1)
    place.collect()
    assert place.found() == {}


def test_a_session_that_asked_and_is_resumed_is_left_alone(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.ask(agent, 1)
    place.spend(1)
    place.collect()
    place.clock.now += 3 * DAY
    place.spend(1)
    place.collect()
    assert place.found() == {}


def test_what_was_spent_since_midnight_counts(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1, 10)
    place.collect()
    place.clock.now += DAY
    assert place.found() == {}
    place.spend(1, 7)
    place.collect()
    assert place.found() == {1: 7}


def test_tokens_are_counted_as_the_config_says(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1, 10, 5, read=100)
    place.collect()
    assert place.found() == {1: 115}
    assert place.found(count="uncached") == {1: 15}


def test_a_later_collection_adds_only_what_is_new(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    for _ in range(3):
        place.spend(1)
        place.collect()
    place.collect()
    assert place.found() == {1: 30}


def test_a_message_that_grows_counts_once(place: Sessions) -> None:
    place.install("claude-code")
    place.begin("claude-code", 1)
    log = place.logs[1]
    assert isinstance(log, Session)
    for output in (1, 50):
        log.said("msg", tokens(10, output), stop="end_turn" if output > 1 else None)
        log.write(place.claude)
        place.collect()
    assert place.found() == {1: 60}


def test_a_ledger_that_is_begun_anew_counts_once(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1)
    place.collect()
    place.ledger.unlink()
    place.collect()
    assert place.found() == {1: 10}


# What a cleared cache and others' caches know


def test_a_cleared_cache_accuses_nobody(place: Sessions, agent: str) -> None:
    place.install(agent)
    for number in (1, 2):
        place.begin(agent, number)
    place.ask(agent, 1)
    for number in (1, 2):
        place.spend(number)
    place.collect()
    shutil.rmtree(cache_folder())
    assert place.found() == {}
    for number in (1, 2):
        place.spend(number)
    place.collect()
    assert place.found() == {}
    place.clock.now += 60
    place.begin(agent, 3)
    place.ask(agent, 3)
    place.clock.now += 60
    place.begin(agent, 4)
    for number in (1, 2, 3, 4):
        place.spend(number)
    place.collect()
    assert place.found() == {4: 10}


def test_sessions_of_another_users_cache_are_not_known(place: Sessions, agent: str, tmp_path: Path) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1)
    place.collect(cache=tmp_path / "other")
    place.collect()
    assert place.found() == {}


@pytest.mark.parametrize("name", ["hooks.since", "sessions-*.spent"])
def test_a_damaged_cache_accuses_nobody(place: Sessions, agent: str, name: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1)
    place.collect()
    for path in cache_folder().glob(name):
        path.write_bytes(b"junk")
    assert place.found() == {}


# Hooks that somebody made by hand


def test_hooks_made_by_hand_in_the_users_settings_are_known_by_the_first_call(place: Sessions) -> None:
    place.claude.mkdir()
    hook = '{"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": "budgauge hook"}]}]}}'
    (place.claude / "settings.json").write_text(hook, encoding="utf-8")
    place.begin("claude-code", 1)
    place.begin("claude-code", 2)
    place.clock.now += 60
    place.ask("claude-code", 1)
    place.clock.now += 60
    place.begin("claude-code", 3, cwd="/somewhere/else")
    for number in (1, 2, 3):
        place.spend(number)
    place.collect()
    assert place.found() == {3: 10}


def test_other_hooks_made_by_hand_are_known_for_the_folder_alone(place: Sessions, agent: str) -> None:
    project = place.home / "work"
    (project / "sub").mkdir()
    place.begin(agent, 1, cwd=str(project))
    place.ask(agent, 1, cwd=str(project))
    place.clock.now += 60
    place.begin(agent, 2, cwd=str(project / "sub"))
    place.begin(agent, 3, cwd=str(place.home))
    for number in (1, 2, 3):
        place.spend(number)
    place.collect()
    assert place.found() == {2: 10}


def test_hooks_of_a_project_say_nothing_of_other_folders(place: Sessions, agent: str) -> None:
    place.install(agent, project="/home/me/app")
    for number, cwd in enumerate(("/home/me/app", "/home/me/app/src", "/home/me/app2", "/home/me")):
        place.begin(agent, number, cwd=cwd)
        place.spend(number)
    place.collect()
    assert place.found() == {0: 10, 1: 10}


def test_hooks_in_one_home_of_an_agent_say_nothing_of_another(place: Sessions, agent: str) -> None:
    add_hook(cache_folder(), Hook(agent, "/home/me/other", "", place.clock.now))
    place.begin(agent, 1)
    place.spend(1)
    place.collect()
    assert place.found() == {}


def test_a_call_of_an_unknown_agent_says_nothing_of_hooks(place: Sessions) -> None:
    log = place.home / ".qwen" / "projects" / "app" / "chats" / f"{session_id(1)}.jsonl"
    log.parent.mkdir(parents=True)
    log.touch()
    place.ask("claude-code", 1, transcript_path=str(log))
    assert read_hooks(cache_folder()) == []


def test_a_call_without_a_log_is_known_too(place: Sessions, agent: str) -> None:
    place.ask(agent, 1, "PreToolUse", transcript_path="")
    assert has_asked(cache_folder(), session_id(1))


def test_broken_settings_keep_no_session_from_being_known(place: Sessions) -> None:
    place.claude.mkdir()
    (place.claude / "settings.json").write_text("{", encoding="utf-8")
    place.begin("claude-code", 1)
    place.ask("claude-code", 1)
    assert has_asked(cache_folder(), session_id(1))


# When hooks began to call


def hooks() -> list[tuple[str, float]]:
    return [(hook.agent, hook.since) for hook in read_hooks(cache_folder())]


def test_hooks_keep_their_moment_until_they_are_made_afresh(noon: Clock) -> None:
    for since, afresh, known in ((100, False, 100), (200, False, 100), (300, True, 300), (250, False, 250)):
        add_hook(cache_folder(), Hook("codex", "/h", "", since), afresh=afresh)
        assert hooks() == [("codex", known)]


def test_a_moment_that_lies_ahead_is_put_right_by_the_next_call(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.clock.now -= 30 * DAY
    place.begin(agent, 1)
    place.ask(agent, 1)
    assert hooks() == [(agent, place.clock.now)]
    place.clock.now += 60
    place.begin(agent, 2)
    place.spend(2)
    place.collect()
    assert place.found() == {2: 10}


def test_a_session_that_begins_ahead_of_the_clock_is_left_alone(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1, begun=place.clock.now + HOUR)
    place.spend(1)
    place.collect()
    assert place.found() == {}


def test_a_session_whose_mark_may_be_gone_is_left_alone(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.clock.now += 31 * DAY
    place.spend(1)
    place.collect()
    assert place.found() == {}


def test_hooks_are_forgotten_by_home_and_by_folder(noon: Clock) -> None:
    cache = cache_folder()
    for agent, home, folder in (
        ("codex", "/h", ""),
        ("codex", "/h", "/p"),
        ("codex", "", "/q"),
        ("claude-code", "/h", ""),
    ):
        add_hook(cache, Hook(agent, home, folder, 1))
    forget_hooks(cache, "codex", home="/h")
    assert [hook.place for hook in read_hooks(cache)] == [("codex", "", "/q"), ("claude-code", "/h", "")]
    forget_hooks(cache, "codex", folder="/q")
    assert [hook.place for hook in read_hooks(cache)] == [("claude-code", "/h", "")]


# Sub-agents, forks


def test_a_sub_agents_tokens_are_its_sessions(place: Sessions, agent: str) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.spend(1)
    below(place, agent, 1, 5)
    place.collect()
    assert place.found() == {1: 15}
    place.ask(agent, 1)
    assert place.found() == {}


def below(place: Sessions, agent: str, number: int, spent: int) -> None:
    """A sub-agent of a session spends."""
    start = int(place.clock.now)
    if agent == "codex":
        child = Log(session_id(100), start=start).meta(parent_thread_id=session_id(number), agent_role="worker")
        child.turn().call(spent, 0, 0, 0).write(place.codex)
        grandchild = Log(session_id(101), start=start).meta(session_id=session_id(number), agent_role="deep")
        grandchild.turn().write(place.codex)
    else:
        Session(session_id(number), agent="a1", start=start).said("sub", tokens(spent, 0)).write(place.claude)


def test_a_sub_agent_whose_session_is_not_known_is_left_alone(place: Sessions) -> None:
    place.install("codex")
    child = Log(session_id(100), start=int(place.clock.now)).meta(parent_thread_id=session_id(9), agent_role="worker")
    child.turn().call(5, 0, 0, 0).write(place.codex)
    place.collect()
    assert place.found() == {}


def test_the_copies_in_a_fork_are_not_its_own(place: Sessions) -> None:
    place.install("claude-code")
    place.begin("claude-code", 1)
    place.spend(1)
    fork = Session(session_id(2), start=int(place.clock.now))
    log = place.logs[1]
    assert isinstance(log, Session)
    fork.copy_of(log).said("own", tokens(7, 0)).write(place.claude)
    place.collect()
    assert place.found() == {1: 10, 2: 7}


# What it costs


def test_a_sessions_later_calls_write_nothing_and_read_no_settings(
    place: Sessions, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(agent)
    place.begin(agent, 1)
    place.ask(agent, 1)
    kept = {path.name: path.stat().st_mtime_ns for path in cache_folder().glob("*.asked")}
    read = []
    monkeypatch.setattr("budgauge.sources.unasked.asked.read_hooks", lambda cache: read.append(cache))
    opened = []
    monkeypatch.setattr("budgauge.sources.hook_settings.read", lambda path: opened.append(path))
    place.ask(agent, 1, "Stop")
    assert (read, opened) == ([], [])
    assert {path.name: path.stat().st_mtime_ns for path in cache_folder().glob("*.asked")} == kept


def test_old_sessions_cost_nothing(place: Sessions, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        place.begin(agent, number, begun=NOON - 9 * DAY)
        place.logs[number].time = NOON - 9 * DAY
        log = place.logs[number]
        if isinstance(log, Log):
            log.call(1, 0, 0, 0).write(place.codex)
        else:
            log.said(f"m{number}", tokens(1, 0)).write(place.claude)
    asked = []
    monkeypatch.setattr("budgauge.sources.source.Source.origin", lambda self, path: asked.append(path))
    place.collect()
    assert asked == []
    assert list(cache_folder().glob("sessions-*")) == []


def test_marks_go_when_they_are_old(place: Sessions, agent: str) -> None:
    place.begin(agent, 1)
    place.ask(agent, 1)
    for path in cache_folder().glob("hook-*"):
        os.utime(path, (1, 1))
    place.begin(agent, 2)
    place.ask(agent, 2)
    assert not has_asked(cache_folder(), session_id(1))
    assert hooks() != []
