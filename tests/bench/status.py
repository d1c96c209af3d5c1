"""`budgauge status` against importing two of the packages that it needs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from pairs import ratio, report

RUNS = 25


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def run(home: Path) -> None:
    """Print the ratio, on a ledger of a thousand lines and three models."""
    ledger = home / "status.jsonl"
    line = (
        '{"agent_id":"a%d","model":"%s","prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"timestamp":%d}\n'
    )
    models = ("gpt-4", "gpt-4o", "claude-sonnet-4-5")
    ledger.write_text("".join(line % (i % 7, models[i % 3], 1_795_000_000 + i) for i in range(1000)))
    budgauge = str(Path(sys.executable).with_name("budgauge"))
    status = [budgauge, "status", "--ledger", str(ledger)]
    value, ours, theirs = ratio(
        lambda: _seconds(status), lambda: _seconds([sys.executable, "-c", "import click, msgspec"]), RUNS
    )
    detail = f"status {ours * 1000:.0f} ms, python -c 'import click, msgspec' {theirs * 1000:.0f} ms"
    report("status / import click, msgspec", value, 1.6, detail)
