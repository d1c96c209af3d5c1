"""`budgauge demo`: the monitor on a temporary ledger that simulated agents fill."""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from budgauge.cli.ending import Ending
from budgauge.cli.monitor import need_terminal, run_monitor
from budgauge.config.load import Options
from budgauge.demo.simulation import CONFIG, Simulation
from budgauge.views.live import Observer


@click.command()
@click.option("--inline", "in_line", is_flag=True, help="Draw in five lines of the scrollback.")
def demo_command(in_line: bool) -> None:
    """Open the monitor on a temporary ledger with simulated agents; nothing else is touched."""
    need_terminal(in_line=in_line)
    # The monitor shows the warning; a log line would be drawn across it.
    logging.getLogger("budgauge").addHandler(logging.NullHandler())
    with Ending() as ending, _folder(ending) as folder:
        config, ledger = folder / "config.toml", folder / "token_usage.jsonl"
        config.write_text(CONFIG, encoding="utf-8")
        observer = Observer(Options(config=str(config), ledger=str(ledger)), cache=folder / "cache")
        simulation = Simulation(ledger, observer.loaded.config)
        try:
            simulation.start()
            observer.resolve_prices()
            run_monitor(
                observer,
                ending,
                preferences=folder / "preferences.json",
                remark=lambda: simulation.remark,
                in_line=in_line,
            )
        finally:
            simulation.stop()
    program = "budgauge" if shutil.which("budgauge") else shlex.quote(sys.argv[0])
    click.echo("That was a simulation: nothing was spent or kept. For your own agents:")
    click.echo(f"  {program} --collect     watch Codex and Claude Code from now on")
    click.echo(f"  {program} config        where your budget and your ledger are")


@contextmanager
def _folder(ending: Ending) -> Iterator[Path]:
    """Yield a temporary folder, removed however the program ends."""
    with tempfile.TemporaryDirectory(prefix="budgauge-demo-", ignore_cleanup_errors=True) as name:
        ending.last = lambda: shutil.rmtree(name, ignore_errors=True)
        yield Path(name)
