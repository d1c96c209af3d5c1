"""`budgauge` alone: the monitor."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from budgauge.cli.ending import Ending
from budgauge.cli.options import loaded, on_terminal
from budgauge.config.load import Options
from budgauge.views.both import BothObserver
from budgauge.views.live import Observer

if TYPE_CHECKING:
    from budgauge.sources.found import FoundLog

QUICK_BYTES = 1 << 20
"""Ledgers up to this size are read before the first paint, larger ones beside it."""

STOP_SECONDS = 1.0
"""Seconds for which the end waits for the collector."""


def need_terminal(*, in_line: bool) -> None:
    """Raise UsageError without a terminal, or where `in_line` does not work."""
    if not on_terminal(sys.stdin, sys.stdout, sys.stderr):
        raise click.UsageError("the monitor needs a terminal; without one use: budgauge status")
    if in_line and sys.platform == "win32":
        raise click.UsageError("--inline does not work on Windows; without it the monitor takes the whole screen")


def open_monitor(options: Options, *, collect: bool, in_line: bool) -> None:
    """Open the monitor; `collect` switches collecting on; `in_line` draws five lines."""
    observer = BothObserver(options)
    need_terminal(in_line=in_line)
    named = options.ledger or options.config
    with Ending() as ending:
        option = str(observer.loaded.ledger.path) if named else ""
        run_monitor(observer, ending, collect=collect, ledger_option=option, in_line=in_line)


def run_monitor(
    observer: Observer,
    ending: Ending,
    *,
    preferences: Path | None = None,
    collect: bool = False,
    remark: Callable[[], str] | None = None,
    ledger_option: str = "",
    in_line: bool = False,
) -> None:
    """Run the monitor until the person or `ending` quits.

    Preferences are kept at their usual place unless another is given; `remark` makes it a demo;
    `ledger_option` is the ledger if commands to paste must name it; `in_line` draws five lines of the
    scrollback.
    """
    from budgauge.monitor.app import MonitorApp
    from budgauge.monitor.background_collector import BackgroundCollector
    from budgauge.monitor.drawing.plain import draws_ascii
    from budgauge.monitor.language import use_language, wanted_language
    from budgauge.monitor.preferences import Preferences

    kept = Preferences(preferences)
    # With ASCII glyphs alone, only English is readable.
    plain = draws_ascii(kept.choices.glyphs, os.environ)
    use_language("en" if plain else wanted_language(observer.loaded.config.language, os.environ))

    # The monitor shows warnings itself; a log line would be drawn across it.
    logging.getLogger("budgauge").addHandler(logging.NullHandler())

    _forget_fixed_size()
    collector = None if remark else BackgroundCollector(observer)
    app = MonitorApp(
        observer,
        first_view=observer.look() if observer.ledger_size() < QUICK_BYTES else None,
        collector=collector,
        preferences=kept,
        found_logs=_found_logs,
        collect=collect,
        remark=remark,
        shown_ledger="simulated agents, nothing is spent" if remark else None,
        ledger_option=ledger_option,
        in_line=in_line,
    )
    loaded()
    ending.leave = app.leave
    ending.owed = lambda: app.alarm.title.owed
    app.run(inline=in_line, inline_no_clear=True)
    if collector is not None:
        collector.stop(STOP_SECONDS)
    if ending.code or app.return_code:
        sys.exit(ending.code or app.return_code)


def _forget_fixed_size() -> None:
    """Remove exported COLUMNS and LINES where the terminal knows its size: they would fix the size for good."""
    with suppress(AttributeError, OSError, ValueError):
        size = os.get_terminal_size(sys.__stdout__.fileno())  # type: ignore[union-attr]  # None is among the above
        if size.columns and size.lines:
            os.environ.pop("COLUMNS", None)
            os.environ.pop("LINES", None)


def _found_logs() -> Sequence[FoundLog]:
    # Loaded here: only an empty ledger shows them.
    from budgauge.sources.found import found_logs

    return found_logs(os.environ)
