"""The ledger against SQLite, a plain json loop and an empty ledger: throughput, opening again, memory.

Every side runs in processes of its own, one after the other, in the same run. The long ledger
has ten million lines (about 1.5 GB in the temporary folder); `BUDGAUGE_BENCH_LINES` sets another
number.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from pairs import ratio, report, report_least

SECONDS = 4.0
ROUNDS = 3
LINES = int(os.environ.get("BUDGAUGE_BENCH_LINES", "10000000"))
MODELS = ("gpt-4", "gpt-4o", "claude-sonnet-4-5")

_Work = Callable[[], object]


def _sqlite(path: Path, synchronous: str) -> _Work:
    """One inserted row a transaction, as Python's own module makes it."""
    connection = sqlite3.connect(path, timeout=60)
    connection.execute("pragma journal_mode=wal")
    connection.execute(f"pragma synchronous={synchronous}")
    connection.execute(
        "create table if not exists usage (agent_id text, model text, prompt integer, completion integer,"
        " total integer, timestamp integer)"
    )
    connection.commit()
    row = ("a", "gpt-4", 10, 5, 15, 1_795_000_000)

    def insert() -> None:
        with connection:
            connection.execute("insert into usage values (?, ?, ?, ?, ?, ?)", row)

    return insert


def _ours(path: Path, sync: str) -> _Work:
    """Check against the budget, and record."""
    from budgauge import BudgetConfig, TokenBudgetTracker

    config = BudgetConfig(total_budget=10**15, per_agent_limits={"a": 10**15}, sync=sync == "sync")
    tracker = TokenBudgetTracker(config, ledger=path)
    return lambda: tracker.report_usage("a", "gpt-4", 10, 5)


_MAKERS: dict[str, Callable[[Path, str], _Work]] = {"sqlite": _sqlite, "ours": _ours}


class _Figures:
    """What several processes reached together."""

    def __init__(self, parts: list[list[float]]) -> None:
        self.rate = sum(map(len, parts)) / SECONDS
        self.p99 = max(sorted(part)[int(len(part) * 0.99)] for part in parts) * 1000
        """Milliseconds, of the process that it is longest for: a few that get everything have short ones."""
        self.share = min(map(len, parts)) / max(map(len, parts))
        """The least busy one's part of the busiest one's."""


def _spend(maker: str, path: Path, how: str, ready: Barrier, out: Any) -> None:
    work = _MAKERS[maker](path, how)
    work()
    ready.wait()
    delays = []
    end = time.perf_counter() + SECONDS
    while (begin := time.perf_counter()) < end:
        work()
        delays.append(time.perf_counter() - begin)
    out.put(delays)


def _race(maker: str, folder: Path, how: str, processes: int) -> _Figures:
    path = folder / f"{maker}-{how}-{processes}-{time.monotonic_ns()}"
    _MAKERS[maker](path, how)()  # the table, or the first line, is there before they begin
    context = multiprocessing.get_context("spawn")
    ready, out = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=_spend, args=(maker, path, how, ready, out)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    parts = [out.get() for _ in workers]
    for worker in workers:
        worker.join()
    for left in folder.glob(f"{path.name}*"):
        left.unlink()
    return _Figures(parts)


def _pairs(folder: Path, processes: int, how: str, rival_how: str) -> list[tuple[_Figures, _Figures]]:
    return [
        (_race("ours", folder, how, processes), _race("sqlite", folder, rival_how, processes)) for _ in range(ROUNDS)
    ]


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _rates(pairs: list[tuple[_Figures, _Figures]], rival: str) -> str:
    ours, theirs = (_median([pair[side].rate for pair in pairs]) for side in (0, 1))
    return f"{ours:,.0f} a second, SQLite {rival} {theirs:,.0f}"


def _throughput(folder: Path) -> None:
    for processes, least in ((1, 1.5), (16, 0.5)):
        pairs = _pairs(folder, processes, "", "normal")
        rates = _rates(pairs, "NORMAL")
        name = f"check and record / SQLite row, {processes} process{'es' if processes > 1 else ''}"
        report_least(name, _median([a.rate / b.rate for a, b in pairs]), least, rates)
    p99s = [a.p99 for a, _ in pairs]
    report("  p99 with 16 processes, in ms", _median(p99s), 50, f"SQLite {_median([b.p99 for _, b in pairs]):.2f} ms")
    shares = f"SQLite {_median([b.share for _, b in pairs]):.3f}"
    report_least("  least share of the busiest one's", _median([a.share for a, _ in pairs]), 0.3, shares)


