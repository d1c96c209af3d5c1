"""A process decodes each byte of a ledger once, whoever in it asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asking import Stage
from budgauge.accounting.records import Batch
from budgauge.config import BudgetConfig
from budgauge.config.load import Options
from budgauge.gate import Answer
from budgauge.ledger import tail
from budgauge.rpc.connect import connect
from budgauge.tracker.tracker import TokenBudgetTracker
from budgauge.views.live import Observer
from served import Served
from usage import line


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes of ledgers were decoded so far."""
    real, sizes = tail.decode, list[int]()

    def decode(data: bytes, offset: int = 0) -> Batch:
        sizes.append(len(data))
        return real(data, offset)

    monkeypatch.setattr(tail, "decode", decode)
    return lambda: sum(sizes)


def fill(ledger: Path, calls: int = 1000) -> int:
    """Write calls of which a half has ids; the length of the ledger."""
    with ledger.open("ab") as file:
        for number in range(calls):
            file.write(line(f"a{number % 7}", 1, 0, id=f"id-{number}" if number % 2 else None, source="codex"))
    return ledger.stat().st_size


@pytest.mark.parametrize("agent", ["codex", "claude-code"])
def test_the_gate(agent: str, own_place: Path, ledger: Path, decoded: Callable[[], int]) -> None:
    stage = Stage(agent, own_place, ledger)
    stage.config("total_budget = 100_000")
    before = fill(ledger)
    stage.spend(5, 5)
    assert stage.ask() == Answer()
    assert ledger.stat().st_size > before, "the session's calls were recorded"
    # What the process wrote itself is known already.
    assert decoded() == before


def test_a_tracker(ledger: Path, decoded: Callable[[], int]) -> None:
    size = fill(ledger)
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger)
    for number in range(3):
        tracker.report_usage("a", "m", 1, 0, id=f"new-{number}")
        tracker.get_status()
    assert decoded() == size


def test_an_observer_that_also_resets(own_place: Path, ledger: Path, decoded: Callable[[], int]) -> None:
    size = fill(ledger)
    observer = Observer(Options(ledger=str(ledger)), lookup=False)
    assert observer.look().snapshot.total_used == 1000
    observer.reset()
    assert observer.look().snapshot.total_used == 0
    observer.undo_reset()
    assert observer.look().snapshot.total_used == 1000
    assert decoded() == size


def test_the_server(own_place: Path, ledger: Path, decoded: Callable[[], int]) -> None:
    size = fill(ledger)
    served = Served(ledger)
    try:
        with connect(socket=served.path) as client:
            for number in range(3):
                client.report_usage("a", "m", 1, 0, id=f"new-{number}", spent=True)
                assert client.get_budget()["used"] == 1000 + number + 1
            client.reset()
            assert client.get_budget()["used"] == 0
    finally:
        served.end()
    assert decoded() == size
