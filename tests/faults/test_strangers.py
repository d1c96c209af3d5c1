"""Rollouts of other sessions beside one of Codex: each is looked into once, however many there are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asking import Stage
from budgauge.gate import Answer
from budgauge.sources import tail
from budgauge.sources.codex import session as codex_session
from sources.rollouts import CHILD, PARENT, Log
from steps import calls

Sized = Callable[[int, int], int]
ALLOWED = Answer()


@pytest.fixture
def stage(own_place: Path, ledger: Path) -> Stage:
    stage = Stage("codex", own_place, ledger)
    stage.config('total_budget = 1_000_000\non_hook_error = "deny"')
    return stage


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the rollouts whose first lines are read to tell whose they are."""
    real, names = codex_session.first_line, list[str]()

    def first_line(rollout: Path) -> Any:
        if PARENT not in rollout.name:
            names.append(rollout.name)
        return real(rollout)

    monkeypatch.setattr(codex_session, "first_line", first_line)
    return names


def add_strangers(stage: Stage, begin: int, end: int) -> None:
    for number in range(begin, end):
        Log(f"{CHILD[:-6]}{number:06x}").meta().write(stage.codex)


def test_each_is_looked_into_once(stage: Stage, looked: list[str]) -> None:
    add_strangers(stage, 0, 20)
    for more in (20, 5, 0):
        assert stage.ask() == ALLOWED
        assert len(looked) == more
        looked.clear()
        add_strangers(stage, 20, 25)


def test_the_work_grows_with_their_number_alone(stage: Stage, sized: Sized) -> None:
    assert stage.ask() == ALLOWED
    size, work = sized(40, 20_000), list[int]()
    for begin in (0, size, 2 * size):
        add_strangers(stage, begin, begin + size)
        work.append(calls(stage.ask))
    assert work[2] - work[1] < 0.3 * (work[1] - calls(stage.ask))


@pytest.mark.parametrize("content", [b"{}\n", b"no JSON\n", b"\0" * 3000], ids=["empty", "broken", "endless"])
def test_one_whose_first_line_can_never_be_read_is_looked_into_once(
    stage: Stage, looked: list[str], content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "HEAD_BYTES", (1000, 2000))
    monkeypatch.setattr(codex_session, "HEAD_BYTES", (1000, 2000))
    path = Log(CHILD).write(stage.codex)
    path.write_bytes(content)
    assert stage.ask() == ALLOWED
    assert looked.count(path.name) == 1
    assert stage.ask() == ALLOWED
    assert looked.count(path.name) == 1


def test_what_was_looked_into_is_kept_on_the_way(
    stage: Stage, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_strangers(stage, 0, 25)
    monkeypatch.setattr(codex_session, "_KEPT_STEP", 10)
    real = codex_session._kin

    def interrupted(meta: Any) -> set[str]:
        if len(looked) == 25:
            raise RuntimeError("time is up")
        return real(meta)

    with monkeypatch.context() as patched:
        patched.setattr(codex_session, "_kin", interrupted)
        assert stage.ask().code == 2
    looked.clear()
    assert stage.ask() == ALLOWED
    assert len(looked) == 5


def test_a_hook_that_waited_finds_what_another_looked_into(
    stage: Stage, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other hook works between this one's first look at the notes and its turn."""
    add_strangers(stage, 0, 20)
    from budgauge.gate import session

    real, nested = session.turn, list[Answer]()

    def turn(path: Path) -> Any:
        if not nested:
            nested.append(ALLOWED)
            nested.append(stage.ask())
        return real(path)

    monkeypatch.setattr(session, "turn", turn)
    assert stage.ask() == ALLOWED
    assert nested == [ALLOWED, ALLOWED]
    assert len(looked) == 20


@pytest.mark.parametrize("name", [b"rollout-\xff.jsonl", b"rollout-2026-\xed\xa0\x80.jsonl"])
def test_a_name_that_is_no_text_opens_no_gate(stage: Stage, name: bytes) -> None:
    path = os.path.join(os.fsencode(stage.transcript.parent), name)
    Path(os.fsdecode(path)).write_bytes(Log(CHILD).meta().data)
    for _ in range(2):
        assert stage.ask() == ALLOWED