def _synced(folder: Path) -> None:
    pairs = _pairs(folder, 16, "sync", "full")
    rates = (
        f"{_median([a.rate for a, _ in pairs]):,.0f} a second, SQLite FULL {_median([b.rate for _, b in pairs]):,.0f}"
    )
    report_least("the same, synced, 16 processes", _median([a.rate / b.rate for a, b in pairs]), 1.0, rates)
    p99s = f"{_median([a.p99 for a, _ in pairs]):.1f} ms, SQLite FULL {_median([b.p99 for _, b in pairs]):.1f} ms"
    report("  p99 / SQLite's", _median([a.p99 / b.p99 for a, b in pairs]), 0.1, p99s)


def _line(number: int) -> str:
    """As a ledger has them: seven agents, three models, a call every second."""
    record = {
        "agent_id": f"agent-{number % 7}",
        "model": MODELS[number % 3],
        "prompt_tokens": 1000 + number % 500,
        "completion_tokens": 200 + number % 99,
        "total_tokens": 1200 + number % 500 + number % 99,
        "timestamp": 1_795_000_000 + number % 86_400,
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _write(path: Path, lines: int) -> None:
    block = "".join(map(_line, range(min(lines, 100_000))))
    with path.open("w") as file:
        for _ in range(max(1, lines // 100_000)):
            file.write(block)


_TIMED = """
import sys, time
begin = time.perf_counter()
{work}
print(time.perf_counter() - begin)
"""
_JSON = """
import json
total = 0
with open(sys.argv[1], "rb") as file:
    begin = time.perf_counter()
    for line in file:
        total += json.loads(line)["total_tokens"]
"""
_FOLD = """
from pathlib import Path
from budgauge.ledger.ledger import Ledger
reader = Ledger(Path(sys.argv[1]))
begin = time.perf_counter()
reader.refresh()
"""
_PEAK = 'print(int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024)'
_RESIDENT = 'print(int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20)'


def _run(code: str, *arguments: object) -> float:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _first_fold(folder: Path) -> None:
    path = folder / "million.jsonl"
    _write(path, 1_000_000)
    value, ours, theirs = ratio(
        lambda: _run(_TIMED.format(work=_FOLD), path), lambda: _run(_TIMED.format(work=_JSON), path), 5
    )
    report("first fold of 1 million lines / json loop", value, 0.25, f"{ours:.2f} s, json.loads loop {theirs:.2f} s")
    empty = folder / "none.jsonl"
    code = "import sys, time\n" + _FOLD + _PEAK
    used = _run(code, path) - _run(code, empty)
    report("  memory over the empty process, in MB", used, 20, f"peak {_run(code, path):.0f} MB")
    path.unlink()


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _long(folder: Path) -> None:
    long, short, empty = folder / "long.jsonl", folder / "short.jsonl", folder / "empty.jsonl"
    _write(long, LINES)
    _write(short, 10_000)
    empty.write_bytes(b"")
    status = [str(Path(sys.executable).with_name("budgauge")), "status", "--ledger"]
    first = _seconds([*status, str(long)])
    value, ours, theirs = ratio(lambda: _seconds([*status, str(long)]), lambda: _seconds([*status, str(empty)]), 15)
    detail = f"{ours * 1000:.0f} ms, empty {theirs * 1000:.0f} ms, the first time {first:.1f} s, {LINES:,} lines"
    report("opening a long ledger again / an empty one", value, 1.2, detail)
    code = "import sys, time\n" + _FOLD + _RESIDENT
    ours, theirs = _run(code, long), _run(code, short)
    report("resident, long ledger / 10,000 lines", ours / theirs, 1.1, f"{ours:.1f} MB, {theirs:.1f} MB")
    long.unlink()


_IDS = """
import sys, resource
from budgauge.accounting.records import Usage
from budgauge.accounting.fold import Totals
totals = Totals(recall=lambda place: None)
def add(first, last):
    for number in range(first, last):
        totals.add_one(Usage("a", "m", 1, 1, 2, 1, id="call-%030d" % number), number)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
totals.add_one(Usage("a", "m", 1, 1, 2, 1), 0)
before = resident()
add(0, 300_000)
print(resident() - before)
"""


def _ids() -> None:
    report("a writer's known ids, in MB", _run(_IDS), 10, "100,000 of 300,000 are known")


def run(home: Path) -> None:
    """Print every ratio."""
    folder = home / "ledger"
    folder.mkdir()
    _throughput(folder)
    _synced(folder)
    _first_fold(folder)
    _ids()
    _long(folder)
