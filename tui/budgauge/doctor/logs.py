"""The doctor's check of agents' own logs: troubles met in them, and logs not collected."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from budgauge.accounting.billing_cycle import midnight
from budgauge.accounting.period import since
from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding, ok, warn
from budgauge.files.cache import cache_folder
from budgauge.ledger.ledger import Ledger
from budgauge.sources.cursors import CursorFile, Cursors
from budgauge.sources.folders import files_below
from budgauge.sources.found import formats
from budgauge.sources.log import Counts
from budgauge.sources.name import CODEX
from budgauge.sources.source import Format
from budgauge.text import count, plural

SLACK_SECONDS = 60.0
"""The longest that a collector takes to read new lines."""
_SHOWN = 5


def agents_logs(loaded: Loaded, gated: Collection[str]) -> Finding:
    """Check agents' logs: troubles, and logs not collected. Calls of `gated` agents are recorded by the gate."""
    ledger = _ledger(loaded)
    kept = CursorFile(cache_folder(), ledger, loaded.ledger.project, writes=False).read()
    read = {source: list(cursors.values()) for source, cursors in kept.items() if cursors}
    missed = {format.name: logs for format in formats(os.environ) if (logs := _missed(loaded, format, kept, gated))}
    odd = tuple(line for format in formats(os.environ) for line in _unread(format))
    message = f"collected: {', '.join(read)}" if read else _without_cursors(ledger)
    fix = []
    details = [*_met(kept), *odd]
    counts = [one.counts for cursors in read.values() for one in cursors]
    if any(of.skipped or of.disagreements for of in counts) or odd:
        message = f"{message}; not everything could be read"
        fix.append("Look at these logs: skipped lines are not counted.")
    if missed:
        agents = ", ".join(missed)
        message = f"{message}; what {agents} wrote is not collected"
        fix.append(
            f"budgauge collect {' '.join(missed)} brings it in. To go on: keep budgauge --collect open, "
            "or let the agent ask the gate (budgauge hook install AGENT)."
        )
        for agent, logs in missed.items():
            details.append(f"{agent}: {plural(len(logs), 'log')} written since the counters began, but not read")
            details += [f"{agent}: {path}" for path in logs[:_SHOWN]]
    return warn(message, " ".join(fix), details) if fix else ok(message, details)


def _without_cursors(ledger: Ledger) -> str:
    ledger.refresh()
    if ledger.earliest_import is None:
        return "none are collected into this ledger so far"
    return "calls were imported by the gate, or it is no longer known from where"


def _met(kept: Cursors) -> Iterator[str]:
    """Yield the counts of each agent's logs, and the logs with unreadable lines."""
    for source, cursors in kept.items():
        if not cursors:
            continue
        of = sum((one.counts for one in cursors.values()), Counts())
        yield (
            f"{source}: {plural(len(cursors), 'log')} read; {count(of.duplicates)} copies of calls, "
            f"{count(of.replayed)} repeated from other sessions, {count(of.skipped)} skipped, "
            f"{count(of.lower_bounds)} without a final output count, {count(of.disagreements)} that do not add up"
        )
    for cursors in kept.values():
        for key, one in cursors.items():
            if one.counts.skipped or one.counts.disagreements:
                wrong = count(one.counts.disagreements)
                yield f"{key}: {count(one.counts.skipped)} skipped, {wrong} that do not add up"


def _missed(loaded: Loaded, format: Format, kept: Cursors, gated: Collection[str]) -> list[Path]:
    """Return logs written since the counters began, and not read to the end."""
    if format.name in gated:
        return []
    now = time.time()
    begin, cursors = _begin(loaded, now), kept.get(format.name, {})
    missed = []
    logs = format.find().logs
    for key, path in logs.items():
        try:
            status = os.stat(path)
        except OSError:
            continue
        cursor = cursors.get(key)
        is_read = cursor is not None and (cursor.size, cursor.inode) == (status.st_size, status.st_ino)
        is_due = status.st_size and not is_read and begin <= status.st_mtime < now - SLACK_SECONDS
        if is_due and _belongs(loaded, format, path, logs):
            missed.append(path)
    return missed


def _belongs(loaded: Loaded, format: Format, path: Path, logs: dict[str, Path]) -> bool:
    """Return True if a log is for this ledger. A project's takes only sessions begun inside the project."""
    if loaded.ledger.project is None:
        return True
    origin = format.origin(path, logs.get)
    return origin is not None and Path(origin.folder).is_relative_to(os.path.realpath(loaded.ledger.project))


def _ledger(loaded: Loaded) -> Ledger:
    """Return the ledger for reading; no checkpoint is kept."""
    cycle = loaded.config.cycle
    return Ledger(loaded.ledger.path, cycle=cycle, cache=cache_folder(), keeps_cache=False, keeps_all_ids=True)


def _begin(loaded: Loaded, now: float) -> float:
    """Return the unix seconds since when the counters run; local midnight without a reset."""
    ledger = _ledger(loaded)
    ledger.refresh()
    begun = since(ledger.totals, now)
    return midnight(now) if begun is None else begun


def _unread(format: Format) -> Iterator[str]:
    """Yield a line about files like session logs, in a format that is not read."""
    known = (".jsonl", ".jsonl.zst", ".tmp") if format.name == CODEX else (".jsonl", ".tmp")

    def is_odd(name: str) -> bool:
        is_like_a_log = ".jsonl." in name or (format.name == CODEX and name.startswith("rollout-"))
        return is_like_a_log and not name.endswith(known)

    odd = sorted(path for root in format.roots for path in files_below(root, is_odd, []))
    if odd:
        yield f"{format.name}: {plural(len(odd), 'log')} in a format that is not read, such as {odd[0]}"
