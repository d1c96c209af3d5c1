"""First full paint and memory of the monitor against a bare Textual app with a table, a header and a footer.

Memory is taken once the prices of three models were looked up and are shown, a while after.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mode import sized
from pairs import ratio, report
from process import resident_mb

from terminal import Terminal

RUNS = sized(7, 15)
MEMORY_RUNS = 3
AFTER_SECONDS = 4.0
MODELS = ("gpt-4", "gpt-4o", "claude-sonnet-4-5")
BARE = """
from textual.app import App
from textual.widgets import DataTable, Footer, Header

class Bare(App):
    BINDINGS = [("q", "quit", "Quit")]
    def compose(self):
        yield Header()
        yield DataTable()
        yield Footer()
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("Agent", "Used")
        for number in range(7):
            table.add_row(f"a{number}", "17,160")

Bare().run()
"""


def _seconds(command: list[str], shown: tuple[str, ...]) -> float:
    begin = time.perf_counter()
    with Terminal(command, columns=100, lines=30) as terminal:
        terminal.wait_for(lambda text: all(part in text for part in shown))
        return time.perf_counter() - begin


def _resident(command: list[str], shown: tuple[str, ...]) -> float:
    with Terminal(command, columns=100, lines=30) as terminal:
        terminal.wait_for(lambda text: all(part in text for part in shown))
        end = time.monotonic() + AFTER_SECONDS
        while time.monotonic() < end:
            terminal.pump(0.1)
        return resident_mb(terminal.process.pid)


def run(home: Path) -> None:
    """Print both ratios, the monitor showing a ledger's numbers, not an empty frame."""
    ledger = home / "paint.jsonl"
    line = (
        '{"agent_id":"a%d","model":"%s","prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"timestamp":%d}\n'
    )
    now = int(time.time())
    ledger.write_text("".join(line % (i % 7, MODELS[i % 3], now - 1000 + i) for i in range(1001)))
    ours = [str(Path(sys.executable).with_name("budgauge")), "--ledger", str(ledger)]
    bare, shown = [sys.executable, "-c", BARE], ("a6", "17,160", "Quit")
    value, seconds, bare_seconds = ratio(
        lambda: _seconds(ours, ("120,120 / 1,000,000", *shown)), lambda: _seconds(bare, shown), RUNS
    )
    detail = f"{seconds * 1000:.0f} ms, bare {bare_seconds * 1000:.0f} ms"
    report("first paint / bare Textual app", value, 1.15, detail)
    value, mb, bare_mb = ratio(lambda: _resident(ours, ("$", *shown)), lambda: _resident(bare, shown), MEMORY_RUNS)
    report("memory with prices / bare Textual app", value, 1.3, f"{mb:.1f} MB, bare {bare_mb:.1f} MB")
