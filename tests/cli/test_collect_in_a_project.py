"""Collecting in a project: its ledger takes its own sessions, the user's takes all, and each call once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from budgauge.cli import cli
from budgauge.config.load import Loaded, load
from budgauge.errors import LedgerError
from budgauge.files.cache import cache_folder
from budgauge.ledger.transaction import Transaction
from budgauge.sources.follow import follow
from budgauge.sources.lock import lock_name, only_collector
from budgauge.sources.report import Report
from budgauge.sources.target import Target, make_collector
from faults.crew import fold
from sources.rollouts import CHILD, START, Log
from usage import line

ALL = {"codex": 110, "codex/worker": 8}


class Place:
    """A home where Codex has spent 110 tokens in the project ~/work, and 8 elsewhere."""

    def __init__(self, home: Path) -> None:
        self.codex, self.project = home / ".codex", home / "work" / ".codex"
        self.project.mkdir()
        self.config(self.project, "total_budget = 500")
        self.log = Log().meta(cwd=str(home / "work")).turn("gpt-4o").call(100, 40, 10, 0)
        self.log.write(self.codex)
        other = Log(CHILD, start=START + 1000).meta(agent_role="worker", cwd="/elsewhere").turn("o3")
        other.call(7, 0, 1, 0).write(self.codex)
        self.users, self.projects = self.codex / "token_usage.jsonl", self.project / "token_usage.jsonl"

    def config(self, folder: Path, text: str) -> None:
        (folder / "config.toml").write_text(f"[token_budget]\n{text}\n", encoding="utf-8")

    def reset(self, ledger: Path, at: int) -> None:
        """A reset is the ledger's first line."""
        ledger.write_text(json.dumps({"type": "reset", "id": "r", "timestamp": at}) + "\n", encoding="utf-8")

    @property
    def user(self) -> Loaded:
        return load(with_project=False)

    def assert_both_have_all(self) -> None:
        """The user's ledger has all calls, the project's has its own, each once."""
        assert (fold(self.users), fold(self.projects)) == (ALL, {"codex": 110})
        assert (len(calls(self.users)), len(calls(self.projects))) == (2, 1)


def calls(ledger: Path) -> list[Any]:
    lines = [json.loads(text) for text in ledger.read_text(encoding="utf-8").splitlines()]
    return [fields for fields in lines if "type" not in fields]


@pytest.fixture
def place(own_place: Path) -> Place:
    return Place(own_place)


