"""The cost so far, and of the whole budget."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.language import dollars, tr
from budgauge.monitor.widgets.drawing import Drawing, spread
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, safe, short, width


class CostViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The panel's texts: only a visible change makes a new value."""

    sums: tuple[tuple[str, str], ...]
    """(label, cost), the cost so far first."""
    models: tuple[tuple[str, str, str], ...]
    """(model, tokens, cost), most used first."""
    unpriced: str
    """The number of unpriced tokens and their models; empty if there are none."""


def cost_view_model(snapshot: Snapshot) -> CostViewModel:
    """Return the panel's part of a snapshot."""
    untracked = tr("with {part} untracked", part=f"{snapshot.untracked_buffer:g}%")
    return CostViewModel(
        sums=(
            (tr("so far"), dollars(snapshot.cost.total_usd)),
            (untracked, dollars(snapshot.cost.upper_usd)),
            (tr("whole budget"), _whole(snapshot)),
        ),
        models=tuple((safe(row.model), short(row.used), dollars(row.cost_usd)) for row in snapshot.models),
        unpriced=unpriced_text(snapshot),
    )


def _whole(snapshot: Snapshot) -> str:
    if not snapshot.total_budget:
        return tr("unlimited")
    if snapshot.cost.budget_usd is None:
        return tr("unknown") if snapshot.total_used else tr("not known yet")
    return dollars(snapshot.cost.budget_usd)


def unpriced_text(snapshot: Snapshot) -> str:
    """Return the number of unpriced tokens and their models; empty if there are none."""
    tokens = snapshot.cost.unpriced_tokens
    if not tokens:
        return ""
    names = ", ".join(safe(row.unpriced, 40) for row in snapshot.models if row.unpriced)
    return tr("{n} tokens unpriced: {models}", n=count(tokens), models=names)


def cost_line(total: Decimal | None, upper: Decimal | None) -> str:
    """Return the cost in a few words."""
    if upper is None or upper == total:
        return tr("cost {cost}", cost=dollars(total))
    return tr("cost {cost}, up to {upper}", cost=dollars(total), upper=dollars(upper))


class CostPanel(Drawing):
    """Three sums, then as many models as room permits."""

    DEFAULT_CSS = """
    CostPanel {
        & .cost--rule { color: $foreground 18%; }
        & .cost--unknown { color: $text-warning; }
    }
    """

    view_model: reactive[CostViewModel | None] = reactive(None, init=False)

    def draw(self, cells: int) -> list[Content]:
        """Return as many lines as the panel has."""
        data = self.view_model
        if data is None:
            return []
        label = self.part("muted")
        styles = (self.part("number"), label, label)
        lines = [
            spread([(name, label)], [(value, style)], cells)
            for (name, value), style in zip(data.sums, styles, strict=True)
        ]
        room = self.content_size.height - len(lines)
        unpriced = [Content.styled(fit(data.unpriced, cells), self.part("cost--unknown"))] if data.unpriced else []
        if unpriced and room > len(data.models) + 2:
            advice = tr("to set prices: budgauge doctor")
            unpriced.append(Content.styled(fit(advice, cells), label))
        room -= len(unpriced)
        if room > len(data.models) > 0:
            lines.append(Content.styled("─" * cells, self.part("cost--rule")))
            room -= 1
        return [*lines, *self._models(data, cells, room), *unpriced]

    def _models(self, data: CostViewModel, cells: int, room: int) -> list[Content]:
        enough = len(data.models) <= room or room < 2
        shown = data.models[: max(0, room if enough else room - 1)]
        lines = [self._model(model, cells) for model in shown]
        if not enough:
            lines.append(Content.styled(tr("+{n} more models", n=len(data.models) - len(shown)), self.part("muted")))
        return lines

    def _model(self, model: tuple[str, str, str], cells: int) -> Content:
        name, used, cost = model
        pads = [" " * max(0, cells - width(text)) + text for text, cells in ((used, 7), (cost, 10))]
        right = [(text, self.part("muted")) for text in pads]
        return spread([(fit(name, max(4, cells - 17)), self.part("number"))], right, cells)
