"""`budgauge collect`: agents' own session logs into the ledger, once or as they grow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import click

from budgauge.accounting.billing_cycle import midnight
from budgauge.authority.local import Local
from budgauge.cli.import_summary import ImportSummary, SummaryPrinter
from budgauge.cli.options import common, load_config
from budgauge.cli.since import FORMS, parse_moment
from budgauge.config.both import load_user, same_ledger
from budgauge.config.load import Loaded, Options
from budgauge.errors import ConfigError
from budgauge.sources.collector import Collector
from budgauge.sources.follow import follow
from budgauge.sources.found import found_logs
from budgauge.sources.joint import Joint
from budgauge.sources.report import Report
from budgauge.sources.target import Target, make_collector

AGENTS = ("codex", "claude-code")
"""Agents with logs that can be collected."""


@click.command()
@click.argument("agents", nargs=-1, type=click.Choice(AGENTS))
@click.option("--follow", is_flag=True, help="Keep collecting as the logs grow, until interrupted.")
@click.option(
    "--since", metavar="WHEN", help="First moment to collect: now, cycle, all, today, yesterday, 7d or a date."
)
@click.option("--dry-run", is_flag=True, help="Only report; record nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def collect_command(
    options: Options, agents: tuple[str, ...], follow: bool, since: str | None, dry_run: bool, as_json: bool
) -> None:
    """Record the calls in agents' own session logs, each call once.

    Without --since, collecting starts now with --follow; else at the last reset or cycle boundary,
    or at midnight if there was none. Without a name, every agent with logs is collected. In a project,
    sessions that began there go into the project's ledger, and all sessions go into your own.
    """
    loaded = load_config(options)
    user = user_with_a_ledger(loaded)
    verb = "would be recorded" if dry_run else "recorded"
    begin, summary = parse_since(since, follow, loaded), ImportSummary(loaded, verb)
    target, user_target, user_summary = Target(loaded, begin, summary.count), None, None
    if user is not None:
        user_summary = ImportSummary(user, verb)
        user_target = Target(user, parse_since(since, follow, user, project=begin), user_summary.count)
    printer = SummaryPrinter(summary, user_summary, as_json=as_json)
    collector = make_collector(target, user_target, agents=agents or _found(follow), dry_run=dry_run)
    if follow:
        _follow(collector, printer.print)
    else:
        printer.print(collector.collect())


def user_with_a_ledger(loaded: Loaded) -> Loaded | None:
    """Return the user's own budget beside a project's with another ledger, else None. Raises ConfigError."""
    if loaded.project is None:
        return None
    user = load_user(loaded.options)
    return None if same_ledger(user, loaded) else user


def _found(follow: bool) -> tuple[str, ...]:
    """Return the agents with logs; none means all agents, as following needs: their logs may begin later."""
    return () if follow else tuple(dict.fromkeys(log.name for log in found_logs(os.environ)))


def parse_since(since: str | None, follow: bool, loaded: Loaded, project: float | None = None) -> float | None:
    """Return the first moment to collect from, in unix seconds; None for all. Raises ConfigError.

    `cycle` falls back to the moment of a project where nothing was reset.
    """
    if since == "all":
        return None
    if since == "now" or (since is None and follow):
        return time.time()
    if since is None or since == "cycle":
        last = Local(loaded.config, loaded.ledger.path).since()
        if last is None and since == "cycle":
            last = project
        if last is not None:
            return last
        if since == "cycle":
            raise ConfigError("--since cycle: nothing was reset yet", hint="Name a date, or all.")
        return midnight(time.time())
    moment = parse_moment(since, time.time())
    if moment is None:
        raise ConfigError(f"--since {since}: must be now, cycle, all, {FORMS}")
    return moment


def _follow(collector: Collector | Joint, on_report: Callable[[Report], None]) -> None:
    """Follow the logs until SIGINT or SIGTERM, the normal end of this command."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    follow(collector, stop, on_report)
