"""Agents' own session logs: where they are, what they say was spent, and how that reaches the ledger."""

from budgauge.sources.codex import CodexSource
from budgauge.sources.collector import Collector
from budgauge.sources.found import FoundLog, found_logs
from budgauge.sources.lock import lock_name
from budgauge.sources.report import Report, SourceTotal

__all__ = [
    "CodexSource",
    "Collector",
    "FoundLog",
    "Report",
    "SourceTotal",
    "found_logs",
    "lock_name",
]
