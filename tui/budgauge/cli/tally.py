"""What a collection brought in, as JSON and as a few lines for people."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from budgauge.accounting.counters import sum_of
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Usage
from budgauge.config.load import Loaded
from budgauge.files.cache import cache_folder
from budgauge.pricing.price_book import PriceBook
from budgauge.sources.report import Report
from budgauge.status.fields import status_fields
from budgauge.status.snapshot import Snapshot, take_snapshot
from budgauge.text import count, money, safe


class Tally:
    """What new records come to, by agent and by model."""

    def __init__(self, loaded: Loaded) -> None:
        self._config = msgspec.structs.replace(loaded.config, per_agent_limits={})
        self._ledger = str(loaded.ledger.path)
        self._prices = PriceBook(loaded.config.prices, factors=loaded.config.price_factors, folder=cache_folder())
        self._totals = Totals(self._prices.pricing_of)
        self._models: dict[str, set[str]] = {}
        """source → the models of its records"""

    def count(self, new: Sequence[Usage]) -> None:
        """Add records, each of which is new."""
        for source, model in {(usage.source or "", usage.model) for usage in new}:
            models = self._models.setdefault(source, set())
            if model not in models:
                models.add(model)
                self._prices.resolve([model])
        self._totals.sums.add(new)

    def completed(self, report: Report) -> Report:
        """The report, with the models of each source whose price is not known."""
        sources = tuple(
            msgspec.structs.replace(source, unpriced_models=self._unpriced(source.name)) for source in report.sources
        )
        return msgspec.structs.replace(report, sources=sources)

    def _unpriced(self, source: str) -> tuple[str, ...]:
        return tuple(sorted(m for m in self._models.get(source, ()) if self._prices.price(m) is None))

    def fields(self, report: Report) -> dict[str, Any]:
        """The public fields of `collect --json`."""
        sums = sum_of(self._totals.at(time.time()).groups.values())
        fields = status_fields(self._snapshot())
        return {
            "records": report.records,
            "total_tokens": sums.total,
            "prompt_tokens": sums.prompt,
            "completion_tokens": sums.completion,
            "cached_tokens": sums.cached,
            "agents": fields["agents"],
            "models": fields["models"],
            "sources": msgspec.to_builtins(report.sources),
        }

    def lines(self) -> list[str]:
        """What each agent used and what it cost, for people."""
        rows = self._snapshot().agents
        return [f"  {safe(row.agent_id)}: {count(row.used)} tokens, {money(row.cost_usd)}" for row in rows]

    def _snapshot(self) -> Snapshot:
        return take_snapshot(self._totals, self._config, self._prices, now=time.time(), ledger=self._ledger)