def collect(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["collect", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_both_ledgers_have_each_call_once(place: Place) -> None:
    for _ in range(2):
        collect("--since", "all")
        place.assert_both_have_all()
    place.log.call(5, 0, 1, 0).write(place.codex)
    collect("--since", "all")
    assert (fold(place.users), fold(place.projects)) == ({"codex": 116, "codex/worker": 8}, {"codex": 116})


def test_what_is_new_is_reported_of_each_ledger(place: Place) -> None:
    assert collect("--since", "all", "--dry-run").stdout.splitlines() == [
        f"In the project's ledger, {place.projects}:",
        "codex: 1 call would be recorded from 2 logs",
        "  codex: 110 tokens, $0.0003",
        f"In your own ledger, {place.users}:",
        "codex: 2 calls would be recorded from 2 logs",
        "  codex: 110 tokens, $0.0003",
        "  codex/worker: 8 tokens, <$0.0001",
    ]
    assert not place.users.exists()
    assert not place.projects.exists()
    fields = json.loads(collect("--since", "all", "--json").stdout)
    assert (fields["records"], fields["user_ledger"]["records"]) == (1, 2)
    assert set(fields) == {*fields["user_ledger"], "user_ledger"}
    fields = json.loads(collect("--since", "all", "--json").stdout)
    assert (fields["records"], fields["user_ledger"]["records"]) == (0, 0)


@pytest.mark.parametrize("named", ["option", "variable"])
def test_a_named_ledger_is_the_only_one(
    place: Place, tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "named.jsonl"
    if named == "variable":
        monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(ledger))
    fields = json.loads(
        collect("--since", "all", "--json", *(["--ledger", str(ledger)] if named == "option" else [])).stdout
    )
    assert fields["user_ledger"] is None
    assert fold(ledger) == ALL
    assert not place.users.exists()


def test_each_ledger_names_agents_by_its_own_config(place: Place) -> None:
    place.config(place.project, 'collect = { agent = "project" }')
    collect("--since", "all")
    assert (fold(place.users), fold(place.projects)) == (ALL, {"work": 110})


@pytest.mark.parametrize(
    ("user_reset", "project_reset", "more", "users", "projects"),
    [
        (START - 9, START - 9, (), ALL, {"codex": 110}),
        (START - 9, START + 900, (), ALL, {}),
        (START + 900, START - 9, (), {"codex/worker": 8}, {"codex": 110}),
        (None, START - 9, ("--since", "cycle"), ALL, {"codex": 110}),
        (None, START + 900, ("--since", "cycle"), {"codex/worker": 8}, {}),
        (START + 900, START - 9, ("--since", "cycle"), {"codex/worker": 8}, {"codex": 110}),
    ],
)
def test_each_ledger_begins_at_its_own_reset(
    place: Place,
    user_reset: int | None,
    project_reset: int,
    more: tuple[str, ...],
    users: dict[str, int],
    projects: dict[str, int],
) -> None:
    if user_reset is not None:
        place.reset(place.users, user_reset)
    place.reset(place.projects, project_reset)
    collect(*more)
    assert (fold(place.users), fold(place.projects)) == (users, projects)


class Crash(BaseException):
    """The program ends here."""


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_what_a_crash_left_out_the_next_pass_brings_in(
    place: Place, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crashing:
        crash_after(lines, crashing)
        with pytest.raises(Crash):
            collector(place).collect()
    written = sum(len(calls(path)) for path in (place.users, place.projects) if path.exists())
    assert written == lines
    collect("--since", "all")
    place.assert_both_have_all()


def crash_after(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line after so many is not written."""
    append, left = Transaction.append, iter(range(lines))

    def counted(transaction: Transaction, *record: Any) -> None:
        if next(left, None) is None:
            raise Crash
        append(transaction, *record)

    monkeypatch.setattr(Transaction, "append", counted)


def collector(place: Place) -> Any:
    return make_collector(Target(load(), None), Target(place.user, None))


@pytest.mark.parametrize("blocked", ["users", "projects"])
def test_a_ledger_that_is_none_keeps_nothing_out_of_the_other(place: Place, blocked: str) -> None:
    ledger, other = (place.users, place.projects)[:: 1 if blocked == "users" else -1]
    ledger.mkdir()
    with pytest.raises(LedgerError, match=str(ledger)):
        collector(place).collect()
    assert fold(other) == ({"codex": 110} if blocked == "users" else ALL)
    ledger.rmdir()
    collect("--since", "all")
    place.assert_both_have_all()


def test_another_collector_of_the_users_ledger_is_no_failure(place: Place) -> None:
    with only_collector(cache_folder() / lock_name(place.users)):
        result = collect("--since", "all")
    assert fold(place.projects) == {"codex": 110}
    assert "your own ledger: not recorded just now: another collector" in result.stderr
    collect("--since", "all")
    place.assert_both_have_all()


def test_following_takes_the_users_ledger_up_once_it_is_free(place: Place) -> None:
    stop, reports, came = threading.Event(), list[Report](), threading.Condition()

    def take(report: Report) -> None:
        with came:
            reports.append(report)
            came.notify()

    def until(condition: Callable[[Report], bool]) -> None:
        with came:
            assert came.wait_for(lambda: bool(reports) and condition(reports[-1]), 30)

    thread = threading.Thread(target=follow, args=(collector(place), stop, take))
    with only_collector(cache_folder() / lock_name(place.users)):
        thread.start()
        until(lambda report: report.records == 1)
        until(lambda report: report.user is not None and "another collector" in (report.user.trouble or ""))
        assert not place.users.exists()
    until(lambda report: report.user is not None and report.user.trouble is None and report.user.records == 2)
    stop.set()
    thread.join(30)
    place.assert_both_have_all()


def test_a_line_of_somebody_else_stays(place: Place) -> None:
    place.users.write_bytes(line(prompt_tokens=70, completion_tokens=7, total_tokens=77))
    collect("--since", "all")
    assert sum(fold(place.users).values()) == 77 + 118
