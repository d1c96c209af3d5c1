"""The ledgers that agents' logs are collected into, and the collector for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from budgauge.accounting.records import Usage
from budgauge.authority.local import Local
from budgauge.config.load import Loaded
from budgauge.files.cache import cache_folder
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.dry_run import DryRun
from budgauge.sources.found import formats
from budgauge.sources.importer import Count, Importer
from budgauge.sources.joint import Joint
from budgauge.sources.lock import lock_name
from budgauge.sources.name import AgentNames
from budgauge.sources.source import Source
from budgauge.sources.unasked.spent import SpentFile


class Target(NamedTuple):
    """A ledger to collect into."""

    loaded: Loaded
    since: float | None
    """Unix seconds from which calls are collected; None for all."""
    on_new: Count = lambda _new: None
    """Called with the new records."""


def make_collector(
    target: Target, user: Target | None = None, *, agents: Sequence[str] = (), dry_run: bool = False
) -> Collector | Joint:
    """Return a collector of agents' logs (default all) into a ledger and the user's own. Raises LedgerReadError."""
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
        return Collector(DryRun(ledger, count), sources, since=since, only_below=place.project, cursors=cursors)

    def count_both(new: Sequence[Usage]) -> None:
        count(new)
        spent.count(new)

    spent = SpentFile(cache, ledger)
    return Collector(
        Importer(ledger, count=count_both),
        sources,
        since=since,
        only_below=place.project,
        lock_path=cache / lock_name(place.path),
        cursors=CursorFile(cache, ledger, place.project),
        spent=spent,
    )
