"""The total: how much of the budget is used, and what is left."""

from __future__ import annotations

from typing import ClassVar

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


class GaugeFace(msgspec.Struct, frozen=True, kw_only=True):
    """What the gauge shows."""

    used: int
    budget: int
    """0 means unlimited."""
    is_default: bool
    refuses: bool = True
    """Did somebody set a budget or a limit? If not, the gate refuses nothing."""
    reserved: int
    percentage: float | None
    threshold: float
    state: Severity
    outlook: tuple[str, ...] = ()
    """When it will be gone, in words, and in fewer."""
    readable: bool = True
    """Can the ledger be read just now? If not, the state is not known."""


def gauge_face(view: View, now: float) -> GaugeFace:
    """The part of a view that the gauge shows at a moment (unix seconds)."""
    snapshot, config = view.snapshot, view.config
    is_set = config.total_budget > 0 and not snapshot.budget_is_default
    return GaugeFace(
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
    """Numbers in full and a bar; a third line with the state where there is room for it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "gauge--number",
        "gauge--muted",
        "gauge--state",
        "gauge--fill",
        "gauge--track",
        "gauge--mark",
        "gauge--mark-filled",
        "gauge--over",
    }
    DEFAULT_CSS = """
    Gauge {
        & .gauge--number { text-style: bold; color: $foreground; }
        & .gauge--muted { color: $foreground 60%; }
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

    face: reactive[GaugeFace | None] = reactive(None, init=False, repaint=False)
    """What is shown; None until the first view."""
    bar_lines: reactive[int] = reactive(1, init=False, repaint=False)
    """How thick the bar is."""
    roomy: reactive[bool] = reactive(False, init=False, repaint=False)
    """Is there room for a line of its own for the state?"""

    foretells: reactive[bool] = reactive(True, init=False, repaint=False)
    """Does it say when the budget will be gone?"""

    def watch_foretells(self) -> None:
        """Draw it."""
        self.redraw()

    def watch_face(self, face: GaugeFace | None) -> None:
        """Draw it."""
        state = face.state if face else "ok"
        self.set_class(face is not None and not face.readable, "-unknown")
        self.set_class(state == "warning", "-warning")
        self.set_class(state == "exceeded", "-exceeded")
        self.redraw()

    def watch_bar_lines(self) -> None:
        """Draw it."""
        self.redraw()

    def watch_roomy(self) -> None:
        """Draw it."""
        self.redraw()

    def draw(self, cells: int) -> list[Content]:
        """Head, bar, and state."""
        face = self.face
        if face is None:
            return [Content.styled(tr("Reading the ledger …"), self.part("gauge--muted"))]
        head = self._roomy_head(face, cells) if self.roomy else self._compact_head(face, cells)
        lines = [*head, *[self._bar(face, cells)] * self.bar_lines]
        return [*lines, self._foot(face, cells)] if self.roomy else lines

    def _outlook(self, room: int) -> str:
        """What is said of when it will be gone, in so many cells."""
        words = self.face.outlook if self.face and self.foretells else ()
        return next((text for text in words if width(text) <= room), "")

    def _roomy_head(self, face: GaugeFace, cells: int) -> list[Content]:
        left = [(fraction(face), self.part("gauge--number"))]
        if face.is_default:
            left.append(("  " + tr("default"), self.part("gauge--muted")))
        if not face.refuses:
            left.append(("  " + tr("gate: no budget"), self.part("gauge--muted")))
        share = percent(face.percentage)
        outlook = self._outlook(cells - sum(width(text) for text, _ in left) - len(share) - 4)
        right = [(f"  {outlook}  ", self.part("gauge--muted")), (share, self.part("gauge--state"))]
        if sum(width(text) for text, _ in left) + width(percent(face.percentage)) + 2 > cells:
            return self._compact_head(face, cells)
        return [spread(left, right, cells)]

    def _compact_head(self, face: GaugeFace, cells: int) -> list[Content]:
        used, _, budget = fraction(face).partition(" / ")
        pieces: list[Piece] = [(fraction(face), self.part("gauge--number"))]
        lines = []
        if width(fraction(face)) + width(percent(face.percentage)) + 4 > cells:
            lines.append(Content.styled(f"{used} /", self.part("gauge--number")))
            pieces = [(budget, self.part("gauge--number"))]
        if face.percentage is not None:
            pieces.append((f"{glyph(face)} {percent(face.percentage)}", self.part("gauge--state")))
        if face.is_default:
            pieces.append((tr("default"), self.part("gauge--muted")))
        if not self.roomy:
            pieces.append((word(face), self.part("gauge--state")))
            full = [*pieces, *self._rest(face, brief=False)]
            fits = _need(full) <= cells
            pieces = full if fits else [*pieces, *self._rest(face, brief=True)]
            outlook = self._outlook(cells - _need(pieces) - 2)
            pieces += [(outlook, self.part("gauge--muted"))] if outlook else []
        if not face.refuses:
            pieces.append((tr("gate: no budget"), self.part("gauge--muted")))
        return [*lines, in_order(pieces, cells)]

    def _rest(self, face: GaugeFace, *, brief: bool) -> list[Piece]:
        muted = self.part("gauge--muted")
        number = short if brief else count
        pieces: list[Piece] = []
        if face.budget:
            over = face.used - face.budget
            text = tr("{n} over", n=number(over)) if over > 0 else tr("{n} left", n=number(-over))
            pieces.append((text, self.part("gauge--state") if over > 0 else muted))
        if face.reserved:
            pieces.append((tr("{n} reserved", n=number(face.reserved)), muted))
        return pieces

    def _foot(self, face: GaugeFace, cells: int) -> Content:
        left = [(f"{glyph(face)} {word(face)}", self.part("gauge--state"))]
        for text, style in self._rest(face, brief=False):
            left += [("  ", style), (text, style)]
        if not face.budget:
            return spread(left, [], cells)
        text = tr("the budget") if face.used > face.budget else tr("warns at {part}", part=f"{face.threshold:g}%")
        return self._under_mark(face, spread(left, [], cells).rstrip(), text, cells)

    def _under_mark(self, face: GaugeFace, left: Content, text: str, cells: int) -> Content:
        """What the bar's mark means, right under it if there is room, else without a pointer."""
        at = mark_at(face.used / face.budget, cells, face.threshold / 100)
        muted = self.part("gauge--muted")
        for pointed, start in ((f"╵ {text}", at), (f"{text} ╵", at - width(text) - 1)):
            if left.cell_length + 2 <= start and start + width(pointed) <= cells:
                return left.pad_right(start - left.cell_length) + Content.styled(pointed, muted)
        if left.cell_length + 2 + width(text) <= cells:
            return left.pad_right(cells - width(text) - left.cell_length) + Content.styled(text, muted)
        return left

    def _bar(self, face: GaugeFace, cells: int) -> Content:
        if not face.budget:
            return Content.styled("┄" * cells, self.part("gauge--muted"))
        runs = limit_bar(face.used / face.budget, cells, face.threshold / 100)
        return Content.assemble(*((text, self.part(f"gauge--{kind}")) for text, kind in runs))


def _need(pieces: list[Piece]) -> int:
    """Cells of pieces in a line."""
    return sum(width(text) + 2 for text, _ in pieces) - 2


def fraction(face: GaugeFace) -> str:
    """812,000 / 1,000,000."""
    return f"{count(face.used)} / {count(face.budget) if face.budget else tr('unlimited')}"


def glyph(face: GaugeFace) -> str:
    """The state's sign."""
    return GLYPHS[face.state] if face.readable else "?"


def word(face: GaugeFace) -> str:
    """The state in a word."""
    return state_word(face.state) if face.readable else tr("not readable now")
