"""The total's gauge."""

from __future__ import annotations

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.accounting.limits import Severity
from budgauge.monitor.drawing.bar import limit_bar, mark_at
from budgauge.monitor.drawing.outlook import total_outlook
from budgauge.monitor.drawing.sign import GLYPHS, state_word
from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing, Piece, in_order, spread
from budgauge.text import count, percent, short, width
from budgauge.views.live import View


class GaugeViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The gauge's values."""

    used: int
    budget: int
    """0 means unlimited."""
    is_default: bool
    refuses: bool = True
    """Is a budget or a limit set? If not, the gate refuses nothing."""
    reserved: int
    percentage: float | None
    threshold: float
    state: Severity
    outlook: tuple[str, ...] = ()
    """The forecast, from the longest form to the shortest."""
    readable: bool = True
    """Can the ledger be read? If not, the state is unknown."""


def gauge_view_model(view: View, now: float) -> GaugeViewModel:
    """Return the gauge's part of a view at a moment in unix seconds."""
    snapshot, config = view.snapshot, view.config
    is_set = config.total_budget > 0 and not snapshot.budget_is_default
    return GaugeViewModel(
        used=snapshot.total_used,
        budget=snapshot.total_budget,
        is_default=snapshot.budget_is_default,
        refuses=is_set or bool(config.per_agent_limits),
        reserved=snapshot.reserved,
        percentage=snapshot.usage_percentage,
        threshold=snapshot.warning_threshold,
        state=snapshot.state,
        outlook=total_outlook(snapshot, now).words,
        readable=not view.ledger_trouble,
    )


