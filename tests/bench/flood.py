"""20,000 lines a second, one write each, for a minute: what the monitor takes, and when its last number is right.

What the monitor writes is kept with the time at which it came and drawn afterwards, so that
drawing takes nothing from the processor while it is measured. The rival follows the same ledger
with `json.loads` and a sum, looking 20 times a second, and shows nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyte
from mode import sized
from pairs import report
from process import cpu_seconds

from terminal import Terminal

RATE = 20_000
SECONDS = sized(10, 60)
COLUMNS, LINES = 100, 30
_TOTAL = re.compile(r"([\d,]+) / 1,000,000,000,000")

WRITER = """
import sys, time
path, rate, seconds, now = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(time.time())
models = "gpt-4", "gpt-4o", "claude-sonnet-4-5"
lines = [
    b'{"agent_id":"agent-%d","model":"%s","prompt_tokens":1000,"completion_tokens":234,"total_tokens":1234,'
    b'"timestamp":%d}\\n' % (i % 7, models[i % 3].encode(), now + i // 21) for i in range(21 * seconds)
]
with open(path, "ab", buffering=0) as file:
    written, begin = 0, time.perf_counter()
    while written < rate * seconds:
        due = min(rate * seconds, int((time.perf_counter() - begin) * rate))
        second = written // rate * 21
        for number in range(written, due):
            file.write(lines[second + number % 21])
        written = max(due, written)
        last = time.perf_counter()
        time.sleep(0.001)
print(written, last - begin, last)
"""
RIVAL = """
import json, sys, time
total, rest = 0, b""
with open(sys.argv[1], "rb", buffering=0) as file:
    while True:
        *lines, rest = (rest + file.read()).split(b"\\n")
        for line in lines:
            total += json.loads(line)["total_tokens"]
        time.sleep(0.05)
"""


def _draw(recording: list[tuple[float, bytes]]) -> tuple[float, int, list[float]]:
    """(last number shown, repaints that changed it, times at which it came to each)."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    shown, times = 0, []
    for at, data in recording:
        stream.feed(data.replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b""))
        found = _TOTAL.search("\n".join(screen.display))
        number = int(found[1].replace(",", "")) if found else shown
        if number != shown:
            shown = number
            times.append(at)
    return shown, len(times), times


def _flood(terminal: Terminal, ledger: Path) -> tuple[list[tuple[float, bytes]], int, float, float, float]:
    """(what the monitor wrote and when, lines, seconds they took, moment of the last, its share of a core)."""
    pid, recording = terminal.process.pid, list[tuple[float, bytes]]()
    done = threading.Event()

    def record() -> None:
        while not done.is_set():
            before = len(terminal.raw)
            terminal.pump(0.05)
            if len(terminal.raw) > before:
                recording.append((time.perf_counter(), terminal.raw[before:]))

    terminal.draws = False
    reader = threading.Thread(target=record)
    reader.start()
    before, begin = cpu_seconds(pid), time.perf_counter()
    command = [sys.executable, "-c", WRITER, str(ledger), str(RATE), str(SECONDS)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    share = (cpu_seconds(pid) - before) / (time.perf_counter() - begin) * 100
    time.sleep(1)
    done.set()
    reader.join()
    return recording, int(output[0]), float(output[1]), float(output[2]), share


def _rival(ledger: Path) -> float:
    """Percent of a core."""
    ledger.touch()
    with subprocess.Popen([sys.executable, "-c", RIVAL, str(ledger)]) as rival:
        time.sleep(0.5)
        before, begin = cpu_seconds(rival.pid), time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", WRITER, str(ledger), str(RATE), str(min(10, SECONDS))],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        share = (cpu_seconds(rival.pid) - before) / (time.perf_counter() - begin) * 100
        rival.kill()
    return share


def run(home: Path) -> None:
    """Print the share of a core, the last number's delay, and how often was painted."""
    ledger, config = home / "flood.jsonl", home / "flood.toml"
    config.write_text("[token_budget]\ntotal_budget = 1000000000000\n")
    ledger.touch()
    budgauge = str(Path(sys.executable).with_name("budgauge"))
    command = [budgauge, "--config", str(config), "--ledger", str(ledger)]
    with Terminal(command, columns=COLUMNS, lines=LINES) as terminal:
        terminal.wait_for("0 / 1,000,000,000,000")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            terminal.pump(0.1)
        recording, lines, seconds, last, share = _flood(terminal, ledger)
    shown, repaints, times = _draw(recording)
    written = sum(len(data) for _, data in recording)
    rate, rival = lines / seconds, _rival(home / "flood-rival.jsonl")
    ledger.unlink()
    report(f"{rate:,.0f} lines a second, percent of a core", share, 25, f"{seconds:.0f} s, one write a line")
    print(f"  = {share / rival:.2f} times a json.loads loop that shows nothing ({rival:.1f} %)")
    assert shown == lines * 1234, f"the last number shown was {shown:,}, not {lines * 1234:,}"
    report("  last line to the last number, in ms", (times[-1] - last) * 1000, 100, f"{shown:,} tokens")
    report("  repaints a second", repaints / seconds, 30, f"{written / max(1, repaints):,.0f} bytes each")
