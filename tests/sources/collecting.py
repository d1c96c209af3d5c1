"""A home with logs of both agents, and collections of them into a ledger, each by a program of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from budgauge.accounting.codec import decode
from budgauge.accounting.records import Usage
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.importer import Importer
from budgauge.sources.report import Report
from sources.rollouts import Log
from sources.sessions import Session, tokens
from sources.sinks import Sink, claude, codex
from usage import importing


def tokens_by_call(records: list[Usage]) -> Mapping[str, int]:
    """id → tokens, with those of the records that continue it."""
    found: Counter[str] = Counter()
    for record in records:
        assert record.id is not None
        found[record.id.partition("#")[0]] += record.total_tokens
    return found


class Home:
    """Where agents write, where the ledger is and where it is kept how far it is booked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger, self.cache = folder / "ledger.jsonl", folder / "cache"
        self.codex, self.claude = Log().meta().turn(), Session()
        self.write()

    def write(self) -> None:
        """Put the logs as they are now where the agents put them."""
        self.codex.write(self.folder / ".codex")
        self.claude.write(self.folder / ".claude")

    def grow(self, agent: str, spent: int = 10) -> None:
        """One more call of an agent."""
        if agent == "codex":
            self.codex.call(spent, 0, 1, 0)
        else:
            self.claude.said(f"msg_{self.claude.time}", tokens(spent, 1))
        self.write()

    def collect(self, *agents: str, since: float | None = None, only_below: Path | None = None) -> Report:
        """As a program that is started anew: of all agents, if none is named."""
        importer = Importer(importing(self.ledger, self.cache))
        return self.collect_by(importer, *agents, since=since, only_below=only_below)

    def collect_by(
        self, importer: Importer, *agents: str, since: float | None = None, only_below: Path | None = None
    ) -> Report:
        """By this very importer."""
        sources = [codex(self.folder / ".codex"), claude(self.folder / ".claude")]
        wanted = [source for source in sources if not agents or source.name in agents]
        cursors = CursorFile(self.cache, importer.ledger, only_below)
        return Collector(importer, wanted, since=since, only_below=only_below, cursors=cursors).collect()

    @property
    def kept(self) -> Path:
        """The file of cursors."""
        (path,) = self.cache.glob("logs-*.pos")
        return path

    @property
    def records(self) -> list[Usage]:
        """The calls of agents' logs in the ledger."""
        batch = decode(self.ledger.read_bytes() if self.ledger.exists() else b"")
        return [record for record in batch.records if isinstance(record, Usage) and record.source]

    @property
    def truth(self) -> Mapping[str, int]:
        """id → tokens of every call in the logs, as one reading from their start tells."""
        sink = Sink()
        Collector(sink, [codex(self.folder / ".codex"), claude(self.folder / ".claude")]).collect()
        return tokens_by_call(sink.calls)

    def assert_booked(self, *, torn: bool = False) -> None:
        """Nothing is lost, and nothing is doubled; is there a torn line?"""
        assert bool(decode(self.ledger.read_bytes() if self.ledger.exists() else b"").faults) == torn
        assert tokens_by_call(self.records) == self.truth
        ids = [record.id for record in self.records]
        assert len(set(ids)) == len(ids)
