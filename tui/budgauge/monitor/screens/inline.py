"""The monitor in five lines of the scrollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from budgauge.monitor.keys import ROOMY_KEYS
from budgauge.monitor.language import mark, tr
from budgauge.monitor.screens.main_screen import AppState, MainScreen
from budgauge.monitor.widgets.banner import Banner, Item, banner_items, exceeded_total
from budgauge.monitor.widgets.gauge import Gauge, gauge_view_model
from budgauge.monitor.widgets.key_line import KeyLine
from budgauge.monitor.widgets.spenders import Spenders, spenders
from budgauge.monitor.widgets.summary import Summary, summary_pieces
from budgauge.monitor.widgets.top_line import budget_words
from budgauge.text import width


class InlineScreen(MainScreen):
    """The total and its bar, the top spenders, cost and rate; then messages, or the keys."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", mark("Yes"), show=False),
        Binding("n,escape", "answer(False)", mark("No"), show=False),
        *(Binding(key, "no_room", show=False) for key in ROOMY_KEYS),
    ]

    _question: tuple[str, Callable[[bool], None]] | None = None

    def compose(self) -> ComposeResult:
        """Yield five lines."""
        yield Gauge()
        yield Spenders()
        yield Summary()
        yield Banner()
        yield KeyLine(self._keys)

    def show(self, state: AppState, *, only_time: bool) -> None:
        """Show a view; with `only_time`, only what changes by time alone."""
        view = state.view
        if not only_time:
            self.query_one(Spenders).view_model = spenders(view.snapshot)
        self.query_one(Gauge).view_model = gauge_view_model(view, state.now)
        paused = (tr("PAUSED"),) if state.top.paused else ()
        collecting = (state.top.collecting,) if state.top.collecting else ()
        project = (budget_words("project"),) if view.budget_of == "project" else ()
        self.query_one(Summary).pieces = (*paused, *project, *summary_pieces(view.snapshot, state.now), *collecting)
        self.show_items(state)

    def show_items(self, state: AppState) -> None:
        """Show messages instead of the keys; two messages also take the line of cost and rate."""
        snapshot = state.view.snapshot
        # The gauge shows this already.
        said = exceeded_total(snapshot) if snapshot.state == "exceeded" else None
        items = [item for item in banner_items(state.view, state.items) if item.level != "info" and item != said]
        if self._question:
            items = [Item("answer", self._question[0]), *(item for item in items if item.level != "answer")]
        # Answers first, for they go by themselves; then the total's warning.
        shown = tuple(sorted(items, key=lambda item: (item.level != "answer", item.text != snapshot.warning)))
        banner = self.query_one(Banner)
        banner.room = 2 if len(shown) > 1 or (shown and width(shown[0].text) + 4 > self.size.width) else 1
        banner.items = shown
        self.query_one(KeyLine).display = not banner.items
        self.query_one(Summary).display = banner.room == 1

    def ask(self, question: str, answered: Callable[[bool], None]) -> None:
        """Ask a question in the last line; y is yes."""
        self._question = (question + "  " + tr("y yes, n no"), answered)

    def action_no_room(self) -> None:
        """Answer a key for a screen taller than five lines."""
        self.notify(tr("That takes the whole screen: start budgauge without --inline."))

    def action_answer(self, answer: bool) -> None:
        """Answer the question."""
        if self._question is not None:
            _, answered = self._question
            self._question = None
            answered(answer)
        elif answer:
            # Elsewhere this key copies a line; here there is none.
            self.action_no_room()

    def pause(self, *, paused: bool) -> None:
        """Show PAUSED in the summary, or remove that word."""
        summary = self.query_one(Summary)
        word = tr("PAUSED")
        summary.pieces = (*((word,) if paused else ()), *(piece for piece in summary.pieces if piece != word))
