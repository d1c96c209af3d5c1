"""A ledger that was longer before: deleted, rotated, restored or replaced, it must not look like a new one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asking import Stage
from budgauge import BudgetConfig, TokenBudgetTracker
from budgauge.cli import cli
from budgauge.config import Cycle
from budgauge.config.load import Options
from budgauge.doctor.doctor import examine
from budgauge.doctor.finding import Finding
from budgauge.files import cache
from budgauge.files.cache import cache_folder, write_cache
from budgauge.ledger.last_seen import LastSeenFile
from budgauge.ledger.ledger import Ledger
from budgauge.sources.importer import Importer
from clock import Clock
from usage import importing, line, usage

DAY = 86_400
numbers = count(100)


def run(ledger: Path, *words: str) -> Result:
    result = CliRunner().invoke(cli, [*words, "--ledger", str(ledger)])
    assert result.exit_code == 0, result.output
    return result


def problems(ledger: Path) -> list[dict[str, Any]]:
    """What a fresh look at the ledger finds of this kind."""
    found = json.loads(run(ledger, "status", "--json").stdout)["problems"]
    return [problem for problem in found if problem["kind"] == "lost_lines"]


def finding(ledger: Path) -> Finding:
    """What the doctor says of the ledger."""
    return next(finding for finding in examine(Options(ledger=str(ledger))) if finding.name == "ledger")


def record(ledger: Path) -> None:
    """One more call, which differs from every other."""
    number = str(next(numbers))
    run(ledger, "record", "--agent", "a", "--model", "m", "--prompt", number, "--completion", "5")


@pytest.fixture
def used(ledger: Path) -> Path:
    """A ledger with three calls, as one command after the other wrote it."""
    for _ in range(3):
        record(ledger)
    assert problems(ledger) == []
    assert finding(ledger).state == "ok"
    return ledger


def deleted(ledger: Path) -> None:
    ledger.unlink()


def emptied(ledger: Path) -> None:
    os.truncate(ledger, 0)


def cut(ledger: Path) -> None:
    """Without its last line."""
    data = ledger.read_bytes()
    os.truncate(ledger, data.rfind(b"\n", 0, -1) + 1)


def rotated(ledger: Path) -> None:
    ledger.rename(ledger.with_name("old.jsonl"))
    ledger.touch(mode=0o600)


def restored(ledger: Path) -> None:
    """An older state in a file of its own."""
    cut(ledger)
    copy = ledger.with_name("copy")
    copy.touch(mode=0o600)
    copy.write_bytes(ledger.read_bytes())
    copy.replace(ledger)


FATES = [deleted, emptied, cut, rotated, restored]


@pytest.mark.parametrize("fate", FATES)
def test_status_and_doctor_say_so_until_a_reset(used: Path, fate: Callable[[Path], None]) -> None:
    size = used.stat().st_size
    fate(used)
    for _ in range(2):
        (problem,) = problems(used)
        assert problem["message"].startswith(f"the ledger was longer before: {size} bytes on 20")
        assert "budgauge reset" in problem["message"]
        assert "was longer before" in run(used, "status").stdout
        assert (finding(used).state, "was longer before" in finding(used).message) == ("warning", True)
    run(used, "reset", "--yes")
    assert problems(used) == []
    assert finding(used).state == "ok"
    record(used)
    assert problems(used) == []
    deleted(used)
    assert len(problems(used)) == 1


@pytest.mark.parametrize("fate", FATES)
def test_it_is_still_said_when_the_new_one_is_longer(used: Path, fate: Callable[[Path], None]) -> None:
    fate(used)
    for _ in range(5):
        record(used)
    (problem,) = problems(used)
    assert problem["message"].startswith("the ledger was another file before, of ")
    assert "was another file before" in finding(used).message


def test_a_ledger_that_comes_back_is_the_ledger(used: Path) -> None:
    data = used.read_bytes()
    deleted(used)
    assert len(problems(used)) == 1
    used.write_bytes(data)
    assert problems(used) == []
    used.with_name("copy").write_bytes(data + line())
    used.with_name("copy").replace(used)
    assert problems(used) == []


def test_a_first_ledger_was_nothing_before(ledger: Path) -> None:
    assert problems(ledger) == []
    ledger.touch(mode=0o600)
    assert problems(ledger) == []
    ledger.write_bytes(line())
    assert problems(ledger) == []
    assert finding(ledger).state == "ok"


def test_a_note_that_the_doctor_names_may_be_removed(used: Path) -> None:
    cut(used)
    note = finding(used).fix.rpartition("rm ")[2]
    Path(note).unlink()
    assert problems(used) == []
    assert finding(used).state == "ok"


def test_the_doctor_changes_nothing(used: Path) -> None:
    deleted(used)
    before = {path: path.read_bytes() for path in cache_folder().iterdir()}
    finding(used)
    assert {path: path.read_bytes() for path in cache_folder().iterdir()} == before


@pytest.mark.parametrize("agent", ["codex", "claude-code"])
def test_the_gate_says_so_once_a_session(agent: str, ledger: Path, own_place: Path) -> None:
    stage = Stage(agent, own_place, ledger)
    stage.config("total_budget = 1000000")
    stage.spend(10, 5)
    assert stage.ask().output == ""
    deleted(ledger)
    assert "was longer before" in json.loads(stage.ask().output)["systemMessage"]
    assert stage.ask().output == ""


def test_what_an_importer_alone_wrote_is_missed_too(ledger: Path) -> None:
    Importer(importing(ledger, cache_folder())).add([usage(id="x", source="codex")])
    deleted(ledger)
    assert len(problems(ledger)) == 1


def test_a_running_reader_says_so_at_once(used: Path) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=used)
    assert tracker.get_status().problems == ()
    for fate in (cut, deleted):
        fate(used)
        assert [problem.kind for problem in tracker.get_status().problems] == ["lost_lines"]
    tracker.report_usage("a", "m", 1, 0)
    assert [problem.kind for problem in tracker.get_status().problems] == ["lost_lines"]
    assert [problem.kind for problem in tracker._authority.set_aside] == ["lost_lines"]
    tracker.reset("a")
    assert len(tracker._authority.set_aside) == 1, "one agent's reset leaves the others' calls missing"
    tracker.reset()
    assert tracker.get_status().problems == ()


def test_a_reset_that_is_older_than_what_is_gone_changes_nothing(ledger: Path, clock: Clock) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=ledger, now=clock)
    tracker.reset()
    clock.now += 10
    tracker.report_usage("a", "m", 10, 5)
    tracker.get_total_used()
    cut(ledger)
    again = TokenBudgetTracker(BudgetConfig(), ledger=ledger, now=clock)
    assert [problem.kind for problem in again.get_status().problems] == ["lost_lines"]


def test_what_is_gone_does_not_matter_in_the_next_cycle(ledger: Path, clock: Clock) -> None:
    config = BudgetConfig(cycle=Cycle(period="daily"))

    def kinds() -> list[str]:
        tracker = TokenBudgetTracker(config, ledger=ledger, now=clock)
        return [problem.kind for problem in tracker.get_status().problems]

    clock.now += DAY / 2
    TokenBudgetTracker(config, ledger=ledger, now=clock).report_usage("a", "m", 10, 5)
    deleted(ledger)
    assert kinds() == ["lost_lines"]
    clock.now += DAY / 2
    assert kinds() == []
    TokenBudgetTracker(config, ledger=ledger, now=clock).report_usage("a", "m", 1, 0)
    clock.now -= 1
    assert kinds() == []


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x93\x02", b"\x90" * 9, b"\x93\x01\x80\xcf" + b"\xff" * 8])
def test_a_note_that_cannot_be_read_says_nothing(used: Path, content: bytes) -> None:
    path = LastSeenFile(cache_folder(), used).path
    assert path.exists()
    assert write_cache(path, content)
    cut(used)
    assert problems(used) == []


def test_a_cache_folder_that_cannot_be_written_is_no_trouble(ledger: Path, own_place: Path) -> None:
    (own_place / ".cache").write_bytes(b"")
    for _ in range(2):
        record(ledger)
    assert problems(ledger) == []


def test_a_ledger_that_grows_quickly_is_noted_seldom(
    ledger: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[bytes] = []
    monkeypatch.setattr(cache, "write_cache", lambda _path, content: noted.append(content))
    reader = Ledger(ledger, cache=cache_folder(), clock=clock)
    for _ in range(2000):
        with ledger.open("ab") as file:
            file.write(line())
        reader.refresh()
    assert ledger.stat().st_size > 200_000
    assert 40 < len(noted) < 120
    with ledger.open("ab") as file:
        file.write(line())
    before = len(noted)
    clock.now += 1
    reader.refresh()
    reader.refresh()
    assert len(noted) == before + 1
