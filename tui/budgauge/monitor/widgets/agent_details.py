"""One agent or family in detail, as one long text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style

from budgauge.accounting.family import families_of
from budgauge.accounting.forecast import Spike, last_minutes, rates, reached, spike
from budgauge.accounting.limits import Severity, reaches_at
from budgauge.accounting.usage_by_minute import Pairs
from budgauge.config.name import same_name
from budgauge.monitor.drawing.bar import limit_bar
from budgauge.monitor.drawing.chart import columns
from budgauge.monitor.drawing.outlook import between
from budgauge.monitor.drawing.report_text import call_table, explanation, model_table
from budgauge.monitor.drawing.sign import GLYPHS, state_word
from budgauge.monitor.drawing.time_text import ago, span
from budgauge.monitor.drawing.wrap import placed, wrap
from budgauge.monitor.language import dollars, tr, trn
from budgauge.monitor.rows import shown_name
from budgauge.monitor.widgets.drawing import Drawing, Piece, in_order
from budgauge.monitor.widgets.rate import longer_rates
from budgauge.status.family_sum import FamilySum
from budgauge.status.row import UsageRow
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, percent, percent_of, safe, short, width
from budgauge.views.live import View
from budgauge.views.scan import AgentReport

_CHART_MINUTES = 60
_CHART_LINES = 4
_BAR_CELLS = 24


class LimitViewModel(msgspec.Struct, frozen=True):
    """A limit on the agent: its own, a family's, or the total."""

    name: str
    used: int
    limit: int
    state: Severity
    outlook: str
    """The forecast of threshold and end; empty where unknown."""


class AgentDetailsViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The values shown by `AgentDetails`."""

    source: UsageRow | None
    """None for an agent that has no row any more."""
    share: float
    """Percent of everyone's total."""
    limits: tuple[LimitViewModel, ...]
    threshold: float
    """Percent."""
    rate: str
    spike: str
    """The spike in words; empty without one."""
    minutes: tuple[int, ...]
    age: str
    report: AgentReport | None
    trouble: str


def agent_details_view_model(
    view: View, now: float, key: str, *, is_family: bool, report: AgentReport | None, trouble: str
) -> AgentDetailsViewModel:
    """Return the values to show at a moment in unix seconds."""
    snapshot = view.snapshot
    source = _source(snapshot, now, key, is_family=is_family)
    minutes = source.minutes if source else ()
    found = rates(minutes, now)
    return AgentDetailsViewModel(
        source=source,
        share=snapshot.share(source.used) if source else 0.0,
        limits=tuple(_limits(snapshot, now, key, source, is_family=is_family)),
        threshold=snapshot.warning_threshold,
        rate=tr("1 min {one} · {longer}", one=short(round(found.one)), longer=longer_rates(found)),
        spike=_spike_words(spike(minutes, now)),
        minutes=last_minutes(minutes, now, _CHART_MINUTES),
        age=ago(now - source.last_used) if source and source.last_used is not None else "",
        report=report,
        trouble=trouble,
    )


