"""From an appended line to the screen, and what waiting for one costs, beside two rivals.

`tail -F` puts the line itself on a terminal as soon as the system tells of it: the quickest there
is. A loop that looks at the file's size every 10 ms is what being quick costs without events.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from pathlib import Path

from mode import sized
from pairs import report
from process import cpu_seconds

from budgauge.monitor.feed import QUICK_SECONDS
from terminal import Terminal

APPENDS = sized(40, 100)
LONE_APPENDS = sized(10, 60)
IDLE_SECONDS = sized(20.0, 60.0)
POLLING = "import os, sys, time\nwhile True:\n    os.stat(sys.argv[1]).st_size\n    time.sleep(0.01)"


def _line(number: int) -> bytes:
    return (
        b'{"agent_id":"a","model":"gpt-4","prompt_tokens":1,"completion_tokens":0,"total_tokens":1,'
        b'"timestamp":1795000000,"session":"s%d"}\n' % number
    )


def _settle(terminal: Terminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.pump(0.01)


def _delays(terminal: Terminal, ledger: Path, shown: str, appends: int, quiet_seconds: float = 0.1) -> list[float]:
    """Milliseconds from each append until `shown`, with the ledger's number of lines in it, stands on the screen."""
    chance = random.Random(1)
    delays = []
    lines = ledger.read_bytes().count(b"\n")
    with ledger.open("ab", buffering=0) as file:
        for number in range(lines + 1, lines + 1 + appends):
            _settle(terminal, quiet_seconds + chance.uniform(0, 0.3))
            begin = time.perf_counter()
            file.write(_line(number))
            terminal.wait_for(shown.format(number))
            delays.append((time.perf_counter() - begin) * 1000)
    return delays


def _idle(terminal: Terminal) -> float:
    """Percent of a core."""
    before, begin = cpu_seconds(terminal.process.pid), time.monotonic()
    _settle(terminal, IDLE_SECONDS)
    return (cpu_seconds(terminal.process.pid) - before) / (time.monotonic() - begin) * 100


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
        delays = _delays(terminal, ours, "{} / 1,000,000", APPENDS)
        lone_delays = _delays(terminal, ours, "{} / 1,000,000", LONE_APPENDS, QUICK_SECONDS + 0.1)
        _settle(terminal, QUICK_SECONDS + 3)
        idle = _idle(terminal)
    with Terminal(["tail", "-F", str(theirs)], columns=150, lines=24) as terminal:
        terminal.wait_for('"s1"')
        rival_p95 = _p95(_delays(terminal, theirs, '"s{}"', APPENDS))
    with Terminal([sys.executable, "-c", POLLING, str(ours)]) as terminal:
        _settle(terminal, 1)
        rival_idle = _idle(terminal)
    for what, times in (("append to screen", delays), ("a lone append to screen", lone_delays)):
        detail = f"median {statistics.median(times):.0f} ms, {len(times)} appends"
        report(f"{what}, p95 in ms", _p95(times), 33, detail)
        print(f"  = {_p95(times) / rival_p95:.1f} times `tail -F` ({rival_p95:.1f} ms)")
    report("idle, percent of a core", idle, 0.5, f"over {IDLE_SECONDS:.0f} s")
    print(f"  = {idle / rival_idle:.2f} times a loop that polls every 10 ms ({rival_idle:.2f} %)")
