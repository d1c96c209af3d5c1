"""What was read decides, though it cannot be written: the ledger and the calls that it lacks are over the budget."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asking import Stage, refusal, reset_line
from budgauge import gate
from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import BudgetUsage
from budgauge.config import BudgetConfig, Cycle
from budgauge.gate import Answer
from sources.rollouts import START
from usage import line, usage

OVER = "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"


@pytest.fixture(params=["codex", "claude-code"])
def stage(request: pytest.FixtureRequest, own_place: Path, ledger: Path) -> Stage:
    return Stage(request.param, own_place, ledger)


def locked_for_reading(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """As a sandbox can that may only read: flock asks for no right to write."""
    monkeypatch.setattr(gate.session, "LOCK_SECONDS", 0.01)
    descriptor = os.open(stage.ledger, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return lambda: os.close(descriptor)


def disk_full(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    return failing_writes(stage, monkeypatch, errno.ENOSPC)


def file_size_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    return failing_writes(stage, monkeypatch, errno.EFBIG)


def failing_writes(stage: Stage, monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], object]:
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if os.path.samestat(os.fstat(descriptor), os.stat(stage.ledger)):
            raise OSError(number, os.strerror(number))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    return lambda: monkeypatch.setattr(os, "write", real)


def unopenable(stage: Stage, monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], object]:
    real, real_access = os.open, os.access

    def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if str(path) == str(stage.ledger) and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(number, os.strerror(number))
        return real(path, flags, *arguments, **options)

    def access(path: Any, mode: int) -> bool:
        return real_access(path, mode) and not (str(path) == str(stage.ledger) and mode & os.W_OK)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "access", access)

    def mend() -> None:
        monkeypatch.setattr(os, "open", real)
        monkeypatch.setattr(os, "access", real_access)

    return mend


def read_only(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    return unopenable(stage, monkeypatch, errno.EACCES)


def read_only_file_system(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    return unopenable(stage, monkeypatch, errno.EROFS)


def immutable(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    return unopenable(stage, monkeypatch, errno.EPERM)


UNWRITABLE = [locked_for_reading, disk_full, file_size_limit, read_only, read_only_file_system, immutable]
Hinder = Callable[[Stage, pytest.MonkeyPatch], Callable[[], object]]


@pytest.fixture(params=UNWRITABLE)
def hinder(request: pytest.FixtureRequest) -> Hinder:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("event", ["UserPromptSubmit", "PreToolUse"])
def test_what_the_ledger_lacks_refuses(
    stage: Stage, hinder: Hinder, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config("total_budget = 100")
    stage.spend(60, 0)
    assert stage.ask() == Answer()
    stage.spend(30, 0)
    stage.spend_below(1, 10, 0)
    mend = hinder(stage, monkeypatch)
    for _ in range(2):
        assert refusal(stage.ask(event)) == OVER
    mend()
    assert stage.used == {stage.agent: 60}
    assert refusal(stage.ask(event)) == OVER
    assert sum(stage.used.values()) == 100, "it is booked as soon as it can be"


@pytest.mark.parametrize("policy", ["allow", "deny"])
def test_what_is_not_over_is_not_decided(
    stage: Stage, hinder: Hinder, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config(f'total_budget = 101\non_hook_error = "{policy}"')
    stage.spend(100, 0)
    hinder(stage, monkeypatch)
    reply = stage.ask("PreToolUse")
    assert "could not decide" in reply.error
    assert reply.code == (2 if policy == "deny" else 0)


def test_an_agents_own_limit_counts_what_the_ledger_lacks(
    stage: Stage, hinder: Hinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config(f'total_budget = 0\nper_agent_limits = {{"{stage.agent}/*" = 10}}')
    stage.spend(10, 0)
    hinder(stage, monkeypatch)
    assert stage.ask("PreToolUse").error.startswith(f"Agent {stage.agent}/* would exceed limit of 10 tokens")


def test_calls_before_the_last_reset_do_not_count(
    stage: Stage, hinder: Hinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    with stage.ledger.open("ab") as file:
        file.write(reset_line(START + 50))
    hinder(stage, monkeypatch)
    assert stage.ask().code == 0


def test_a_folder_in_which_no_ledger_can_be_made_decides_as_well(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config("total_budget = 100")
    stage.ledger.unlink()
    stage.log.time = int(time.time()) + 60
    stage.spend(100, 0)
    read_only(stage, monkeypatch)
    assert refusal(stage.ask()) == OVER
    assert not stage.ledger.exists()


_LIMITED = """
import resource, sys
from budgauge import gate
from budgauge.config.load import Options
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
reply = gate.answer(sys.stdin.buffer.read(), Options(ledger=sys.argv[1]))
sys.stderr.write(reply.error)
sys.exit(reply.code)
"""


def test_a_limit_on_the_size_of_files_opens_no_gate(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    size = str(stage.ledger.stat().st_size)
    command = [sys.executable, "-c", _LIMITED, str(stage.ledger), size]
    done = subprocess.run(command, input=stage.call("PreToolUse"), capture_output=True, check=False)
    assert refusal(Answer(done.returncode, error=done.stderr.decode())) == OVER


@pytest.mark.parametrize(("timestamp", "used"), [(START, 107), (START - 86_400, 100), (START + 86_400, 100)])
def test_unbooked_calls_count_in_their_own_cycle(timestamp: int, used: int) -> None:
    totals = Totals(cycle_of=Calendar(Cycle(period="daily")).span)
    totals.add([usage("a", 100, 0, timestamp=START)])
    calls = [usage("a", 5, 0, timestamp=timestamp), usage("b", 2, 0, timestamp=timestamp)]
    spending = BudgetUsage.at(BudgetConfig(), totals, START, unbooked=calls)
    assert spending.by_all() == used
    assert spending.by_agent("b") == used - 100 - (5 if used > 100 else 0)
    assert totals.at(START).spent == {"a": (100, 0)}, "the ledger's own sums stay"


def test_a_ledger_of_others_alone_counts_too(stage: Stage, hinder: Hinder, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config("total_budget = 100")
    with stage.ledger.open("ab") as file:
        file.write(line("someone", 99, 0))
    stage.spend(1, 0)
    hinder(stage, monkeypatch)
    assert refusal(stage.ask()) == OVER
