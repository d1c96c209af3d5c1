"""Collection of each change in agents' logs, as it happens."""

from __future__ import annotations

import threading
from collections.abc import Callable

from budgauge.files.watch import watch
from budgauge.sources.collector import Collector
from budgauge.sources.joint import Joint
from budgauge.sources.report import Report

QUIET_STEP_MS = 80
"""Between two checks for changes while nothing happens. Agents' logs are many, and need no quicker check."""


def follow(collector: Collector | Joint, stop: threading.Event, on_report: Callable[[Report], None]) -> None:
    """Collect everything, then each change until `stop`. Calls `on_report` after each change, in this thread.

    Raises SourceError if another collector holds the lock. Trouble with a ledger goes into the
    report, and the next tick tries again.
    """
    with collector.alone():
        shown: Report | None = None
        for changed in watch(collector.folders, stop, recursive=True, quiet_step_ms=QUIET_STEP_MS):
            collector.step(changed, stop)
            report = collector.report()
            if report != shown:
                on_report(report)
                shown = report
