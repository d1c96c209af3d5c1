"""`budgauge demo`: the monitor on a temporary ledger that simulated agents fill."""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import click

from budgauge.cli.monitor import need_terminal, run_monitor
from budgauge.config.load import Options
from budgauge.observer import Observer
from budgauge.simulation import CONFIG, Simulation


@click.command()
def demo_command() -> None:
    """Open the monitor on a temporary ledger that simulated agents fill; nothing else is touched."""
    need_terminal()
    # The monitor shows the warning; a log line would be drawn across it.
    logging.getLogger("budgauge").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="budgauge-demo-") as name:
        folder = Path(name)
        config, ledger = folder / "config.toml", folder / "token_usage.jsonl"
        config.write_text(CONFIG, encoding="utf-8")
        observer = Observer(Options(config=str(config), ledger=str(ledger)), cache=folder / "cache")
        simulation = Simulation(ledger, observer.loaded.config)
        simulation.start()
        observer.resolve_prices()
        try:
            run_monitor(observer, preferences=folder / "preferences.json", remark=lambda: simulation.remark)
        finally:
            simulation.stop()
    click.echo("That was a simulation: nothing was spent, nothing was kept. Your own agents:")
    click.echo(f"  {_program()} --collect     watch Codex work, from here on")
    click.echo(f"  {_program()} config        where your budget and your ledger are")


def _program() -> str:
    """How to call this program from here."""
    return "budgauge" if shutil.which("budgauge") else shlex.quote(sys.argv[0])
