"""Processes that report usage to one ledger, each noting every id that was acknowledged, and may be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from budgauge.accounting.codec import decode
from budgauge.accounting.records import Usage
from budgauge.config import BudgetConfig
from budgauge.ledger.ledger import Ledger

WAIT_SECONDS = 120.0
STEP_SECONDS = 0.002

_REPORTING = """
import logging, os, signal, sys
import msgspec
from budgauge import BudgetConfig, RefusedError, TokenBudgetTracker
logging.getLogger("budgauge").addHandler(logging.NullHandler())
ledger, name, notes, config, begin, end, again, torn_at, cut = sys.argv[1:]
tracker = TokenBudgetTracker(msgspec.json.decode(config, type=BudgetConfig), ledger=ledger)
said = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
whole = os.write

def write_in_part(fd, data):
    whole(fd, data[: 1 + int(cut) % (len(data) - 2)])
    whole(said, b"torn\\n")
    while True:
        signal.pause()

def report(i):
    try:
        tracker.report_usage(name, "m", 3 + i % 5, 1, id=f"{name}-{i}")
    except RefusedError as error:
        return f"refused {error.scope} {i}\\n"
    return f"{name}-{i}\\n"

for i in range(int(begin), int(end)):
    if i == int(torn_at):
        os.write = write_in_part
    note = report(i)
    whole(said, note.encode())
while int(again):
    for i in range(int(begin), int(end)):
        report(i)
"""


def tokens_of(reports: int) -> int:
    """What a worker asks for in all."""
    return sum(4 + i % 5 for i in range(reports))


MOST_TOKENS = 8
"""In one report."""


class Limits(msgspec.Struct, frozen=True):
    """Names of workers, and a budget in which agent, family and total all are too small for what they ask for."""

    names: tuple[str, ...]
    config: BudgetConfig

    @classmethod
    def tight(cls, processes: int, reports: int) -> Limits:
        team = max(2, processes // 4)
        each = tokens_of(reports)
        family = team * each * 2 // 3
        names = [*(f"team/{i}" for i in range(team)), *(f"other-{i}" for i in range(processes - team))]
        total = (family + (processes - team) * each) * 19 // 20
        limits = {"team/0": each // 2, "team/*": family}
        return cls(tuple(names), BudgetConfig(total_budget=total, per_agent_limits=limits))

    def over(self, used: dict[str, int]) -> list[str]:
        """The limits that usage by agent exceeds."""
        own = self.config.per_agent_limits
        family = sum(tokens for name, tokens in used.items() if name.startswith("team/"))
        found = {
            "team/0": used.get("team/0", 0) > own["team/0"],
            "team/*": family > own["team/*"],
            "total": sum(used.values()) > self.config.total_budget,
        }
        return [key for key, is_over in found.items() if is_over]


class Worker:
    """A process that reports `reports` calls under `name`; in a later life, with the same ids."""

    def __init__(self, ledger: Path, name: str, reports: int, config: BudgetConfig) -> None:
        self.name = name
        self.reports = reports
        self._notes = ledger.with_name(f"notes-{name.replace('/', '-')}")
        self._arguments = [str(ledger), name, str(self._notes), msgspec.json.encode(config).decode()]
        self._noted = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self, begin: int = 0, end: int | None = None, *, again: bool = False, torn_at: int = -1, cut: int = 0
    ) -> None:
        """Begin a life of the reports `begin` to `end`.

        With `again`, it repeats them until it is killed. With `torn_at`, it stops for good in
        the middle of the first write that comes with that report or later, `cut` bytes into it.
        """
        self._noted = self._size()
        numbers = (begin, self.reports if end is None else end, int(again), torn_at, cut)
        command = [sys.executable, "-W", "error", "-c", _REPORTING, *self._arguments, *map(str, numbers)]
        self.process = subprocess.Popen(command)

    @property
    def has_reported(self) -> bool:
        """Was anything noted in this life?"""
        return self._size() > self._noted

    @property
    def is_torn(self) -> bool:
        """Does it stand in the middle of a write, and hold the lock?"""
        return self.has_reported and self.notes()[-1] == "torn"

    @property
    def is_over(self) -> bool:
        """Has it done all it had to do? Raises if it failed."""
        assert self.process is not None
        code = self.process.poll()
        assert code in (None, 0), f"{self.name} failed with {code}"
        return code == 0

    @property
    def next_report(self) -> int:
        """The first one that was never answered."""
        return max((int(note.replace("-", " ").split()[-1]) + 1 for note in self.notes() if note != "torn"), default=0)

    def kill(self) -> int:
        """SIGKILL, and wait for its end; its process id."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(WAIT_SECONDS) == -signal.SIGKILL
        return self.process.pid

    def stop(self) -> None:
        """End it, however far it is."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def notes(self) -> list[str]:
        """Every id acknowledged, in any life, and what else it said."""
        return self._notes.read_text().split("\n")[:-1] if self._notes.exists() else []

    def acknowledged(self) -> set[str]:
        """Every id that was acknowledged, in any life."""
        return {note for note in self.notes() if note.startswith(f"{self.name}-")}

    def _size(self) -> int:
        return self._notes.stat().st_size if self._notes.exists() else 0


def wait_until(holds: Callable[[], bool], seconds: float = WAIT_SECONDS, what: str = "it did not come") -> None:
    """Poll until a condition holds."""
    given_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < given_up, what
        time.sleep(STEP_SECONDS)


def run_to_end(workers: Iterable[Worker]) -> None:
    """Wait until all have done what they had to do."""
    waiting = list(workers)
    wait_until(lambda: all(worker.is_over for worker in waiting), what="workers did not end")


class Outcome(msgspec.Struct, frozen=True):
    """What a ledger holds when all is over, read line by line without the program's own reader."""

    ids: Counter[str]
    used: dict[str, int]
    faults: int

    @classmethod
    def of(cls, ledger: Path) -> Outcome:
        batch = decode(ledger.read_bytes())
        calls = [record for record in batch.records if isinstance(record, Usage)]
        used: Counter[str] = Counter()
        for call in calls:
            used[call.agent_id] += call.total_tokens
        return cls(Counter(call.id for call in calls if call.id is not None), dict(used), len(batch.faults))


def fold(ledger: Path) -> dict[str, int]:
    """Tokens by agent, as a fresh reader adds them up."""
    reader = Ledger(ledger)
    reader.refresh()
    return {agent_id: total for agent_id, (total, _) in reader.totals.at(0).spent.items()}
