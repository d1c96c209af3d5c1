"""`budgauge collect`: agents' own session logs into the ledger, once or as they grow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

from budgauge.accounting.billing_cycle import midnight
from budgauge.accounting.records import Usage
from budgauge.authority.local import Local
from budgauge.cli.news import News
from budgauge.cli.options import common, load_config
from budgauge.cli.since import FORMS, parse_moment
from budgauge.config.both import load_user, same_ledger
from budgauge.config.load import Loaded, Options
from budgauge.errors import ConfigError
from budgauge.files.cache import cache_folder
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.found import formats, found_logs
from budgauge.sources.importer import Booking, Count, uncounted
from budgauge.sources.joint import Joint
from budgauge.sources.lock import lock_name
from budgauge.sources.name import AgentNames
from budgauge.sources.report import Report
from budgauge.sources.source import Source
from budgauge.sources.trial import Trial
from budgauge.sources.unasked.spent import SpentFile

AGENTS = ("codex", "claude-code")
"""Whose logs can be collected."""


@click.command()
@click.argument("agents", nargs=-1, type=click.Choice(AGENTS))
@click.option("--follow", is_flag=True, help="Go on as the logs grow, until interrupted.")
@click.option("--since", metavar="WHEN", help="now, cycle, all, today, yesterday, 7d, or a date such as 2026-11-01.")
@click.option("--dry-run", is_flag=True, help="Only report; record nothing.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@common
def collect_command(
    options: Options, agents: tuple[str, ...], follow: bool, since: str | None, dry_run: bool, as_json: bool
) -> None:
    """Record what agents' own session logs say was spent, every call once.

    Without --since: with --follow from now on, else since the last reset or the cycle's beginning,
    else since midnight.
    Without a name: every agent found. In a project, its ledger gets the sessions that began there,
    and your own ledger gets all of them.
    """
    loaded = load_config(options)
    user = user_with_a_ledger(loaded)
    news = News(loaded, user, as_json=as_json, verb="would be recorded" if dry_run else "recorded")
    begin = parse_since(since, follow, loaded)
    beside = None
    if user is not None:
        beside = Target(user, _users_since(since, follow, user, begin), news.count_user)
    collector = make_collector(
        Target(loaded, begin, news.count), beside, agents=agents or _found(follow), dry_run=dry_run
    )
    if follow:
        _follow(collector, news.tell)
    else:
        news.tell(collector.collect())


def user_with_a_ledger(loaded: Loaded) -> Loaded | None:
    """The user's own budget, where a project's counts by a ledger of its own; else None. Raises ConfigError."""
    if loaded.project is None:
        return None
    user = load_user(loaded.options)
    return None if same_ledger(user, loaded) else user


def _found(follow: bool) -> tuple[str, ...]:
    """The agents that have logs; all, where logs that begin later are to be read too, or there are none."""
    return () if follow else tuple(dict.fromkeys(log.name for log in found_logs(os.environ)))


class Target(NamedTuple):
    """A ledger to collect into."""

    loaded: Loaded
    since: float | None
    """Unix seconds from which calls are collected; None for all."""
    on_new: Count = uncounted
    """Is given each record that is new."""


def parse_since(since: str | None, follow: bool, loaded: Loaded) -> float | None:
    """Unix seconds from which calls are collected; None for all. Raises ConfigError."""
    if since == "all":
        return None
    if since == "now" or (since is None and follow):
        return time.time()
    if since is None or since == "cycle":
        last = _begun(loaded)
        if last is not None:
            return last
        if since == "cycle":
            raise ConfigError("--since cycle: nothing was reset yet", hint="Name a date, or all.")
        return midnight(time.time())
    moment = parse_moment(since, time.time())
    if moment is None:
        raise ConfigError(f"--since {since}: must be now, cycle, all, {FORMS}")
    return moment


def _begun(loaded: Loaded) -> float | None:
    """Unix seconds of the last reset or cycle boundary of a budget's ledger; None if there was none."""
    return Local(loaded.config, loaded.ledger.path).since()


def _users_since(since: str | None, follow: bool, user: Loaded, projects: float | None) -> float | None:
    """The same for the user's ledger: `cycle` is its own, or the project's where nothing was reset in it yet."""
    if since != "cycle":
        return parse_since(since, follow, user)
    last = _begun(user)
    return projects if last is None else last


def make_collector(
    target: Target, user: Target | None = None, *, agents: Sequence[str] = (), dry_run: bool = False
) -> Collector | Joint:
    """The collector of agents' logs (all, if none is named) into a ledger, and into the user's own beside a project's.

    Raises LedgerReadError.
    """
    collector = _collector(target, agents, dry_run)
    return collector if user is None else Joint(collector, _collector(user, agents, dry_run))


def _collector(target: Target, agents: Sequence[str], dry_run: bool) -> Collector:
    loaded, since, count = target
    place, cache = loaded.ledger, cache_folder()
    names = AgentNames(by_project=loaded.config.collect_agent == "project")
    sources = [Source(format) for format in formats(os.environ, names) if not agents or format.name in agents]
    ledger = Local(loaded.config, place.path, keeps_all_ids=True).ledger
    if dry_run:
        ledger.refresh()
        cursors = CursorFile(cache, ledger, place.project, writes=False)
        return Collector(Trial(ledger, count), sources, since=since, only_below=place.project, cursors=cursors)

    def count_both(new: Sequence[Usage]) -> None:
        count(new)
        spent.count(new)

    spent = SpentFile(cache, ledger)
    return Collector(
        Booking(ledger, count=count_both),
        sources,
        since=since,
        only_below=place.project,
        lock_path=cache / lock_name(place.path),
        cursors=CursorFile(cache, ledger, place.project),
        spent=spent,
    )


def _follow(collector: Collector | Joint, on_report: Callable[[Report], None]) -> None:
    """Follow until SIGINT or SIGTERM: for a command that runs until it is ended, that is a good end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    collector.follow(stop, on_report)
