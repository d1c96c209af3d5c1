"""A ledger in miniature: knows what it was given, refuses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from budgauge.accounting.records import Usage
from budgauge.sources.claude_code.files import ClaudeCodeFormat
from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.dry_run import DryRun
from budgauge.sources.importer import Outcome
from budgauge.sources.source import Source
from usage import importing

NOWHERE = Path("/nowhere/ledger.jsonl")


class Sink:
    """Keeps what is new of the calls that it was given."""

    def __init__(self) -> None:
        self.calls: list[Usage] = []
        self._dry_run = DryRun(importing(NOWHERE), self.calls.extend)

    def add(self, calls: Sequence[Usage]) -> list[Outcome]:
        return self._dry_run.add(calls)

    def holds(self, id: str) -> bool:
        return self._dry_run.holds(id)

    @property
    def spent(self) -> list[tuple[int, int]]:
        """Prompt and completion tokens of each call."""
        return [(call.prompt_tokens, call.completion_tokens) for call in self.calls]


def codex(home: Path) -> Source:
    """Codex's logs below a folder."""
    return Source(CodexFormat(home))


def claude(home: Path) -> Source:
    """Claude Code's logs below a folder."""
    return Source(ClaudeCodeFormat([home / "projects"]))
