"""Everything there is to know of one agent or family, as one long text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec
from rich.cells import set_cell_size
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style

from budgauge.accounting.family import families_of
from budgauge.accounting.forecast import Runaway, last_minutes, rates, reached, runaway
from budgauge.accounting.limits import Severity, reaches_at
from budgauge.accounting.records import Usage
from budgauge.accounting.usage_by_minute import Pairs
from budgauge.config.name import same_name
from budgauge.monitor.drawing.bar import limit_bar
from budgauge.monitor.drawing.chart import columns
from budgauge.monitor.drawing.outlook import between
from budgauge.monitor.drawing.sign import GLYPHS, state_word
from budgauge.monitor.drawing.when import ago, span, stamp
from budgauge.monitor.drawing.wrap import wrap
from budgauge.monitor.language import dollars, mark, tr, trn
from budgauge.monitor.order import Source, name_of
from budgauge.monitor.rows import shown_name
from budgauge.monitor.widgets.drawing import Drawing, Piece, in_order
from budgauge.monitor.widgets.rate import longer_rates
from budgauge.status.snapshot import Snapshot, fold_family, limited
from budgauge.text import count, fit, percent, percent_of, safe, short, width
from budgauge.views.live import View
from budgauge.views.scan import AgentReport, PriceRow

_CHART_MINUTES = 60
_CHART_LINES = 4
_BAR_CELLS = 24


class LimitFace(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that holds for the agent: its own, a family's, or the total."""

    name: str
    used: int
    limit: int
    state: Severity
    outlook: str
    """When its threshold and its end are reached; empty where there is too little to say."""


