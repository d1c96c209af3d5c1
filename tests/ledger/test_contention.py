"""Many processes on one ledger: nothing over the limits, nothing acknowledged lost, nothing counted twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from budgauge.accounting.codec import decode, encode
from budgauge.accounting.record_checks import make_usage
from budgauge.accounting.records import Usage
from budgauge.config import BudgetConfig
from budgauge.ledger.lock import holder
from budgauge.tracker.tracker import TokenBudgetTracker
from usage import locked, plain_total

REPORTING = """
import sys
from pathlib import Path
from budgauge.ledger.lock import holder
from budgauge import BudgetConfig, RefusedError, TokenBudgetTracker
path, name, reports = sys.argv[1], sys.argv[2], int(sys.argv[3])
limits = {"team/0": 300, "team/*": 1100}
tracker = TokenBudgetTracker(BudgetConfig(total_budget=1500, per_agent_limits=limits), ledger=path)
for i in range(reports):
    try:
        tracker.report_usage(name, "m", 3 + i % 5, 1, id=f"{name}-{i}")
    except RefusedError:
        continue
    sys.stdout.write(f"{name}-{i}\\n")
    sys.stdout.flush()
"""


class Reporter:
    """A process that reports usage and says each id that was acknowledged."""

    def __init__(self, ledger: Path, name: str, reports: int) -> None:
        command = [sys.executable, "-c", REPORTING, str(ledger), name, str(reports)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def read(self, count: int | None = None) -> list[str]:
        """The next acknowledged ids; all of them up to its end without `count`."""
        assert self.process.stdout is not None
        if count is None:
            return self.process.stdout.read().split()
        return [text for _ in range(count) if (text := self.process.stdout.readline().strip())]

    def close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()


def ids_in(ledger: Path) -> list[str]:
    return [json.loads(text)["id"] for text in ledger.read_bytes().split(b"\n") if text]


def test_processes_never_go_over_the_limits(ledger: Path) -> None:
    names = ["team/0", "team/1", "team/1/x", "other"]
    reporters = [Reporter(ledger, name, 120) for name in names]
    acknowledged = [text for reporter in reporters for text in reporter.read()]
    for reporter in reporters:
        reporter.close()
        assert reporter.process.returncode == 0
    assert sorted(acknowledged) == sorted(ids_in(ledger))
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=ledger)
    used = tracker.get_all_agent_totals()
    assert plain_total(ledger) == sum(used.values()) == tracker.get_total_used()
    assert 1490 < sum(used.values()) <= 1500, "all but what no call fits into"
    assert used.get("team/0", 0) <= 300
    assert sum(tokens for name, tokens in used.items() if name.startswith("team/")) <= 1100


def test_killed_processes_lose_and_double_nothing(ledger: Path) -> None:
    """Each is killed again and again, and starts over with the same ids."""
    chance = random.Random(3)
    acknowledged: set[str] = set()
    for name in ("team/0", "team/1"):
        for _ in range(4):
            reporter, neighbour = Reporter(ledger, name, 60), Reporter(ledger, "other", 60)
            acknowledged.update(reporter.read(chance.randrange(1, 40)))
            reporter.process.kill()
            acknowledged.update(reporter.read())
            reporter.process.wait()
            with ledger.open("rb") as file:
                assert holder(file.fileno()) != f"process {reporter.process.pid}", "the dead hold no lock"
            with locked(ledger, timeout=30):
                pass
            neighbour.process.kill()
            acknowledged.update(neighbour.read())
            reporter.close()
            neighbour.close()
        last = Reporter(ledger, name, 60)
        acknowledged.update(last.read())
        last.close()
    batch = decode(ledger.read_bytes())
    ids = [record.id for record in batch.records if isinstance(record, Usage)]
    assert acknowledged <= set(ids)
    assert len(ids) == len(set(ids))
    total = TokenBudgetTracker(BudgetConfig(), ledger=ledger).get_total_used()
    assert total == sum(record.total_tokens for record in batch.records if isinstance(record, Usage))


APPENDING = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
line = b"\\n" + sys.argv[2].encode() + b"\\n"
for _ in range(2000):
    os.write(fd, line)
    os.write(1, b".")
sys.stdin.read()
"""


def test_a_foreign_writer_and_ours_cost_each_other_no_line(ledger: Path) -> None:
    """A plain appender without the lock is killed while we write beside it; torn lines are made by hand."""
    foreign = encode(make_usage("foreign", "m", 1, 0, timestamp=1)).decode().strip()
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger)
    tracker.report_usage("ours", "m", 1, 0)
    for _ in range(5):
        command = [sys.executable, "-c", APPENDING, str(ledger), foreign]
        appender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert appender.stdin is not None
        assert appender.stdout is not None
        assert appender.stdout.read(5) == b"....."
        for _ in range(10):
            tracker.report_usage("ours", "m", 1, 0)
        appender.kill()
        appender.wait()
        appender.stdin.close()
        appender.stdout.close()
        with ledger.open("ab") as file:
            file.write(b"\n" + foreign.encode()[:40])
    tracker.report_usage("ours", "m", 1, 0)
    batch = decode(ledger.read_bytes())
    assert 5 <= len(batch.faults) <= 10, "those made by hand, and one a kill may have torn"
    assert tracker.get_agent_usage("ours") == 52
    assert tracker.get_agent_usage("foreign") == len(batch.records) - 52 >= 25
