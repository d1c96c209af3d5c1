"""Where a project has a budget of its own, the user's and the project's must both admit, on every road."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import budgauge
from budgauge.authority.both import Both
from budgauge.authority.local import Local
from budgauge.cli import cli
from budgauge.config import BudgetConfig, Cycle
from budgauge.errors import (
    AgentLimitExceededError,
    BudgaugeError,
    BudgetExceededError,
    DuplicateIdError,
    LedgerWriteError,
    LockTimeoutError,
    ReservationError,
)
from budgauge.ledger.ledger import Ledger
from budgauge.ledger.transaction import Transaction
from budgauge.tracker.tracker import TokenBudgetTracker
from clock import Clock
from served import Bare, Served
from usage import line, waiting_threads


class Pair:
    """A user's budget and a project's, over ledgers of their own."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.users, self.projects = folder / "users.jsonl", folder / "projects.jsonl"
        self._clock = clock

    def tracker(self, user: BudgetConfig, project: BudgetConfig) -> TokenBudgetTracker:
        """A tracker of both, as a program of its own makes it."""
        return TokenBudgetTracker(
            now=self._clock,
            authority=Both(Local(user, self.users, now=self._clock), Local(project, self.projects, now=self._clock)),
        )

    def lines(self) -> tuple[list[Any], list[Any]]:
        """What stands in the user's ledger and in the project's."""
        return read(self.users), read(self.projects)


