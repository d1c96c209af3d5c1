"""First full paint of the monitor against a bare Textual app with a table, a header and a footer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pairs import ratio, report

from terminal import Terminal

RUNS = 15
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


def run(home: Path) -> None:
    """Print the ratio, the monitor showing a ledger's numbers, not an empty frame."""
    ledger = home / "paint.jsonl"
    line = (
        '{"agent_id":"a%d","model":"gpt-4","prompt_tokens":100,"completion_tokens":20,'
        '"total_tokens":120,"timestamp":%d}\n'
    )
    now = int(time.time())
    ledger.write_text("".join(line % (i % 7, now - 1000 + i) for i in range(1001)))
    budgauge = str(Path(sys.executable).with_name("budgauge"))
    value, ours, theirs = ratio(
        lambda: _seconds([budgauge, "--ledger", str(ledger)], ("120,120 / 1,000,000", "a6", "17,160", "Quit")),
        lambda: _seconds([sys.executable, "-c", BARE], ("a6", "17,160", "Quit")),
        RUNS,
    )
    report("first paint / bare Textual app", value, 1.25, f"{ours * 1000:.0f} ms, bare {theirs * 1000:.0f} ms")
