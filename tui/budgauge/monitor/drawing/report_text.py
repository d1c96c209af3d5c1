"""An agent's report as text: models, latest calls, and the ledger's lines behind the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from budgauge.monitor.drawing.time_text import stamp
from budgauge.monitor.drawing.wrap import placed
from budgauge.monitor.language import dollars, mark, tr, trn
from budgauge.text import count, safe, width
from budgauge.views.scan import AgentReport, PriceRow

_LEFT_ALIGNED = frozenset({"model", "time", "from"})
_MODEL_HEADS = (
    *(mark("model"), mark("used"), mark("prompt"), mark("cached")),
    *(mark("completion"), mark("cost")),
)
_CALL_HEADS = (mark("time"), "model", mark("total"), "prompt", "cached", "completion", mark("from"))


def model_table(report: AgentReport, cells: int) -> list[str]:
    """Return a head and a line for each model."""
    rows = [
        (safe(row.model), count(row.used), count(row.prompt_tokens), count(row.cached_tokens),
         count(row.completion_tokens), dollars(row.cost_usd))
        for row in report.models
    ]  # fmt: skip
    return _table(_MODEL_HEADS, rows, cells)


def call_table(report: AgentReport, cells: int) -> list[str]:
    """Return a head and a line for each of the latest calls."""
    rows = [
        (stamp(call.timestamp)[:19], safe(call.model),
         count(max(call.total_tokens, call.prompt_tokens + call.completion_tokens)), count(call.prompt_tokens),
         count(call.cached_tokens or 0), count(call.completion_tokens), safe(call.source or "", 20))
        for call in report.calls
    ]  # fmt: skip
    return _table(_CALL_HEADS, rows, cells)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], cells: int) -> list[str]:
    """Return columns as wide as their texts; the last columns are left out where there is no room."""
    shown = tuple(map(tr, heads))
    widths = [max(map(width, column)) for column in zip(shown, *rows, strict=True)]
    widths[0] = min(widths[0], max(12, cells // 3))
    number = len(heads)
    while number > 2 and sum(widths[:number]) + 2 * (number - 1) > cells:
        number -= 1
    rights = [head not in _LEFT_ALIGNED for head in heads[:number]]
    return ["  ".join(map(placed, row[:number], widths, rights)) for row in (shown, *rows)]


def explanation(report: AgentReport) -> Iterator[str]:
    """Yield sentences on the ledger's lines behind an agent's numbers, and the prices of its models."""
    yield trn(
        "{n} line of the ledger counted, reset or not", "{n} lines of the ledger counted, reset or not", report.lines
    )
    if report.reset_tokens:
        yield tr("{n} tokens taken away by resets", n=count(report.reset_tokens))
    yield trn(
        "{n} duplicate skipped: the same id with the same content",
        "{n} duplicates skipped: the same id with the same content",
        report.copies,
    )
    yield trn(
        "{n} line skipped: a known id with other content, or a reservation settled twice",
        "{n} lines skipped: a known id with other content, or a reservation settled twice",
        report.set_aside,
    )
    yield trn(
        "{n} line in the whole ledger is no record; budgauge doctor shows it",
        "{n} lines in the whole ledger are no records; budgauge doctor shows them",
        report.unreadable,
    )
    yield from map(_price, report.prices)


def _price(row: PriceRow) -> str:
    name = f"{safe(row.model, 40)}, {trn('{n} call', '{n} calls', row.calls)}"
    if row.rates is None:
        return tr("{calls}: no price is known", calls=name)
    rates = row.rates
    above = tr(", prompts over {n}", n=count(row.above)) if row.above else ""
    start = tr(", from {day} on", day=stamp(row.start)[:10]) if row.start else ""
    return tr(
        "{calls}: input ${input}, cached ${cached}, output ${output} a million ({where})",
        calls=name,
        input=_plain(rates.input),
        cached=_plain(rates.cache_read),
        output=_plain(rates.output),
        where=f"{row.origin}{above}{start}",
    )


def _plain(rate: Decimal) -> str:
    return f"{rate.normalize():f}"
