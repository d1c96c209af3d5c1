"""A day in small: 100,000 updates, each read, folded, shown and drawn, and what memory that leaves behind.

The monitor runs without a terminal in a process of its own, on a real ledger of the two days
before: the ids and minutes that are kept are there from the start. Its clock goes on by a day
meanwhile. What it holds after the first updates is the measure that it must not outgrow.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mode import sized
from pairs import report

UPDATES = sized(5_000, 100_000)
WARM_UPDATES = 2_000
"""What they cache and import is no growth."""

MONITOR = """
import asyncio, gc, os, sys, time
from pathlib import Path
from budgauge.config.load import Options
from budgauge.monitor.app import MonitorApp
from budgauge.monitor.feed import ViewTaken
from budgauge.monitor.preferences import Preferences
from budgauge.views.live import Observer

folder, updates, warm = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ledger, now = folder / "soak.jsonl", time.time()
models = "gpt-4", "gpt-4o", "claude-sonnet-4-5"
line = (
    '{"agent_id":"agent-%d","model":"%s","prompt_tokens":1000,"completion_tokens":234,"total_tokens":1234,'
    '"timestamp":%d,"id":"call-%d"}\\n'
)
before = 250_000

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

async def soak():
    global now
    with ledger.open("w") as file:
        file.writelines(
            line % (number % 7, models[number % 3], now - 172_800 * (1 - number / before), number)
            for number in range(before)
        )
    observer = Observer(Options(ledger=ledger), clock=lambda: now, lookup=False)
    observer.resolve_prices()
    app = MonitorApp(
        observer,
        first_view=observer.look(),
        preferences=Preferences(folder / "preferences.json"),
        found_logs=lambda: (),
        clock=lambda: now,
    )
    app._start_feed = lambda: None  # each update is to be shown, none skipped
    app.animation_level = "none"
    async with app.run_test(size=(100, 30)) as pilot:
        with ledger.open("a", buffering=1) as file:
            for number in range(updates + warm):
                if number == warm:
                    begin = resident()
                now += 86_400 / (updates + warm)
                file.write(line % (number % 7, models[number % 3], now, before + number))
                app.post_message(ViewTaken(observer.look()))
                while app._view.snapshot.total_used != (before + number + 1) * 1234 or app.screen._dirty_widgets:
                    await asyncio.sleep(0)
                if number % 1000 == 0:
                    await pilot.pause()
        print(resident() - begin, resident())

asyncio.run(soak())
"""


def run(home: Path) -> None:
    """Print by how much its memory grew."""
    folder = home / "soak"
    folder.mkdir()
    command = [sys.executable, "-c", MONITOR, str(folder), str(UPDATES), str(WARM_UPDATES)]
    grown, resident = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    report(f"memory after {UPDATES:,} updates more, in MB", grown, 2, f"{resident:.1f} MB in all")
