"""A plain appender without the lock is killed again and again: no neighbour of a torn line is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from budgauge.config import BudgetConfig
from budgauge.tracker.tracker import TokenBudgetTracker
from faults.crew import Outcome, fold, wait_until

_APPENDING = """
import os, signal, sys
ledger, notes, name, torn_at, cut = sys.argv[1:]
fd = os.open(ledger, os.O_WRONLY | os.O_APPEND)
said = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
for i in range(300):
    call = '{"agent_id":"foreign","model":"m","prompt_tokens":1,"completion_tokens":0,"total_tokens":1,"timestamp":1,'
    call += f'"id":"{name}-{i}","pad":"{"x" * (i * 37 % 3500)}"' + '}'
    line = f"\\n{call}\\n".encode()
    if i == int(torn_at):
        os.write(fd, line[: 2 + int(cut) % (len(line) - 4)])
        os.write(said, b"torn\\n")
        break
    os.write(fd, line)
    os.write(said, f"{name}-{i}\\n".encode())
while True:
    signal.pause()
"""


class Ours(threading.Thread):
    """Reports until it is stopped, through a tracker of its own."""

    def __init__(self, ledger: Path, name: str) -> None:
        super().__init__()
        self._tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger)
        self.name = name
        self.stop = threading.Event()
        self.acknowledged: list[str] = []
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stop.wait(0.001):
                id = f"{self.name}-{len(self.acknowledged)}"
                assert self._tracker.report_usage(self.name, "m", 1, 0, id=id)
                self.acknowledged.append(id)
        except Exception as error:  # handed to the test
            self.failed = error


class Appender:
    """A process that appends whole lines; with `torn_at`, it stops within that one."""

    def __init__(self, ledger: Path, notes: Path, name: str, torn_at: int, cut: int) -> None:
        arguments = [str(ledger), str(notes), name, str(torn_at), str(cut)]
        self._notes = notes
        self._noted = notes.stat().st_size
        self._is_torn = torn_at >= 0
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _APPENDING, *arguments])

    def is_ready(self) -> bool:
        """Has it begun; has it stopped within a line, where it was to?"""
        if not self._is_torn:
            return self._notes.stat().st_size > self._noted
        return self._notes.read_bytes()[self._noted :].endswith(b"torn\n")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def test_no_neighbour_of_a_torn_line_is_lost(
    ledger: Path, tmp_path: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    kills, chance = sized(5, 300), random.Random(7)
    notes = tmp_path / "notes"
    notes.touch()
    TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger).report_usage("first", "m", 1, 0)
    ours = [Ours(ledger, name) for name in ("ours-1", "ours-2")]
    for writer in ours:
        writer.start()
    try:
        for kill in range(kills):
            torn_at = chance.randrange(20) if kill % 2 == 0 else -1
            appender = Appender(ledger, notes, f"foreign-{kill}", torn_at, chance.randrange(4000))
            try:
                wait_until(appender.is_ready)
                time.sleep(chance.uniform(0, 0.004))
            finally:
                appender.kill()
    finally:
        for writer in ours:
            writer.stop.set()
            writer.join()
    assert [writer.failed for writer in ours] == [None, None]
    said = [note for note in notes.read_text().split("\n")[:-1] if note != "torn"]
    acknowledged = [id for writer in ours for id in writer.acknowledged]
    outcome = Outcome.of(ledger)
    ours_in, foreign_in = outcome.ids & Counter(acknowledged), outcome.ids - Counter(acknowledged)
    assert ours_in == Counter(acknowledged), "each once"
    assert set(said) <= set(foreign_in)
    assert max(foreign_in.values()) == 1
    assert fold(ledger) == outcome.used
    made_torn = -(-kills // 2)
    # The last one may be torn at the very end, with nobody left to end it: then it is no line yet.
    torn = outcome.faults + (not ledger.read_bytes().endswith(b"\n"))
    assert made_torn <= torn <= kills
    figure(
        f"foreign writer killed: {kills} kills, {made_torn} of them within a line, {torn} torn lines; "
        f"0 of our {len(acknowledged):,} acknowledged lost or doubled, 0 of the {len(said):,} foreign lines lost"
    )
