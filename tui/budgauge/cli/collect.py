"""`budgauge collect`: agents' own session logs into the ledger, once or as they grow."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import msgspec

from budgauge.cache import cache_folder
from budgauge.cli.fields import status_fields
from budgauge.cli.options import common, load_config, note
from budgauge.config.find import codex_home
from budgauge.config.load import Loaded, Options
from budgauge.counters import sum_of
from budgauge.errors import ConfigError
from budgauge.ledger.reader import LedgerReader
from budgauge.pricing import PriceBook
from budgauge.records import Usage
from budgauge.snapshot import Snapshot, take_snapshot
from budgauge.sources import CodexSource, Collector, Report, lock_name
from budgauge.text import count, money, plural, safe
from budgauge.totals import Totals
from budgauge.tracker import TokenBudgetTracker


@click.command()
@click.argument("agents", nargs=-1, type=click.Choice(["codex"]))
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
    tracker = TokenBudgetTracker(loaded.config, ledger=loaded.ledger.path)
    recording = Recording(loaded, None if dry_run else tracker)
    collector = make_collector(loaded, recording.record, parse_since(since, follow, tracker), exclusive=not dry_run)
    tell = _telling(recording.to_json if as_json else recording.describe)
    if follow:
        _follow(collector, tell)
    else:
        tell(collector.collect())


def _telling(show: Callable[[Report], str]) -> Callable[[Report], None]:
    """Print each report, and beside the data what a person should know of it, each remark when it is new."""
    told: set[str] = set()

    def tell(report: Report) -> None:
        click.echo(show(report))
        remarks = [*report.notes, *([f"not recorded just now: {report.trouble}"] if report.trouble else [])]
        for remark in remarks:
            if remark not in told:
                note(remark)
        told.clear()
        told.update(remarks)

    return tell


def parse_since(since: str | None, follow: bool, tracker: TokenBudgetTracker) -> float | None:
    """Unix seconds from which calls are collected; None for all. Raises ConfigError."""
    if since == "all":
        return None
    if since == "now" or (since is None and follow):
        return time.time()
    if since is None or since == "cycle":
        last = tracker.get_since()
        if last is not None:
            return last
        if since == "cycle":
            raise ConfigError("--since cycle: nothing was reset yet", hint="Name a date, or all.")
        return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
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
    loaded: Loaded, record: Callable[[Usage], bool], since: float | None, *, exclusive: bool = True
) -> Collector:
    """The collector of every agent's logs into the ledger that the config leads to."""
    place = loaded.ledger
    return Collector(
        record,
        [CodexSource(codex_home(os.environ))],
        since=since,
        only_below=place.project,
        lock_path=cache_folder() / lock_name(place.path) if exclusive else None,
    )


class Recording:
    """Where collected calls go: the ledger, unless it is a dry run, and sums of their own."""

    def __init__(self, loaded: Loaded, tracker: TokenBudgetTracker | None) -> None:
        """Without a `tracker` it is a dry run, which only looks up what the ledger knows already."""
        self._config = loaded.config
        self._ledger = loaded.ledger.path
        self._tracker = tracker
        self._prices = PriceBook(loaded.config.prices, folder=cache_folder())
        self._totals = Totals(self._prices.pricing_of)
        self._models: set[str] = set()
        self._before = LedgerReader(self._ledger)
        if tracker is None:
            self._before.refresh()

    def record(self, usage: Usage) -> bool:
        """Record a call; False if its id was known."""
        if usage.model not in self._models:
            self._models.add(usage.model)
            self._prices.resolve([usage.model])
        if self._tracker is not None:
            if not self._tracker.report(usage, spent=True):
                return False
        elif self._before.known(usage) is not None or self._totals.known(usage) is not None:
            return False
        self._totals.add([usage])
        return True

    def to_json(self, report: Report) -> str:
        """The public fields of `collect --json`."""
        snapshot = self._snapshot()
        sums = sum_of(self._totals.at(time.time()).groups.values())
        fields: dict[str, Any] = {
            "records": report.records,
            "total_tokens": sums.total,
            "prompt_tokens": sums.prompt,
            "completion_tokens": sums.completion,
            "cached_tokens": sums.cached,
            **{key: value for key, value in status_fields(snapshot).items() if key in ("agents", "models")},
            "sources": msgspec.to_builtins(report.sources),
        }
        return json.dumps(fields)

    def describe(self, report: Report) -> str:
        """The same in a few lines for people."""
        snapshot = self._snapshot()
        verb = "would be recorded" if self._tracker is None else "recorded"
        lines = []
        for source in report.sources:
            left_out = [
                f"{count(number)} {what}"
                for number, what in (
                    (source.duplicates, "known already"),
                    (source.replayed, "copied from other sessions"),
                    (source.set_aside, "set aside"),
                )
                if number
            ]
            lines.append(
                f"{source.name}: {plural(source.calls, 'call')} {verb} from {plural(source.files, 'log')}"
                + (f" ({', '.join(left_out)})" if left_out else "")
            )
        for row in snapshot.agents:
            lines.append(f"  {safe(row.agent_id)}: {count(row.used)} tokens, {money(row.cost_usd)}")
        return "\n".join(lines)

    def _snapshot(self) -> Snapshot:
        config = msgspec.structs.replace(self._config, per_agent_limits={})
        return take_snapshot(self._totals, config, self._prices, now=time.time(), ledger=str(self._ledger))


def _follow(collector: Collector, on_report: Callable[[Report], None]) -> None:
    """Follow until SIGINT or SIGTERM: for a command that runs until it is ended, that is a good end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    collector.follow(stop, on_report)