class Gauge(Drawing):
    """Full numbers and a bar; with room, a third line with the state."""

    DEFAULT_CSS = """
    Gauge {
        & .gauge--number { text-style: bold; color: $foreground; }
        & .gauge--state { color: $success; text-style: bold; }
        & .gauge--fill { color: $success; background: $success; }
        & .gauge--track { color: $success; background: $foreground 12%; }
        & .gauge--mark { color: $warning; background: $foreground 12%; text-style: bold; }
        & .gauge--mark-filled { color: $background; background: $success; text-style: bold; }
        & .gauge--over { color: $error; background: $error 35%; }
        &.-unknown {
            .gauge--state, .gauge--number { color: $foreground 60%; }
            .gauge--fill { color: $foreground 40%; background: $foreground 40%; }
        }
        &.-warning {
            .gauge--state { color: $warning; }
            .gauge--fill { color: $warning; background: $warning; }
            .gauge--track { color: $warning; }
            .gauge--mark-filled { background: $warning; }
        }
        &.-exceeded {
            .gauge--state { color: $error; }
            .gauge--fill { color: $error; background: $error; }
            .gauge--mark-filled { color: $background; background: $error; }
        }
    }
    """

    view_model: reactive[GaugeViewModel | None] = reactive(None, init=False)
    bar_lines: reactive[int] = reactive(1, init=False)
    roomy: reactive[bool] = reactive(False, init=False)
    """Does the state have a line of its own?"""

    foretells: reactive[bool] = reactive(True, init=False)
    """Is the forecast shown?"""

    def watch_view_model(self, data: GaugeViewModel | None) -> None:
        """Set the classes of the state."""
        state = data.state if data else "ok"
        self.set_class(data is not None and not data.readable, "-unknown")
        self.set_class(state == "warning", "-warning")
        self.set_class(state == "exceeded", "-exceeded")

    def draw(self, cells: int) -> list[Content]:
        """Return head, bar, and state."""
        data = self.view_model
        if data is None:
            return [Content.styled(tr("Reading the ledger …"), self.part("muted"))]
        head = self._roomy_head(data, cells) if self.roomy else self._compact_head(data, cells)
        lines = [*head, *[self._bar(data, cells)] * self.bar_lines]
        return [*lines, self._foot(data, cells)] if self.roomy else lines

    def _outlook(self, room: int) -> str:
        """Return the longest forecast within some cells."""
        words = self.view_model.outlook if self.view_model and self.foretells else ()
        return next((text for text in words if width(text) <= room), "")

    def _roomy_head(self, data: GaugeViewModel, cells: int) -> list[Content]:
        left = [(fraction(data), self.part("gauge--number"))]
        if data.is_default:
            left.append(("  " + tr("default"), self.part("muted")))
        if not data.refuses:
            left.append(("  " + tr("gate: no budget"), self.part("muted")))
        share = percent(data.percentage)
        outlook = self._outlook(cells - sum(width(text) for text, _ in left) - len(share) - 4)
        right = [(f"  {outlook}  ", self.part("muted")), (share, self.part("gauge--state"))]
        if sum(width(text) for text, _ in left) + width(percent(data.percentage)) + 2 > cells:
            return self._compact_head(data, cells)
        return [spread(left, right, cells)]

    def _compact_head(self, data: GaugeViewModel, cells: int) -> list[Content]:
        used, _, budget = fraction(data).partition(" / ")
        pieces: list[Piece] = [(fraction(data), self.part("gauge--number"))]
        lines = []
        if width(fraction(data)) + width(percent(data.percentage)) + 4 > cells:
            lines.append(Content.styled(f"{used} /", self.part("gauge--number")))
            pieces = [(budget, self.part("gauge--number"))]
        if data.percentage is not None:
            pieces.append((f"{glyph(data)} {percent(data.percentage)}", self.part("gauge--state")))
        if data.is_default:
            pieces.append((tr("default"), self.part("muted")))
        if not self.roomy:
            pieces.append((word(data), self.part("gauge--state")))
            full = [*pieces, *self._rest(data, brief=False)]
            fits = _need(full) <= cells
            pieces = full if fits else [*pieces, *self._rest(data, brief=True)]
            outlook = self._outlook(cells - _need(pieces) - 2)
            pieces += [(outlook, self.part("muted"))] if outlook else []
        if not data.refuses:
            pieces.append((tr("gate: no budget"), self.part("muted")))
        return [*lines, in_order(pieces, cells)]

    def _rest(self, data: GaugeViewModel, *, brief: bool) -> list[Piece]:
        muted = self.part("muted")
        number = short if brief else count
        pieces: list[Piece] = []
        if data.budget:
            over = data.used - data.budget
            text = tr("{n} over", n=number(over)) if over > 0 else tr("{n} left", n=number(-over))
            pieces.append((text, self.part("gauge--state") if over > 0 else muted))
        if data.reserved:
            pieces.append((tr("{n} reserved", n=number(data.reserved)), muted))
        return pieces

    def _foot(self, data: GaugeViewModel, cells: int) -> Content:
        left = [(f"{glyph(data)} {word(data)}", self.part("gauge--state"))]
        for text, style in self._rest(data, brief=False):
            left += [("  ", style), (text, style)]
        if not data.budget:
            return spread(left, [], cells)
        text = tr("the budget") if data.used > data.budget else tr("warns at {part}", part=f"{data.threshold:g}%")
        return self._under_mark(data, spread(left, [], cells).rstrip(), text, cells)

    def _under_mark(self, data: GaugeViewModel, left: Content, text: str, cells: int) -> Content:
        """Add the meaning of the bar's mark: below the mark with a pointer, else at the end."""
        at = mark_at(data.used / data.budget, cells, data.threshold / 100)
        muted = self.part("muted")
        for pointed, start in ((f"╵ {text}", at), (f"{text} ╵", at - width(text) - 1)):
            if left.cell_length + 2 <= start and start + width(pointed) <= cells:
                return left.pad_right(start - left.cell_length) + Content.styled(pointed, muted)
        if left.cell_length + 2 + width(text) <= cells:
            return left.pad_right(cells - width(text) - left.cell_length) + Content.styled(text, muted)
        return left

    def _bar(self, data: GaugeViewModel, cells: int) -> Content:
        if not data.budget:
            return Content.styled("┄" * cells, self.part("muted"))
        runs = limit_bar(data.used / data.budget, cells, data.threshold / 100)
        return Content.assemble(*((text, self.part(f"gauge--{kind}")) for text, kind in runs))


def _need(pieces: list[Piece]) -> int:
    """Return the cells of pieces in a line."""
    return sum(width(text) + 2 for text, _ in pieces) - 2


def fraction(data: GaugeViewModel) -> str:
    """Return used and budget: 812,000 / 1,000,000."""
    return f"{count(data.used)} / {count(data.budget) if data.budget else tr('unlimited')}"


def glyph(data: GaugeViewModel) -> str:
    """Return the state's sign."""
    return GLYPHS[data.state] if data.readable else "?"


def word(data: GaugeViewModel) -> str:
    """Return the state in a word."""
    return state_word(data.state) if data.readable else tr("not readable now")