class DossierFace(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown."""

    source: Source | None
    share: float
    """Percent of everyone's total that it used."""
    """None if nothing is known of it any more."""
    limits: tuple[LimitFace, ...]
    threshold: float
    """Percent."""
    rate: str
    runaway: str
    """How far its rate has left its own past behind; empty where it has not."""
    minutes: tuple[int, ...]
    age: str
    report: AgentReport | None
    trouble: str


def dossier_face(
    view: View, now: float, key: str, *, is_family: bool, report: AgentReport | None, trouble: str
) -> DossierFace:
    """What there is to show at a moment (unix seconds)."""
    snapshot = view.snapshot
    source = _source(snapshot, now, key, is_family=is_family)
    minutes = source.minutes if source else ()
    found, away = rates(minutes, now), runaway(minutes, now)
    return DossierFace(
        source=source,
        share=snapshot.share(source.used) if source else 0.0,
        limits=tuple(_limits(snapshot, now, key, source, is_family=is_family)),
        threshold=snapshot.warning_threshold,
        rate=tr("1 min {one} · {longer}", one=short(round(found.one)), longer=longer_rates(found)),
        runaway=_runaway_words(away),
        minutes=last_minutes(minutes, now, _CHART_MINUTES),
        age=ago(now - source.last_used) if source and source.last_used is not None else "",
        report=report,
        trouble=trouble,
    )


def _source(snapshot: Snapshot, now: float, key: str, *, is_family: bool) -> Source | None:
    if is_family:
        known = next((row for row in snapshot.families if row.family == key), None)
        members = [] if known else [row for row in snapshot.agents if key in families_of(same_name(row.agent_id))]
        return known or (
            fold_family(key, members, None, snapshot.warning_threshold, int(now // 60)) if members else None
        )
    return next((row for row in snapshot.agents if row.agent_id == key), None)


def _limits(snapshot: Snapshot, now: float, key: str, source: Source | None, *, is_family: bool) -> Iterator[LimitFace]:
    """In the order in which the rules look at them."""
    around = list(families_of(same_name(key.removesuffix("/*") if is_family else key)))
    families = {row.family: row for row in snapshot.families}
    own = [] if source is None or is_family else [source]
    for row in (*own, *(families[family] for family in around if family in families)):
        if row.limit is not None and row.remaining is not None:
            yield LimitFace(
                name=shown_name(name_of(row)),
                used=limited(row),
                limit=row.limit,
                state=row.state,
                outlook=_outlook(row.minutes, now, limited(row), row.limit, snapshot.warning_threshold),
            )
    if snapshot.remaining_budget is not None:
        yield LimitFace(
            name=tr("total"),
            used=snapshot.total_used,
            limit=snapshot.total_budget,
            state=snapshot.state,
            outlook=_outlook(
                snapshot.minutes, now, snapshot.total_used, snapshot.total_budget, snapshot.warning_threshold
            ),
        )


def _outlook(minutes: Pairs, now: float, used: int, limit: int, threshold: float) -> str:
    gone = reached(minutes, now, limit - used)
    if gone is None:
        return ""
    words = tr("gone in {gone} ({range})", gone=span(gone.expected), range=between(gone))
    warns = reached(minutes, now, reaches_at(limit, threshold) - used)
    if warns is None:
        return words
    return tr("warns in {span} ({range})", span=span(warns.expected), range=between(warns)) + ", " + words


def _runaway_words(away: Runaway | None) -> str:
    if away is None:
        return ""
    return tr("runaway: {now} a minute, usually {usual}", now=short(round(away.now)), usual=short(round(away.usual)))


class Dossier(Drawing):
    """Sections under each other; the screen scrolls."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "dossier--title",
        "dossier--label",
        "dossier--text",
        "dossier--number",
        "dossier--muted",
        "dossier--ok",
        "dossier--warning",
        "dossier--exceeded",
        "dossier--track",
        "dossier--mark",
        "dossier--chart",
        "dossier--fresh",
        "dossier--cached",
        "dossier--completion",
    }
    DEFAULT_CSS = """
    Dossier {
        width: 100%;
        & .dossier--title { color: $accent; text-style: bold; }
        & .dossier--label { color: $foreground 60%; }
        & .dossier--text { color: $foreground; }
        & .dossier--number { color: $foreground; text-style: bold; }
        & .dossier--muted { color: $foreground 60%; }
        & .dossier--ok { color: $success; }
        & .dossier--warning { color: $warning; text-style: bold; }
        & .dossier--exceeded { color: $error; text-style: bold; }
        & .dossier--track { background: $foreground 12%; }
        & .dossier--mark { color: $warning; background: $foreground 12%; }
        & .dossier--chart { color: $primary 80%; }
        & .dossier--fresh { color: $primary; }
        & .dossier--cached { color: $primary 45%; }
        & .dossier--completion { color: $secondary; }
    }
    """

    face: reactive[DossierFace | None] = reactive(None, init=False, repaint=False)
    """What is shown."""

    def watch_face(self) -> None:
        """Draw it."""
        self.redraw()

    def draw(self, cells: int) -> list[Content]:
        """All sections."""
        face = self.face
        if face is None:
            return []
        lines = [*self._limits(face, cells)]
        if face.source is not None:
            lines += [*self._use(face.source, face.share, face.age, cells), *self._rate(face, cells)]
        lines += self._read(face, cells)
        return lines[1:] if lines and not lines[0].plain else lines

    def _section(self, title: str) -> list[Content]:
        return [Content(""), Content.styled(title, self.part("dossier--title"))]

    def _limits(self, face: DossierFace, cells: int) -> list[Content]:
        lines = self._section(tr("limits"))
        if not face.limits:
            lines.append(
                Content.styled(tr("none: neither its own, nor a family's, nor a total"), self.part("dossier--muted"))
            )
        name_cells = min(32, max((width(limit.name) for limit in face.limits), default=0))
        number_cells = max((len(_fraction(limit)) for limit in face.limits), default=0)
        for limit in face.limits:
            state = self.part(f"dossier--{limit.state}")
            part = limit.used / limit.limit if limit.limit else 1.0
            left = max(0, limit.limit - limit.used)
            pieces: list[Piece] = [
                (GLYPHS[limit.state], state),
                (set_cell_size(fit(limit.name, name_cells), name_cells), self.part("dossier--text")),
                (f"{_fraction(limit):>{number_cells}}", self.part("dossier--number")),
            ]
            line = in_order(pieces, cells, gap=" ")
            share = percent_of(part * 100, limit.limit)
            rest: list[Piece] = [
                *([(share, state)] if share else []),
                (state_word(limit.state), state),
                (tr("{n} left", n=count(left)), self.part("dossier--muted")),
            ]
            # The bar tells nothing that the percentage does not: it is the first to give way.
            if cells - line.cell_length - sum(width(text) + 2 for text, _ in rest[:2]) >= _BAR_CELLS + 2:
                runs = limit_bar(part, _BAR_CELLS, face.threshold / 100)
                line += Content("  ") + Content.assemble(
                    *((text, self._bar_style(kind, limit.state)) for text, kind in runs)
                )
            lines.append(line + Content("  ") + in_order(rest, max(0, cells - line.cell_length - 2)))
            if limit.outlook:
                muted = self.part("dossier--muted")
                lines += [Content.styled("  " + text, muted) for text in wrap(limit.outlook, max(1, cells - 2), 2)]
        return lines

    def _bar_style(self, kind: str, state: Severity) -> Style:
        fill, track = self.part(f"dossier--{state}"), self.part("dossier--track")
        if kind == "mark":
            return self.part("dossier--mark")
        if kind in ("fill", "mark-filled"):
            return fill if kind == "fill" else Style(foreground=track.foreground, background=fill.foreground)
        return Style(foreground=fill.foreground, background=track.background)

    def _use(self, source: Source, share: float, age: str, cells: int) -> list[Content]:
        label, number = self.part("dossier--label"), self.part("dossier--number")
        facts = [
            (tr("used"), count(source.used)),
            (tr("of everyone's"), percent(share)),
            (tr("held"), count(source.reserved)),
            (tr("calls"), count(source.calls)),
            (tr("cost"), dollars(source.cost_usd)),
            (tr("last"), age or tr("never")),
        ]
        lines = self._section(tr("use"))
        pieces = [Content.assemble((name + " ", label), (value, number)) for name, value in facts]
        lines += _flowed(pieces, cells)
        fresh = max(0, source.prompt_tokens - source.cached_tokens)
        parts = [
            (tr("fresh prompt"), fresh, "fresh"),
            (tr("cached prompt"), source.cached_tokens, "cached"),
            (tr("completion"), source.completion_tokens, "completion"),
        ]
        whole = sum(tokens for _, tokens, _ in parts)
        if whole:
            bar = Content("").join(
                Content.styled("█" * size, self.part(f"dossier--{kind}"))
                for size, (_, _, kind) in zip(_shares([tokens for _, tokens, _ in parts], cells), parts, strict=True)
            )
            legend = [
                Content.assemble(
                    ("█ ", self.part(f"dossier--{kind}")),
                    (name + " ", label),
                    (count(tokens), number),
                    (f" {percent(tokens * 100 / whole)}", label),
                )
                for name, tokens, kind in parts
            ]
            lines += [bar, *_flowed(legend, cells)]
        return lines

    def _rate(self, face: DossierFace, cells: int) -> list[Content]:
        lines = self._section(tr("tokens a minute"))
        pieces = [(face.rate, self.part("dossier--text"))]
        if face.runaway:
            pieces.append((f"↑ {face.runaway}", self.part("dossier--warning")))
        lines.append(in_order(pieces, cells))
        if any(face.minutes):
            each = max(1, min(4, cells // _CHART_MINUTES))
            shown = face.minutes[-(cells // each) :]
            for chart in columns(shown, _CHART_LINES):
                lines.append(Content.styled("".join(char * each for char in chart), self.part("dossier--chart")))
            scale = tr("{n} min ago", n=len(shown))
            now = tr("peak {n}", n=short(max(shown))) + "  " + tr("now")
            gap = len(shown) * each - width(scale) - width(now)
            lines.append(Content.styled(scale + " " * max(1, gap) + now, self.part("dossier--label")))
        return lines

    def _read(self, face: DossierFace, cells: int) -> list[Content]:
        """What a reading of the whole ledger says."""
        muted, report = self.part("dossier--muted"), face.report
        if face.trouble:
            told = wrap(safe(face.trouble), cells, 4)
            return [
                *self._section(tr("the ledger")),
                *(Content.styled(line, self.part("dossier--exceeded")) for line in told),
            ]
        if report is None:
            return [*self._section(tr("the ledger")), Content.styled(tr("Reading it …"), muted)]
        models = [
            (safe(row.model), count(row.used), count(row.prompt_tokens), count(row.cached_tokens),
             count(row.completion_tokens), dollars(row.cost_usd))
            for row in report.models
        ]  # fmt: skip
        lines = self._section(tr("by model"))
        lines += self._table(_MODEL_HEADS, models, cells)
        lines += self._section(tr("why these numbers"))
        lines += [Content.styled(fit(text, cells), muted) for text in _why(report)]
        lines += self._section(
            trn("the last call, reset or not", "the last {n} calls, reset or not", len(report.calls))
        )
        lines += self._table(_CALL_HEADS, [_call(usage) for usage in report.calls], cells)
        return lines

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], cells: int) -> list[Content]:
        """Columns as wide as they need to be; the last ones are left out where there is no room."""
        shown = tuple(map(tr, heads))
        widths = [max(map(width, column)) for column in zip(shown, *rows, strict=True)]
        widths[0] = min(widths[0], max(12, cells // 3))
        number = len(heads)
        while number > 2 and sum(widths[:number]) + 2 * (number - 1) > cells:
            number -= 1
        lines = [Content.styled(_line(shown[:number], widths, heads), self.part("dossier--label"))]
        text = self.part("dossier--text")
        return [*lines, *(Content.styled(_line(row[:number], widths, heads), text) for row in rows)]


_LEFT = frozenset({"model", "time", "from"})
_MODEL_HEADS = (
    *(mark("model"), mark("used"), mark("prompt"), mark("cached")),
    *(mark("completion"), mark("cost")),
)
_CALL_HEADS = (mark("time"), "model", mark("total"), "prompt", "cached", "completion", mark("from"))


def _line(row: Sequence[str], widths: Sequence[int], heads: Sequence[str]) -> str:
    parts = []
    for text, cells, head in zip(row, widths, heads, strict=False):
        fitted = fit(text, cells)
        parts.append(set_cell_size(fitted, cells) if head in _LEFT else " " * (cells - width(fitted)) + fitted)
    return "  ".join(parts)


def _call(usage: Usage) -> tuple[str, ...]:
    return (
        stamp(usage.timestamp)[:19],
        safe(usage.model),
        count(max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)),
        count(usage.prompt_tokens),
        count(usage.cached_tokens or 0),
        count(usage.completion_tokens),
        safe(usage.source or "", 20),
    )


def _why(report: AgentReport) -> Iterator[str]:
    yield trn(
        "{n} line of the ledger counted, reset or not", "{n} lines of the ledger counted, reset or not", report.lines
    )
    if report.reset_tokens:
        yield tr("{n} tokens taken away by resets", n=count(report.reset_tokens))
    yield trn(
        "{n} line dropped as a copy: its id had been counted, with the same content",
        "{n} lines dropped as copies: their ids had been counted, with the same content",
        report.copies,
    )
    yield trn(
        "{n} line set aside: a known id with other content, or a second end of a hold",
        "{n} lines set aside: a known id with other content, or a second end of a hold",
        report.set_aside,
    )
    yield trn(
        "{n} line of the whole ledger that is no record; budgauge doctor shows it",
        "{n} lines of the whole ledger that are no records; budgauge doctor shows them",
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


def _fraction(limit: LimitFace) -> str:
    return f"{count(limit.used)} / {count(limit.limit)}"


def _shares(values: Sequence[int], cells: int) -> list[int]:
    """Cells for each of several values: what is not nothing shows, and all together fill the line."""
    whole = sum(values)
    sizes = [max(1, value * cells // whole) if value else 0 for value in values]
    sizes[max(range(len(sizes)), key=sizes.__getitem__)] += cells - sum(sizes)
    return sizes


def _flowed(pieces: Iterable[Content], cells: int) -> list[Content]:
    """Pieces side by side, on as many lines as they need."""
    lines: list[Content] = []
    for piece in pieces:
        if lines and lines[-1].cell_length + 3 + piece.cell_length <= cells:
            lines[-1] = lines[-1] + Content("   ") + piece
        else:
            lines.append(piece)
    return lines
