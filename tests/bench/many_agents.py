"""Four lines a second among 50, 2,000 and 5,000 agents: what the monitor takes of a core.

The rival is a bare Textual app with a DataTable of as many rows in which one cell changes four times a second.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mode import sized
from pairs import report
from process import cpu_seconds

from terminal import Terminal

AGENTS = (50, 2000, 5000)
PER_SECOND = 4
SECONDS = sized(8, 30)
SETTLE_SECONDS = 4.0
BARE = """
import sys
from textual.app import App
from textual.widgets import DataTable, Footer, Header

class Bare(App):
    count = 0
    def compose(self):
        yield Header()
        yield DataTable()
        yield Footer()
    def on_mount(self):
        table = self.query_one(DataTable)
        self.columns = table.add_columns("Agent", "Used")
        self.keys = [table.add_row(f"fam{i % 50}/agent-{i}", "120") for i in range(int(sys.argv[1]))]
        self.set_interval(0.25, self.change)
    def change(self):
        self.count += 1
        table = self.query_one(DataTable)
        table.update_cell(self.keys[self.count % 20], self.columns[1], str(120 + self.count))

Bare().run()
"""


def _line(agent: int, moment: float) -> bytes:
    return (
        b'{"agent_id":"fam%d/agent-%d","model":"gpt-4","prompt_tokens":100,"completion_tokens":20,'
        b'"total_tokens":120,"timestamp":%d}\n' % (agent % 50, agent, moment)
    )


def _share(terminal: Terminal, step: object = None) -> float:
    """Percent of a core, while `step` is called four times a second."""
    before, begin = cpu_seconds(terminal.process.pid), time.monotonic()
    for number in range(SECONDS * PER_SECOND):
        if callable(step):
            step(number)
        end = begin + (number + 1) / PER_SECOND
        while time.monotonic() < end:
            terminal.pump(0.01)
    return (cpu_seconds(terminal.process.pid) - before) / (time.monotonic() - begin) * 100


def _settle(terminal: Terminal) -> None:
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        terminal.pump(0.01)


def _ours(ledger: Path, agents: int) -> float:
    """The monitor's share, once it has settled."""
    now = time.time()
    # As if one of them had called each quarter of a second, each in its turn.
    ledger.write_bytes(
        b"".join(_line(i % agents, now - (2 * agents - i) / PER_SECOND) for i in map(int, range(2 * agents)))
    )
    command = [str(Path(sys.executable).with_name("budgauge")), "--ledger", str(ledger)]
    with Terminal(command, columns=100, lines=40) as terminal, ledger.open("ab", buffering=0) as file:
        terminal.wait_for("Quit")
        _settle(terminal)
        return _share(terminal, lambda number: file.write(_line(number * 7 % agents, time.time())))


def _theirs(agents: int) -> float:
    with Terminal([sys.executable, "-c", BARE, str(agents)], columns=100, lines=40) as terminal:
        terminal.wait_for("agent-7")
        _settle(terminal)
        return _share(terminal)


def run(home: Path) -> None:
    """Print the monitor's share of a core for each number of agents, beside the bare app's."""
    for agents in AGENTS:
        ours, theirs = _ours(home / f"agents-{agents}.jsonl", agents), _theirs(agents)
        report(f"4 lines a second among {agents:,} agents, % of a core", ours, 8, f"over {SECONDS} s")
        print(f"  = {ours / theirs:.1f} times a bare DataTable that changes as often ({theirs:.1f} %)")
