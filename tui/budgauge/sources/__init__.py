"""Agents' own session logs: where they are, what they say was spent, and how that reaches the ledger."""

from budgauge.sources.claude_code import ClaudeCodeFormat
from budgauge.sources.codex import CodexFormat
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.found import FoundLog, formats, found_logs
from budgauge.sources.lock import lock_name
from budgauge.sources.name import AgentNames
from budgauge.sources.report import Report, SourceTotal
from budgauge.sources.source import Source
from budgauge.sources.trial import Trial

__all__ = [
    "AgentNames",
    "ClaudeCodeFormat",
    "CodexFormat",
    "Collector",
    "CursorFile",
    "FoundLog",
    "Report",
    "Source",
    "SourceTotal",
    "Trial",
    "formats",
    "found_logs",
    "lock_name",
]
