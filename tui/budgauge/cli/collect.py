"""`budgauge collect`: agents' own session logs into the ledger, once or as they grow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from budgauge.accounting.billing_cycle import midnight
from budgauge.accounting.records import Usage
from budgauge.cli.options import common, load_config, note
from budgauge.config.load import Loaded, Options
from budgauge.errors import ConfigError
from budgauge.files.cache import cache_folder
from budgauge.ledger.booked import Booked
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.found import formats, found_logs
from budgauge.sources.importer import Booking, Count, uncounted
from budgauge.sources.lock import lock_name
from budgauge.sources.name import AgentNames
from budgauge.sources.report import Report, SourceTotal
from budgauge.sources.source import Source
from budgauge.sources.trial import Trial
from budgauge.text import count, plural

if TYPE_CHECKING:
    from budgauge.cli.tally import Tally

AGENTS = ("codex", "claude-code")
"""Whose logs can be collected."""


@click.command()
@click.argument("agents", nargs=-1, type=click.Choice(AGENTS))
@click.option("--follow", is_flag=True, help="Go on as the logs grow, until interrupted.")
@click.option("--since", metavar="WHEN", help="now, cycle, all, or a date such as 2026-11-01.")
@click.option("--dry-run", is_flag=True, help="Only report; record nothing.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@common
def collect_command(
    options: Options, agents: tuple[str, ...], follow: bool, since: str | None, dry_run: bool, as_json: bool
) -> None:
    """Record what agents' own session logs say was spent, every call once.

    Without --since: with --follow from now on, else since the last reset, else since midnight.
    Without a name: every agent found.
    """
    loaded = load_config(options)
    news = News(loaded, as_json=as_json, verb="would be recorded" if dry_run else "recorded")
    begin = parse_since(since, follow, loaded)
    collector = make_collector(loaded, begin, agents=agents or _found(follow), count=news.count, dry_run=dry_run)
    if follow:
        _follow(collector, news.tell)
    else:
        news.tell(collector.collect())


def _found(follow: bool) -> tuple[str, ...]:
    """The agents that have logs; all, where logs that begin later are to be read too, or there are none."""
    return () if follow else tuple(dict.fromkeys(log.name for log in found_logs(os.environ)))


class News:
    """What a collection brings, as it is told."""

    def __init__(self, loaded: Loaded, *, as_json: bool, verb: str) -> None:
        self._loaded = loaded
        self._as_json = as_json
        self._verb = verb
        self._tally: Tally | None = None
        self._told: set[str] = set()

    def count(self, new: Sequence[Usage]) -> None:
        """Add records, each of which is new."""
        self._need_tally().count(new)

    def _need_tally(self) -> Tally:
        if self._tally is None:
            # Loaded here: most runs find nothing new.
            from budgauge.cli.tally import Tally

            self._tally = Tally(self._loaded)
        return self._tally

    def tell(self, report: Report) -> None:
        """Print a report, and beside the data what a person should know of it, each remark when it is new."""
        if self._tally is not None:
            report = self._tally.completed(report)
        if self._as_json:
            click.echo(self._need_tally().to_json(report))
        else:
            lines = [_described(source, self._verb) for source in report.sources]
            click.echo("\n".join([*lines, *(self._tally.lines() if self._tally else [])]))
        remarks = [*report.notes, *_unpriced(report)]
        if report.trouble:
            remarks.append(f"not recorded just now: {report.trouble}")
        for remark in remarks:
            if remark not in self._told:
                note(remark)
        self._told = set(remarks)


def _unpriced(report: Report) -> Iterator[str]:
    for source in report.sources:
        if source.unpriced_models:
            yield f"{source.name}: no price is known for {', '.join(source.unpriced_models)}"


def parse_since(since: str | None, follow: bool, loaded: Loaded) -> float | None:
    """Unix seconds from which calls are collected; None for all. Raises ConfigError."""
    if since == "all":
        return None
    if since == "now" or (since is None and follow):
        return time.time()
    if since is None or since == "cycle":
        from budgauge.tracker.tracker import TokenBudgetTracker

        last = TokenBudgetTracker(loaded.config, ledger=loaded.ledger.path).get_since()
        if last is not None:
            return last
        if since == "cycle":
            raise ConfigError("--since cycle: nothing was reset yet", hint="Name a date, or all.")
        return midnight(time.time())
    moment = parse_date(since)
    if moment is None:
        raise ConfigError(f"--since {since}: must be now, cycle, all, or a date such as 2026-11-01 or 2026-11-01T09:30")
    return moment


def parse_date(text: str) -> float | None:
    """Unix seconds of a date, or a date and time, local where it names no zone; None if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def make_collector(
    loaded: Loaded,
    since: float | None,
    *,
    agents: Sequence[str] = (),
    count: Count = uncounted,
    dry_run: bool = False,
) -> Collector:
    """The collector of agents' logs (all, if none is named) into the ledger that the config leads to.

    `count` is told of each record that is new. Raises LedgerReadError.
    """
    place, cache = loaded.ledger, cache_folder()
    names = AgentNames(by_project=loaded.config.collect_agent == "project")
    sources = [Source(format) for format in formats(os.environ, names) if not agents or format.name in agents]
    if dry_run:
        booked = Booked(place.path, cache)
        booked.refresh()
        cursors = CursorFile(cache, booked, place.project, writes=False)
        return Collector(Trial(booked, count), sources, since=since, only_below=place.project, cursors=cursors)
    booking = Booking(place.path, sync=loaded.config.sync, cache=cache, count=count)
    return Collector(
        booking,
        sources,
        since=since,
        only_below=place.project,
        lock_path=cache / lock_name(place.path),
        cursors=CursorFile(cache, booking.booked, place.project),
    )


def _described(source: SourceTotal, verb: str) -> str:
    beside = ", ".join(f"{count(number)} {what}" for what, number in source.beside)
    said = f"{source.name}: {plural(source.calls, 'call')} {verb} from {plural(source.files, 'log')}"
    return f"{said} ({beside})" if beside else said


def _follow(collector: Collector, on_report: Callable[[Report], None]) -> None:
    """Follow until SIGINT or SIGTERM: for a command that runs until it is ended, that is a good end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    collector.follow(stop, on_report)
