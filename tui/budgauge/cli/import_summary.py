"""The summary of an import from agents' logs: for people, or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from budgauge.accounting.records import Usage
from budgauge.cli.options import note
from budgauge.config.load import Loaded
from budgauge.files.cache import cache_folder
from budgauge.sources.report import Report, SourceTotal
from budgauge.text import count, money, plural, safe

if TYPE_CHECKING:
    from budgauge.accounting.fold import Totals
    from budgauge.pricing.price_book import PriceBook
    from budgauge.status.snapshot import Snapshot


class ImportSummary:
    """The new records of one ledger, summed up by agent and by model."""

    def __init__(self, loaded: Loaded, verb: str) -> None:
        self.ledger = str(loaded.ledger.path)
        self._config = msgspec.structs.replace(loaded.config, per_agent_limits={})
        self._verb = verb
        self._sums: tuple[Totals, PriceBook] | None = None
        self._models: dict[str, set[str]] = {}
        """source → the models of its records."""

    def _need_sums(self) -> tuple[Totals, PriceBook]:
        if self._sums is None:
            # Loaded here: most imports find nothing new.
            from budgauge.accounting.fold import Totals
            from budgauge.pricing.price_book import PriceBook

            prices = PriceBook(self._config.prices, factors=self._config.price_factors, folder=cache_folder())
            self._sums = Totals(prices.pricing_of), prices
        return self._sums

    def count(self, new: Sequence[Usage]) -> None:
        """Add records, each of which is new."""
        totals, prices = self._need_sums()
        for source, model in {(usage.source or "", usage.model) for usage in new}:
            models = self._models.setdefault(source, set())
            if model not in models:
                models.add(model)
                prices.resolve([model])
        totals.sums.add(new)

    def with_unpriced(self, report: Report) -> Report:
        """Return a report with each source's unpriced models."""
        if self._sums is None:
            return report
        _, prices = self._sums
        sources = []
        for source in report.sources:
            unpriced = sorted(model for model in self._models.get(source.name, ()) if prices.price(model) is None)
            sources.append(msgspec.structs.replace(source, unpriced_models=tuple(unpriced)))
        return msgspec.structs.replace(report, sources=tuple(sources))

    def fields(self, report: Report) -> dict[str, Any]:
        """Return the public fields of `collect --json`."""
        from budgauge.accounting.counters import sum_of
        from budgauge.status.fields import status_fields

        sums = sum_of(self._need_sums()[0].at(time.time()).groups.values())
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

    def lines(self, report: Report) -> list[str]:
        """Return a line for each agent's logs, and one for each agent with its tokens and cost."""
        rows = self._snapshot().agents if self._sums is not None else ()
        agents = [f"  {safe(row.agent_id)}: {count(row.used)} tokens, {money(row.cost_usd)}" for row in rows]
        return [*(_source_line(source, self._verb) for source in report.sources), *agents]

    def _snapshot(self) -> Snapshot:
        from budgauge.status.snapshot import take_snapshot

        totals, prices = self._need_sums()
        return take_snapshot(totals, self._config, prices, now=time.time(), ledger=self.ledger)


class SummaryPrinter:
    """Printed summaries of a ledger's imports, and of the user's own ledger beside a project's."""

    def __init__(self, shown: ImportSummary, user: ImportSummary | None, *, as_json: bool) -> None:
        self._shown, self._user, self._as_json = shown, user, as_json
        self._noted: set[str] = set()

    def print(self, report: Report) -> None:
        """Print a report as data, and each new note of its on standard error."""
        pairs = [(self._shown, self._shown.with_unpriced(report))]
        if self._user is not None and report.user is not None:
            pairs.append((self._user, self._user.with_unpriced(report.user)))
        if self._as_json:
            fields, *users = (summary.fields(part) for summary, part in pairs)
            click.echo(json.dumps({**fields, "user_ledger": users[0] if users else None}))
        else:
            click.echo("\n".join(self._lines(pairs)))
        wheres = zip(pairs, ("", "your own ledger: "), strict=False)
        notes = dict.fromkeys(text for (_, part), where in wheres for text in _notes(part, where))
        for text in notes:
            if text not in self._noted:
                note(text)
        self._noted = set(notes)

    def _lines(self, pairs: Sequence[tuple[ImportSummary, Report]]) -> Iterator[str]:
        for (summary, part), whose in zip(pairs, ("the project's", "your own"), strict=False):
            if len(pairs) > 1:
                yield f"In {whose} ledger, {safe(summary.ledger)}:"
            yield from summary.lines(part)


def _notes(report: Report, where: str) -> Iterator[str]:
    yield from report.notes
    for source in report.sources:
        if source.unpriced_models:
            yield f"{source.name}: no price is known for {', '.join(source.unpriced_models)}"
    if report.trouble:
        yield f"{where}not recorded just now: {report.trouble}"


def _source_line(source: SourceTotal, verb: str) -> str:
    others = ", ".join(f"{count(number)} {name}" for name, number in source.beside)
    line = f"{source.name}: {plural(source.calls, 'call')} {verb} from {plural(source.files, 'log')}"
    return f"{line} ({others})" if others else line
