"""What a collection brings, as it is shown: for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from budgauge.accounting.records import Usage
from budgauge.cli.options import note
from budgauge.config.load import Loaded
from budgauge.sources.report import Report, SourceTotal
from budgauge.text import count, plural, safe

if TYPE_CHECKING:
    from budgauge.cli.tally import Tally


class News:
    """What a collection brings to a ledger, and to the user's own where the first is a project's."""

    def __init__(self, loaded: Loaded, user: Loaded | None = None, *, as_json: bool, verb: str) -> None:
        self._shown = _LedgerNews(loaded, verb)
        self._user = None if user is None else _LedgerNews(user, verb)
        self._as_json = as_json
        self._remarked: set[str] = set()

    def count(self, new: Sequence[Usage]) -> None:
        """Add records, each of which is new in the ledger."""
        self._shown.count(new)

    def count_user(self, new: Sequence[Usage]) -> None:
        """Add records, each of which is new in the user's own ledger."""
        assert self._user is not None
        self._user.count(new)

    def tell(self, report: Report) -> None:
        """Print a report, and beside the data what a person should know of it, each remark when it is new."""
        shown, user = self._shown.completed(report), None
        if self._user is not None and report.user is not None:
            user = self._user.completed(report.user)
        click.echo(json.dumps(self._fields(shown, user)) if self._as_json else "\n".join(self._lines(shown, user)))
        remarks = list(dict.fromkeys([*_remarks(shown), *(_remarks(user, "your own ledger: ") if user else [])]))
        for remark in remarks:
            if remark not in self._remarked:
                note(remark)
        self._remarked = set(remarks)

    def _fields(self, shown: Report, user: Report | None) -> dict[str, Any]:
        # Each field of a status as it stands there: too many types to name.
        beside = self._user.fields(user) if self._user is not None and user is not None else None
        return {**self._shown.fields(shown), "user_ledger": beside}

    def _lines(self, shown: Report, user: Report | None) -> list[str]:
        if self._user is None or user is None:
            return self._shown.lines(shown)
        heads = f"In the project's ledger, {self._shown.ledger}:", f"In your own ledger, {self._user.ledger}:"
        return [heads[0], *self._shown.lines(shown), heads[1], *self._user.lines(user)]


class _LedgerNews:
    """What a collection brings to one ledger."""

    def __init__(self, loaded: Loaded, verb: str) -> None:
        self._loaded = loaded
        self._verb = verb
        self._tally: Tally | None = None

    @property
    def ledger(self) -> str:
        """The ledger's path, safe to show."""
        return safe(str(self._loaded.ledger.path))

    def count(self, new: Sequence[Usage]) -> None:
        """Add records, each of which is new."""
        self._need_tally().count(new)

    def _need_tally(self) -> Tally:
        if self._tally is None:
            # Loaded here: most runs find nothing new.
            from budgauge.cli.tally import Tally

            self._tally = Tally(self._loaded)
        return self._tally

    def completed(self, report: Report) -> Report:
        """The report, with the models of each source whose price is not known."""
        return report if self._tally is None else self._tally.completed(report)

    def fields(self, report: Report) -> dict[str, Any]:
        """The public fields of `collect --json`."""
        return self._need_tally().fields(report)

    def lines(self, report: Report) -> list[str]:
        """What came of each agent's logs, and what each agent used."""
        lines = [_described(source, self._verb) for source in report.sources]
        return [*lines, *(self._tally.lines() if self._tally else [])]


def _remarks(report: Report, where: str = "") -> Iterator[str]:
    yield from report.notes
    for source in report.sources:
        if source.unpriced_models:
            yield f"{source.name}: no price is known for {', '.join(source.unpriced_models)}"
    if report.trouble:
        yield f"{where}not recorded just now: {report.trouble}"


def _described(source: SourceTotal, verb: str) -> str:
    beside = ", ".join(f"{count(number)} {what}" for what, number in source.beside)
    said = f"{source.name}: {plural(source.calls, 'call')} {verb} from {plural(source.files, 'log')}"
    return f"{said} ({beside})" if beside else said
