"""Before a tool, the gate waits for the model's call that asked for it, and not for long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asking import Stage, refusal
from budgauge.gate import Answer, waiting
from sources.rollouts import Log

SPENT = "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"


class Looks:
    """Time that passes only while the gate waits; something happens at the third look."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self.now, self.waits, self._happens = 0.0, 0, happens

    def sleep(self, seconds: float) -> None:
        self.now, self.waits = self.now + seconds, self.waits + 1
        if self.waits == 3:
            self._happens()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 0.0


@pytest.fixture
def codex(own_place: Path, ledger: Path) -> Stage:
    return Stage("codex", own_place, ledger)


def asked_for(stage: Stage, name: str = "call_7") -> None:
    """The model asks for a tool; its usage is not there yet."""
    assert isinstance(stage.log, Log)
    stage.log.line("response_item", {"type": "function_call", "call_id": name, "name": "exec", "arguments": "{}"})
    stage.log.write(stage.codex)


def recorded(stage: Stage, tokens: int) -> None:
    assert isinstance(stage.log, Log)
    stage.log.record(tokens, 0, 0, 0).write(stage.codex)


def test_codex_s_usage_of_the_call_that_asks_is_waited_for(codex: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    codex.config("total_budget = 100")
    recorded(codex, 40)
    asked_for(codex)
    looks = Looks(lambda: recorded(codex, 60))
    monkeypatch.setattr(waiting, "time", looks)
    assert refusal(codex.ask("PreToolUse", tool_use_id="call_7")) == SPENT
    assert looks.waits == 3


def test_nobody_waits_where_the_usage_is_there(codex: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    codex.config("total_budget = 100")
    asked_for(codex)
    recorded(codex, 60)
    looks = Looks(lambda: None)
    monkeypatch.setattr(waiting, "time", looks)
    assert codex.ask("PreToolUse", tool_use_id="call_7") == Answer()
    assert looks.waits == 0


def test_an_older_codex_that_records_nothing_is_not_waited_for(codex: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    codex.spend(10, 0)
    asked_for(codex)
    looks = Looks(lambda: None)
    monkeypatch.setattr(waiting, "time", looks)
    assert codex.ask("PreToolUse", tool_use_id="call_7") == Answer()
    assert looks.waits == 0


def test_it_is_not_waited_for_long(codex: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(codex, 10)
    looks = Looks(lambda: None)
    monkeypatch.setattr(waiting, "time", looks)
    assert codex.ask("PreToolUse", tool_use_id="call_7") == Answer()
    assert looks.waits == pytest.approx(waiting.RECORD_SECONDS / waiting.LOOK_SECONDS, abs=1)


def test_what_a_model_writes_is_no_usage(codex: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    codex.config("total_budget = 100")
    recorded(codex, 40)
    asked_for(codex)
    assert isinstance(codex.log, Log)
    codex.log.line("response_item", {"type": "message", "text": '{"type":"token_usage_record"}'})
    codex.log.write(codex.codex)
    monkeypatch.setattr(waiting, "time", Looks(lambda: recorded(codex, 60)))
    assert refusal(codex.ask("PreToolUse", tool_use_id="call_7")) == SPENT
