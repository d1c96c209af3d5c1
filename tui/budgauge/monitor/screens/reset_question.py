"""The question before a reset."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from budgauge.monitor.drawing.time_text import day
from budgauge.monitor.keys import bound
from budgauge.monitor.language import dollars, mark, tr
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, safe, width

_ARROWS = "left,right,up,down"
_NOTE = mark("The ledger keeps every line. u undoes a reset. Calls recorded later count, whenever they were made.")


class ResetQuestion(ModalScreen[bool]):
    """A question before a reset; True means yes. No is focused; Esc is no."""

    AUTO_FOCUS = "#no"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (14, "-tall")]  # noqa: RUF012  # declared by Screen
    BINDINGS: ClassVar[list[BindingType]] = [
        bound("y", "answer(True)", "reset.yes", mark("Yes"), mark("Reset the counters")),
        bound("n,escape", "answer(False)", "reset.no", mark("No"), mark("Leave everything as it is")),
        bound(_ARROWS, "app.focus_next", "reset.other", mark("Other"), mark("The other answer"), show=False),
    ]

    def __init__(self, snapshot: Snapshot, agent_id: str | None = None) -> None:
        """Ask about one agent, or everyone."""
        super().__init__()
        self._snapshot = snapshot
        self._agent_id = agent_id
        self._facts: list[Static] = []

    def compose(self) -> ComposeResult:
        """Yield the question, its facts, and the two answers."""
        with VerticalScroll(id="question", can_focus=False) as box:
            box.border_title = tr("reset")
            everyone = self._agent_id is None
            ask = tr("Set all counters back to zero?") if everyone else tr("Set this agent's counters back to zero?")
            yield Static(Content(ask), id="ask")
            self._facts = [Static(fact, classes="fact") for fact in self._drawn()]
            yield from self._facts
            yield Static(Content(tr(_NOTE)), id="undo-note")
            with Horizontal(id="answers"):
                yield Button(Content(tr("No (n)")), id="no")
                yield Button(Content(tr("Yes, reset (y)")), id="yes", variant="error")

    def show(self, snapshot: Snapshot) -> None:
        """Bring the facts up to a snapshot."""
        self._snapshot = snapshot
        # Before composition there are no lines yet.
        for line, fact in zip(self._facts, self._drawn(), strict=False):
            line.update(fact)

    def _drawn(self) -> list[Content]:
        facts = reset_facts(self._snapshot, self._agent_id)
        cells = max(8, *(width(label) + 1 for label, _ in facts))
        return [
            Content.assemble((set_cell_size(label, cells), "$foreground 60%"), (value, "bold"))
            for label, value in facts
        ]

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take a click or Enter on an answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Take a key for an answer."""
        self.dismiss(answer)


def reset_facts(snapshot: Snapshot, agent_id: str | None) -> tuple[tuple[str, str], ...]:
    """Return (label, value) of a reset of one agent, or everyone."""
    since = tr("the first record") if snapshot.since is None else day(snapshot.since)
    if agent_id is None:
        return (
            (tr("tokens"), count(snapshot.total_used)),
            (tr("agents"), count(len(snapshot.agent_totals))),
            (tr("since"), since),
            (tr("cost"), dollars(snapshot.cost.total_usd)),
        )
    row = next((row for row in snapshot.agents if row.agent_id == agent_id), None)
    return (
        (tr("agent"), safe(agent_id, 40)),
        (tr("tokens"), count(row.used if row else 0)),
        (tr("calls"), count(row.calls if row else 0)),
        (tr("since"), since),
        (tr("cost"), dollars(row.cost_usd if row else None)),
    )
