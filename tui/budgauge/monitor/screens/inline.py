"""The monitor in five lines, in their place in the scrollback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from budgauge.monitor.keys import ROOMY_KEYS
from budgauge.monitor.language import mark, tr
from budgauge.monitor.screens.board import Board, Surroundings
from budgauge.monitor.widgets.banner import Banner, Item, banner_items, exceeded_total
from budgauge.monitor.widgets.gauge import Gauge, gauge_face
from budgauge.monitor.widgets.guide import GuideFace
from budgauge.monitor.widgets.key_line import Key, KeyLine
from budgauge.monitor.widgets.spenders import Spenders, spenders
from budgauge.monitor.widgets.summary import Summary, summary_pieces
from budgauge.monitor.widgets.top_line import budget_words
from budgauge.text import width
from budgauge.views.live import View


class InlineBoard(Board):
    """The total and its bar, who spends most, cost and rate; then what must be known now, or the keys."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", mark("Yes"), show=False),
        Binding("n,escape", "answer(False)", mark("No"), show=False),
        *(Binding(key, "no_room", show=False) for key in ROOMY_KEYS),
    ]

    def __init__(self, keys: Sequence[Key], ready: Callable[[], None], say: Callable[[str], None]) -> None:
        """`say` is told what came of a key."""
        super().__init__(keys, ready)
        self._say = say
        self._question: tuple[str, Callable[[bool], None]] | None = None

    def compose(self) -> ComposeResult:
        """Five lines."""
        yield Gauge()
        yield Spenders()
        yield Summary()
        yield Banner()
        line = KeyLine()
        line.set_reactive(KeyLine.keys, self._keys)
        yield line

    def show(self, view: View, now: float, around: Surroundings) -> None:
        """Bring everything up to a view, at a moment (unix seconds)."""
        self.query_one(Spenders).face = spenders(view.snapshot)
        self.tick(view, now, around)

    def tick(self, view: View, now: float, around: Surroundings) -> None:
        """Bring up to a moment what changes by time alone."""
        self.query_one(Gauge).face = gauge_face(view, now)
        paused = (tr("PAUSED"),) if around.paused else ()
        collecting = (around.collecting,) if around.collecting else ()
        project = (budget_words("project"),) if view.budget_of == "project" else ()
        self.query_one(Summary).pieces = (*paused, *project, *summary_pieces(view.snapshot, now), *collecting)
        self.show_items(view, around)

    def show_items(self, view: View, around: Surroundings) -> None:
        """The keys give way to what must be known now, and cost and rate to a second thing."""
        snapshot = view.snapshot
        # The gauge says it.
        said = exceeded_total(snapshot) if snapshot.state == "exceeded" else None
        items = [item for item in banner_items(view, around.items) if item.level != "info" and item != said]
        if self._question:
            items = [Item("answer", self._question[0]), *(item for item in items if item.level != "answer")]
        told = tuple(sorted(items, key=lambda item: _rank(item, snapshot.warning)))
        banner = self.query_one(Banner)
        banner.room = 2 if len(told) > 1 or (told and width(told[0].text) + 4 > self.size.width) else 1
        banner.items = told
        self.query_one(KeyLine).display = not banner.items
        self.query_one(Summary).display = banner.room == 1

    def ask(self, question: str, answered: Callable[[bool], None]) -> None:
        """Ask in the last line; y is yes."""
        self._question = (question + "  " + tr("y yes, n no"), answered)

    def action_no_room(self) -> None:
        """A key for what five lines cannot show."""
        self._say(tr("That takes the whole screen: start budgauge without --inline."))

    def action_answer(self, answer: bool) -> None:
        """A key for an answer."""
        if self._question is not None:
            _, answered = self._question
            self._question = None
            answered(answer)
        elif answer:
            # The key that copies, where there are lines to copy.
            self.action_no_room()

    def pause(self, *, paused: bool) -> None:
        """It is said by the summary, once more is shown."""
        summary = self.query_one(Summary)
        word = tr("PAUSED")
        summary.pieces = (*((word,) if paused else ()), *(piece for piece in summary.pieces if piece != word))

    def guide(self, face: GuideFace) -> None:
        """There is no room for a guide."""


def _rank(item: Item, warning: str | None) -> int:
    """An answer, which goes by itself; the warning of the total; everything else."""
    if item.level == "answer":
        return 0
    return 1 if item.text == warning else 2
