"""From an appended line to the screen, and what waiting for one costs, beside two rivals.

`tail -F` puts the line itself on a terminal as soon as the system tells of it: the quickest there
is. A loop that looks at the file's size every 10 ms is what being quick costs without events.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from pathlib import Path

from pairs import report

from terminal import Terminal

APPENDS = 100
IDLE_SECONDS = 30.0
POLLING = "import os, sys, time\nwhile True:\n    os.stat(sys.argv[1]).st_size\n    time.sleep(0.01)"


def _line(number: int) -> bytes:
    return (
        b'{"agent_id":"a","model":"gpt-4","prompt_tokens":1,"completion_tokens":0,"total_tokens":1,'
        b'"timestamp":1795000000,"session":"s%d"}\n' % number
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _settle(terminal: Terminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.pump(0.01)


def _delays(terminal: Terminal, ledger: Path, shown: str) -> list[float]:
    """Milliseconds from each append until `shown`, with the line's number in it, stands on the screen."""
    chance = random.Random(1)
    delays = []
    with ledger.open("ab", buffering=0) as file:
        for number in range(2, APPENDS + 2):
            _settle(terminal, chance.uniform(0.1, 0.4))
            begin = time.perf_counter()
            file.write(_line(number))
            terminal.wait_for(shown.format(number))
            delays.append((time.perf_counter() - begin) * 1000)
    return delays


def _idle(terminal: Terminal) -> float:
    """Percent of a core."""
    before, begin = _cpu_seconds(terminal.process.pid), time.monotonic()
    _settle(terminal, IDLE_SECONDS)
    return (_cpu_seconds(terminal.process.pid) - before) / (time.monotonic() - begin) * 100


def _p95(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=20)[-1]


def run(home: Path) -> None:
    """Print the 95th percentile from append to screen and the idle share of a core, each with its rival's."""
    ours, theirs = home / "live.jsonl", home / "tail.jsonl"
    for path in (ours, theirs):
        path.write_bytes(_line(1))
    budgauge = str(Path(sys.executable).with_name("budgauge"))
    with Terminal([budgauge, "--ledger", str(ours)], columns=80, lines=24) as terminal:
        terminal.wait_for("1 / 1,000,000")
        _settle(terminal, 3)
        delays = _delays(terminal, ours, "{} / 1,000,000")
        _settle(terminal, 15)
        idle = _idle(terminal)
    with Terminal(["tail", "-F", str(theirs)], columns=150, lines=24) as terminal:
        terminal.wait_for('"s1"')
        rival_delays = _delays(terminal, theirs, '"s{}"')
    with Terminal([sys.executable, "-c", POLLING, str(ours)]) as terminal:
        _settle(terminal, 1)
        rival_idle = _idle(terminal)
    p95, rival_p95 = _p95(delays), _p95(rival_delays)
    report("append to screen, p95 in ms", p95, 50, f"median {statistics.median(delays):.0f} ms, {APPENDS} appends")
    print(f"  = {p95 / rival_p95:.1f} times `tail -F` ({rival_p95:.1f} ms)")
    report("idle, percent of a core", idle, 1.0, f"over {IDLE_SECONDS:.0f} s")
    print(f"  = {idle / rival_idle:.2f} times a loop that polls every 10 ms ({rival_idle:.2f} %)")