def _source(snapshot: Snapshot, now: float, key: str, *, is_family: bool) -> UsageRow | None:
    if is_family:
        known = next((row for row in snapshot.families if row.family == key), None)
        members = [] if known else [row for row in snapshot.agents if key in families_of(same_name(row.agent_id))]
        if known or not members:
            return known
        return FamilySum(members).row(key, None, snapshot.warning_threshold, int(now // 60))
    return next((row for row in snapshot.agents if row.agent_id == key), None)


def _limits(
    snapshot: Snapshot, now: float, key: str, source: UsageRow | None, *, is_family: bool
) -> Iterator[LimitViewModel]:
    """Yield the limits in the order of the rules."""
    around = list(families_of(same_name(key.removesuffix("/*") if is_family else key)))
    families = {row.family: row for row in snapshot.families}
    own = [] if source is None or is_family else [source]
    rows = (*own, *(families[family] for family in around if family in families))
    limits = [(shown_name(row.key), row.limited, row.limit, row.state, row.minutes) for row in rows]
    limits.append((tr("total"), snapshot.total_used, snapshot.total_budget or None, snapshot.state, snapshot.minutes))
    for name, used, limit, state, minutes in limits:
        if limit is not None:
            outlook = _outlook(minutes, now, used, limit, snapshot.warning_threshold)
            yield LimitViewModel(name, used, limit, state, outlook)


def _outlook(minutes: Pairs, now: float, used: int, limit: int, threshold: float) -> str:
    gone = reached(minutes, now, limit - used)
    if gone is None:
        return ""
    words = tr("gone in {gone} ({range})", gone=span(gone.expected), range=between(gone))
    warns = reached(minutes, now, reaches_at(limit, threshold) - used)
    if warns is None:
        return words
    first = tr("warns in {span} ({range})", span=span(warns.expected), range=between(warns))
    return tr("{one}, {other}", one=first, other=words)


def _spike_words(found: Spike | None) -> str:
    if found is None:
        return ""
    return tr("spike: {now} a minute, usually {usual}", now=short(round(found.now)), usual=short(round(found.usual)))


class AgentDetails(Drawing):
    """Sections below each other; the screen scrolls."""

    DEFAULT_CSS = """
    AgentDetails {
        width: 100%;
        & .details--track { background: $foreground 12%; }
        & .details--mark { color: $warning; background: $foreground 12%; }
        & .details--chart { color: $primary 80%; }
        & .details--fresh { color: $primary; }
        & .details--cached { color: $primary 45%; }
        & .details--completion { color: $secondary; }
    }
    """

    view_model: reactive[AgentDetailsViewModel | None] = reactive(None, init=False)

    def draw(self, cells: int) -> list[Content]:
        """Return the lines of all sections."""
        data = self.view_model
        if data is None:
            return []
        lines = [*self._limits(data, cells)]
        if data.source is not None:
            lines += [
                *self._use(data.source, data.share, data.age, cells),
                *self._rate(data, cells),
            ]
        lines += self._ledger(data, cells)
        return lines[1:] if lines and not lines[0].plain else lines

    def _section(self, title: str) -> list[Content]:
        return [Content(""), Content.styled(title, self.part("title"))]

    def _limits(self, data: AgentDetailsViewModel, cells: int) -> list[Content]:
        lines = self._section(tr("limits"))
        if not data.limits:
            lines.append(Content.styled(tr("none: no limit of its own, of a family, or in total"), self.part("muted")))
        name_cells = min(32, max((width(limit.name) for limit in data.limits), default=0))
        number_cells = max((len(_fraction(limit)) for limit in data.limits), default=0)
        for limit in data.limits:
            state = self.part(limit.state)
            part = limit.used / limit.limit if limit.limit else 1.0
            left = max(0, limit.limit - limit.used)
            pieces: list[Piece] = [
                (GLYPHS[limit.state], state),
                (placed(limit.name, name_cells), self.part("text")),
                (f"{_fraction(limit):>{number_cells}}", self.part("number")),
            ]
            line = in_order(pieces, cells, gap=" ")
            share = percent_of(part * 100, limit.limit)
            rest: list[Piece] = [
                *([(share, state)] if share else []),
                (state_word(limit.state), state),
                (tr("{n} left", n=count(left)), self.part("muted")),
            ]
            # The bar repeats the percentage: the bar gives way first.
            if cells - line.cell_length - sum(width(text) + 2 for text, _ in rest[:2]) >= _BAR_CELLS + 2:
                runs = limit_bar(part, _BAR_CELLS, data.threshold / 100)
                line += Content("  ") + Content.assemble(
                    *((text, self._bar_style(kind, limit.state)) for text, kind in runs)
                )
            lines.append(line + Content("  ") + in_order(rest, max(0, cells - line.cell_length - 2)))
            if limit.outlook:
                outlook = wrap(limit.outlook, max(1, cells - 2), 2)
                lines += self._styled(["  " + text for text in outlook], "muted")
        return lines

    def _bar_style(self, kind: str, state: Severity) -> Style:
        fill, track = self.part(state), self.part("details--track")
        if kind == "mark":
            return self.part("details--mark")
        if kind in ("fill", "mark-filled"):
            return fill if kind == "fill" else Style(foreground=track.foreground, background=fill.foreground)
        return Style(foreground=fill.foreground, background=track.background)

    def _use(self, source: UsageRow, share: float, age: str, cells: int) -> list[Content]:
        label, number = self.part("muted"), self.part("number")
        facts = [
            (tr("used"), count(source.used)),
            (tr("of everyone's"), percent(share)),
            (tr("reserved"), count(source.reserved)),
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
                Content.styled("█" * size, self.part(f"details--{kind}"))
                for size, (_, _, kind) in zip(_shares([tokens for _, tokens, _ in parts], cells), parts, strict=True)
            )
            legend = [
                Content.assemble(
                    ("█ ", self.part(f"details--{kind}")),
                    (name + " ", label),
                    (count(tokens), number),
                    (f" {percent(tokens * 100 / whole)}", label),
                )
                for name, tokens, kind in parts
            ]
            lines += [bar, *_flowed(legend, cells)]
        return lines

    def _rate(self, data: AgentDetailsViewModel, cells: int) -> list[Content]:
        lines = self._section(tr("tokens a minute"))
        pieces = [(data.rate, self.part("text"))]
        if data.spike:
            pieces.append((f"↑ {data.spike}", self.part("warning")))
        lines.append(in_order(pieces, cells))
        if any(data.minutes):
            each = max(1, min(4, cells // _CHART_MINUTES))
            shown = data.minutes[-(cells // each) :]
            for chart in columns(shown, _CHART_LINES):
                lines.append(Content.styled("".join(char * each for char in chart), self.part("details--chart")))
            scale = tr("{n} min ago", n=len(shown))
            now = tr("peak {n}", n=short(max(shown))) + "  " + tr("now")
            gap = len(shown) * each - width(scale) - width(now)
            lines.append(Content.styled(scale + " " * max(1, gap) + now, self.part("muted")))
        return lines

    def _ledger(self, data: AgentDetailsViewModel, cells: int) -> list[Content]:
        """Draw the report on the whole ledger."""
        muted, report = self.part("muted"), data.report
        if data.trouble:
            lines = wrap(safe(data.trouble), cells, 4)
            return [*self._section(tr("the ledger")), *self._styled(lines, "exceeded")]
        if report is None:
            return [*self._section(tr("the ledger")), Content.styled(tr("Reading it …"), muted)]
        calls = trn("the last call, reset or not", "the last {n} calls, reset or not", len(report.calls))
        return [
            *self._section(tr("by model")),
            *self._table(model_table(report, cells)),
            *self._section(tr("why these numbers")),
            *self._styled([fit(text, cells) for text in explanation(report)], "muted"),
            *self._section(calls),
            *self._table(call_table(report, cells)),
        ]

    def _table(self, lines: list[str]) -> list[Content]:
        return [*self._styled(lines[:1], "muted"), *self._styled(lines[1:], "text")]

    def _styled(self, lines: Iterable[str], part: str) -> list[Content]:
        return [Content.styled(line, self.part(part)) for line in lines]


def _fraction(limit: LimitViewModel) -> str:
    return f"{count(limit.used)} / {count(limit.limit)}"


def _shares(values: Sequence[int], cells: int) -> list[int]:
    """Return cells for each value: at least one for any use, together the whole line."""
    whole = sum(values)
    sizes = [max(1, value * cells // whole) if value else 0 for value in values]
    sizes[max(range(len(sizes)), key=sizes.__getitem__)] += cells - sum(sizes)
    return sizes


def _flowed(pieces: Iterable[Content], cells: int) -> list[Content]:
    """Return pieces side by side, on as many lines as needed."""
    lines: list[Content] = []
    for piece in pieces:
        if lines and lines[-1].cell_length + 3 + piece.cell_length <= cells:
            lines[-1] = lines[-1] + Content("   ") + piece
        else:
            lines.append(piece)
    return lines
