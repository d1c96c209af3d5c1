"""`budgauge export`: every call that counts, streamed in constant memory, as CSV or JSON lines."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

import click

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Usage
from budgauge.cli.options import common, load_config, note
from budgauge.cli.since import FORMS, parse_moment
from budgauge.config.load import Options
from budgauge.errors import ConfigError
from budgauge.ledger.ledger import Ledger
from budgauge.text import plural, safe

_Writer = Callable[[Usage], None]

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_PARTS = ("cached_tokens", "cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens")
_TEXTS = ("id", "session", "project", "source")
_CHARGES = ("service_tier", "speed", "inference_geo")
COLUMNS = ("timestamp", "time", "agent_id", "model", *_COUNTS, *_PARTS, *_TEXTS, *_CHARGES, "web_search_requests")


@click.command()
@click.option("--format", "form", required=True, type=click.Choice(["csv", "jsonl"]), help="CSV, or JSON lines.")
@click.option("--since", metavar="DATE", help="Only calls from then on: 2026-11-01, today, yesterday or 7d.")
@common
def export_command(options: Options, form: str, since: str | None) -> None:
    """Print every counted call, resets or not, in the order of the ledger.

    JSON lines keep every field of the ledger. CSV texts are made safe for terminals and spreadsheets.
    A date without a zone is local time.
    """
    begin = _begin(since)
    path = load_config(options).ledger.path
    calls = Calls(path)
    # One stream for all lines keeps their order, and a reader that closes the pipe ends the program quietly.
    if sys.stdout is None:  # closed before the program began: nobody reads
        return
    write = _csv_writer(sys.stdout) if form == "csv" else _json_writer(sys.stdout)
    for call in calls:
        if begin is None or call.timestamp >= begin:
            write(call)
    if not calls.ledger.exists:
        note(f"{path}: no file yet; nothing was recorded")
    if calls.set_aside:
        note(f"{plural(calls.set_aside, 'line')} skipped; to see them: budgauge doctor")


def _begin(since: str | None) -> float | None:
    moment = None if since is None else parse_moment(since, time.time())
    if since is not None and moment is None:
        raise ConfigError(f"--since {since}: must be {FORMS}")
    return moment


class Calls:
    """A ledger's counted calls, read block by block: every id once, resets or not."""

    def __init__(self, path: Path) -> None:
        self._calls: list[Usage] = []
        self.ledger = Ledger(path, listener=self)

    @property
    def set_aside(self) -> int:
        """The number of lines skipped so far: no record, or a record that does not count."""
        return self.ledger.fault_count + sum(self.ledger.totals.seen.set_aside.values())

    def __iter__(self) -> Iterator[Usage]:
        """Yield the calls. Raises LedgerReadError."""
        for _ in self.ledger.read_blocks():
            calls, self._calls = self._calls, []
            yield from calls

    def begin_anew(self) -> None:
        """Do nothing: a ledger that is read once is not read afresh."""

    def counted(self, calls: Sequence[Usage]) -> None:
        """Keep calls until they are printed."""
        self._calls += calls

    def dropped(self, call: Usage, *, is_conflict: bool) -> None:
        """Do nothing: copies are not printed."""


def _json_writer(out: IO[str]) -> _Writer:
    slow = json.JSONEncoder(separators=(",", ":")).encode

    def write(call: Usage) -> None:
        if type(call) is Usage:
            line = encode(call)
            # Most lines need no escape; the ledger's codec takes half the time.
            if line.isascii() and b"\x7f" not in line:
                out.write(line.decode())
                return
        values = {field: getattr(call, field) for field in call.__struct_fields__}
        out.write(slow({key: value for key, value in values.items() if value is not None}) + "\n")

    return write


def _csv_writer(out: IO[str]) -> _Writer:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)

    def write(call: Usage) -> None:
        total = max(call.total_tokens, call.prompt_tokens + call.completion_tokens)
        rows.writerow(
            [call.timestamp, datetime.fromtimestamp(call.timestamp, timezone.utc).isoformat(), _cell(call.agent_id)]
            + [_cell(call.model), call.prompt_tokens, call.completion_tokens, total]
            + [getattr(call, field) or 0 for field in _PARTS]
            + [_cell(getattr(call, field)) for field in (*_TEXTS, *_CHARGES)]
            + [call.web_search_requests or 0]
        )

    return write


def _cell(text: str | None) -> str:
    """Return a text safe for terminals, and never a spreadsheet's formula."""
    if text is None:
        return ""
    clean = safe(text)
    return "'" + clean if clean[:1] in ("=", "+", "-", "@") else clean