def read(path: Path) -> list[Any]:
    return [json.loads(text) for text in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture
def pair(tmp_path: Path, clock: Clock) -> Pair:
    return Pair(tmp_path, clock)


UNLIMITED = BudgetConfig(total_budget=0)


def test_a_call_stands_in_both_under_one_id(pair: Pair) -> None:
    tracker = pair.tracker(UNLIMITED, UNLIMITED)
    assert tracker.report_usage("a", "m", 3, 0)
    users, projects = pair.lines()
    assert users == projects
    assert users[0]["id"]
    assert tracker.report_usage("a", "m", 3, 0, id="x")
    assert not tracker.report_usage("a", "m", 3, 0, id="x")
    assert [len(lines) for lines in pair.lines()] == [2, 2]
    with pytest.raises(DuplicateIdError):
        tracker.report_usage("a", "m", 4, 0, id="x")


@pytest.mark.parametrize("user", [True, False])
@pytest.mark.parametrize("ask", ["report", "reserve"])
def test_each_may_refuse(pair: Pair, user: bool, ask: str) -> None:
    strict, free = BudgetConfig(total_budget=10, per_agent_limits={"a": 5}), UNLIMITED
    tracker = pair.tracker(strict, free) if user else pair.tracker(free, strict)
    act: Callable[[str, int], object] = (
        tracker.reserve if ask == "reserve" else lambda agent, tokens: tracker.report_usage(agent, "m", tokens, 0)
    )
    with pytest.raises(AgentLimitExceededError, match="Agent a would"):
        act("a", 6)
    with pytest.raises(BudgetExceededError):
        act("b", 11)
    assert pair.lines() == ([], [])
    assert isinstance(tracker.check("a", 6), AgentLimitExceededError)
    assert tracker.check("a", 5) is None
    act("a", 5)
    assert [len(lines) for lines in pair.lines()] == [1, 1]


def test_what_was_spent_is_recorded_in_both_whatever_they_say(pair: Pair) -> None:
    tracker = pair.tracker(BudgetConfig(total_budget=1), BudgetConfig(total_budget=1))
    assert tracker.report_usage("a", "m", 5, 0, spent=True)
    assert [len(lines) for lines in pair.lines()] == [1, 1]


def test_a_reservation_holds_in_both_until_it_ends_in_both(pair: Pair) -> None:
    tracker = pair.tracker(BudgetConfig(total_budget=10), BudgetConfig(total_budget=20))
    hold = tracker.reserve("a", 8, id="h")
    assert tracker.reserve("a", 8, id="h").id == "h"
    with pytest.raises(BudgetExceededError, match="10 tokens"):
        tracker.report_usage("a", "m", 3, 0)
    assert hold.settle("m", 2, 0)
    assert hold.settle("m", 2, 0) is False
    tracker.reserve("a", 8, id="again").release()
    with pytest.raises(ReservationError, match="released already"):
        tracker.release("again")
    tracker.release("again", again=True)
    users, projects = pair.lines()
    assert users == projects
    assert [one.get("type") for one in users] == ["reserve", "settle", "reserve", "release"]
    with pytest.raises(ReservationError, match="no reservation"):
        tracker.settle("nothing", "m", 1, 0)
    with pytest.raises(ReservationError, match="no reservation"):
        tracker.release("nothing")


class Crash(Exception):
    """The program dies here."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the program die before its n-th line from now on is written."""

    def after(number: int) -> None:
        real, left = Transaction.append, [number]

        def append(transaction: Transaction, record: Any) -> None:
            left[0] -= 1
            if not left[0]:
                monkeypatch.setattr(Transaction, "append", real)
                raise Crash
            real(transaction, record)

        monkeypatch.setattr(Transaction, "append", append)

    return after


def report(tracker: TokenBudgetTracker) -> object:
    return tracker.report_usage("a", "m", 3, 0, id="x")


def reserve(tracker: TokenBudgetTracker) -> object:
    return tracker.reserve("a", 3, id="h").tokens


def settle(tracker: TokenBudgetTracker) -> object:
    return tracker.settle("open", "m", 3, 0)


def release(tracker: TokenBudgetTracker) -> object:
    return tracker.release("open", again=True)


@pytest.mark.parametrize("act", [report, reserve, settle, release])
def test_a_crash_between_the_two_is_made_whole_by_the_retry(
    pair: Pair, crash: Callable[[int], None], act: Callable[[TokenBudgetTracker], object]
) -> None:
    rules = BudgetConfig(total_budget=100)
    pair.tracker(rules, rules).reserve("a", 5, id="open")
    crash(2)
    with pytest.raises(Crash):
        act(pair.tracker(rules, rules))
    users, projects = pair.lines()
    assert (len(users), len(projects)) == (2, 1), "the user's stands first"
    act(pair.tracker(rules, rules))
    assert pair.lines()[0] == pair.lines()[1] == users
    act(pair.tracker(rules, rules))
    assert pair.lines() == (users, users)


def test_a_reservation_of_one_ledger_alone_can_be_settled(pair: Pair, clock: Clock) -> None:
    """An earlier version reserved in the project's ledger alone."""
    TokenBudgetTracker(UNLIMITED, ledger=pair.projects, now=clock).reserve("a", 5, id="one")
    TokenBudgetTracker(UNLIMITED, ledger=pair.projects, now=clock).reserve("a", 5, id="two")
    tracker = pair.tracker(UNLIMITED, UNLIMITED)
    assert tracker.settle("one", "m", 3, 0)
    assert [one["agent_id"] for one in pair.lines()[0]] == ["a"]
    tracker.release("two")
    assert [one.get("type") for one in pair.lines()[1]][-1] == "release"


def test_resets_are_the_projects_alone(pair: Pair) -> None:
    tracker = pair.tracker(BudgetConfig(total_budget=10), BudgetConfig(total_budget=5))
    tracker.report_usage("a", "m", 5, 0)
    tracker.reset()
    tracker.report_usage("a", "m", 5, 0)
    tracker.reset()
    with pytest.raises(BudgetExceededError, match="10 tokens"):
        tracker.report_usage("a", "m", 1, 0)
    tracker.undo_reset()
    assert tracker.get_total_used() == 5
    assert [one["total_tokens"] for one in pair.lines()[0]] == [5, 5]


def test_each_has_cycles_of_its_own(pair: Pair, clock: Clock) -> None:
    daily = BudgetConfig(total_budget=5, cycle=Cycle(period="daily"))
    tracker = pair.tracker(BudgetConfig(total_budget=8), daily)
    tracker.report_usage("a", "m", 5, 0)
    clock.now += 86_400
    tracker.report_usage("a", "m", 3, 0)
    with pytest.raises(BudgetExceededError, match="8 tokens"):
        tracker.report_usage("a", "m", 1, 0)


def test_both_warn(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    tracker = pair.tracker(BudgetConfig(total_budget=100), BudgetConfig(total_budget=10))
    tracker.report_usage("a", "m", 9, 0)
    tracker.report_usage("a", "m", 1, 0)
    tracker.report_usage("a", "m", 75, 0, spent=True)
    assert [record.getMessage().partition("(")[2] for record in caplog.records] == ["9 / 10)", "85 / 100)"]


def test_a_stranger_who_holds_the_projects_lock_holds_up_no_other_agent_of_the_user(pair: Pair) -> None:
    tracker = pair.tracker(UNLIMITED, UNLIMITED)
    tracker.report_usage("a", "m", 1, 0)
    both = tracker._authority
    assert isinstance(both, Both)
    both.set_lock_timeout(0.01)
    real, users = both.user.locked, list[object]()
    both.user.locked = lambda: (users.append(1), real())[1]  # type: ignore[method-assign]  # noted
    with Ledger(pair.projects).locked(), pytest.raises(LockTimeoutError):
        tracker.report_usage("a", "m", 1, 0)
    assert users == [], "the user's lock was not taken"


def test_a_projects_ledger_that_cannot_be_written_leaves_the_users_line_for_the_retry(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = pair.tracker(UNLIMITED, UNLIMITED)

    def fail(transaction: Transaction, record: Any) -> None:
        if transaction._ledger.path == pair.projects:
            raise LedgerWriteError("no space")
        real(transaction, record)

    real = Transaction.append
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "append", fail)
        with pytest.raises(LedgerWriteError):
            tracker.report_usage("a", "m", 1, 0, id="x")
    assert tracker.report_usage("a", "m", 1, 0, id="x")
    assert pair.lines()[0] == pair.lines()[1]


def foreign(path: Path) -> None:
    path.write_bytes(b"# Diary\n" * 100)


def forged(path: Path) -> None:
    path.write_bytes(line("a", 9, 9, id="x") + line("a", 9, 9, id="y"))


@pytest.mark.parametrize("hostile", [foreign, os.mkdir, os.mkfifo, forged])
def test_what_was_spent_counts_for_the_user_whatever_the_projects_ledger_is(
    pair: Pair, hostile: Callable[[Path], None]
) -> None:
    user = pair.tracker(BudgetConfig(total_budget=100), UNLIMITED).reserve("a", 5, id="h")
    pair.projects.unlink()
    hostile(pair.projects)
    tracker = pair.tracker(BudgetConfig(total_budget=100), UNLIMITED)
    for _ in range(2):
        with pytest.raises(BudgaugeError):
            tracker.report_usage("a", "m", 7, 0, id="x", spent=True)
        with pytest.raises(BudgaugeError):
            tracker.settle(user.id, "m", 3, 0, id="y")
    with pytest.raises(BudgaugeError):
        tracker.report_usage("a", "m", 7, 0, id="z" if hostile is not forged else "x")
    assert [one.get("total_tokens") for one in read(pair.users)] == [None, 7, 3]


def test_a_call_without_an_id_that_could_not_stand_in_both_stands_in_neither(pair: Pair) -> None:
    """Whoever tries again would count it twice: nothing tells that it is the same call."""
    tracker = pair.tracker(UNLIMITED, UNLIMITED)
    tracker.report_usage("a", "m", 1, 0)
    tracker._authority.set_lock_timeout(0.01)  # type: ignore[attr-defined]  # it is a Both
    with Ledger(pair.projects).locked(), pytest.raises(LockTimeoutError):
        tracker.report_usage("a", "m", 7, 0, spent=True)
    for thread in waiting_threads():
        thread.join(30)
    assert tracker.report_usage("a", "m", 7, 0, spent=True)
    assert [one["total_tokens"] for one in read(pair.users)] == [1, 7]


def test_a_server_that_waits_for_the_projects_lock_charges_the_user_once(project: Path) -> None:
    served = Served(None)
    client = Bare(served.path)
    call = {"agent_id": "a", "model": "m", "prompt_tokens": 8, "completion_tokens": 0, "spent": True}
    try:
        client.result("tokens.reportUsage", call)
        with Ledger(project / ".codex" / "token_usage.jsonl").locked():
            client.send({"jsonrpc": "2.0", "id": 99, "method": "tokens.reportUsage", "params": call})
            assert client.is_quiet()
        assert client.read()["result"]["added"] is True
    finally:
        client.close()
        served.end()
    assert [one["total_tokens"] for one in read(users_ledger())] == [8, 8]


def test_one_ledger_for_both_holds_each_line_once(pair: Pair, clock: Clock) -> None:
    pair.projects = pair.users
    tracker = pair.tracker(BudgetConfig(total_budget=10), BudgetConfig(total_budget=20))
    tracker.report_usage("a", "m", 3, 0)
    hold = tracker.reserve("a", 5)
    hold.settle("m", 4, 0)
    with pytest.raises(BudgetExceededError, match="10 tokens"):
        tracker.report_usage("a", "m", 4, 0)
    assert len(pair.lines()[0]) == 3


@pytest.fixture
def project(own_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of 1,000 tokens in which the user, who has 10, works now."""
    (own_place / ".codex").mkdir()
    (own_place / ".codex" / "config.toml").write_text("[token_budget]\ntotal_budget = 10\n", encoding="utf-8")
    (tmp_path / "app" / ".codex").mkdir(parents=True)
    text = "[token_budget]\ntotal_budget = 1000\n"
    (tmp_path / "app" / ".codex" / "token_budget.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "app")
    return tmp_path / "app"


def users_ledger() -> Path:
    return Path.home() / ".codex" / "token_usage.jsonl"


def assert_users_limit_held(project: Path) -> None:
    assert [one["total_tokens"] for one in read(users_ledger())] == [8]
    assert read(users_ledger()) == read(project / ".codex" / "token_usage.jsonl")


def test_a_program_in_a_project(project: Path) -> None:
    tracker = TokenBudgetTracker.open()
    tracker.report_usage("a", "m", 8, 0)
    with pytest.raises(BudgetExceededError, match="10 tokens"):
        tracker.report_usage("a", "m", 8, 0)
    with pytest.raises(BudgetExceededError, match="10 tokens"):
        budgauge.reserve("a", 8)
    assert_users_limit_held(project)
    assert tracker.get_status().total_budget == 1000


def test_the_command_line_in_a_project(project: Path) -> None:
    command = ["record", "--agent", "a", "--model", "m", "--prompt", "8", "--completion", "0"]
    first, second = CliRunner().invoke(cli, command), CliRunner().invoke(cli, command)
    assert (first.exit_code, "992 left" in first.stdout) == (0, True)
    assert (second.exit_code, "10 tokens" in second.stderr) == (3, True)
    assert_users_limit_held(project)


def test_a_server_of_a_project(project: Path) -> None:
    served = Served(None)
    client = Bare(served.path)
    try:
        call = {"agent_id": "a", "model": "m", "prompt_tokens": 8, "completion_tokens": 0}
        assert client.result("tokens.reportUsage", call)["remaining_budget"] == 992
        assert "10 tokens" in client.error("tokens.reportUsage", call)["message"]
        assert client.result("tokens.getBudget")["total_budget"] == 1000
    finally:
        client.close()
        served.end()
    assert_users_limit_held(project)


def test_a_named_ledger_is_no_projects(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(line("a", 100, 0))
    tracker = TokenBudgetTracker.open(ledger=str(other))
    tracker.report_usage("a", "m", 100, 0)
    assert not users_ledger().exists()
