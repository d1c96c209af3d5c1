"""The monitor itself: it takes views from the feed and puts them on the screen."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from budgauge.errors import BudgaugeError
from budgauge.monitor.changed_cells import Shown
from budgauge.monitor.chore import Chore, ChoreEnded
from budgauge.monitor.collecting import Collecting
from budgauge.monitor.feed import FeedFailed, ViewTaken, run_feed
from budgauge.monitor.port import CollectorPort, FoundLog, ObserverPort
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.screens.dashboard import Dashboard, Surroundings, is_new
from budgauge.monitor.theme import THEMES, next_theme
from budgauge.monitor.widgets.banner import Item
from budgauge.monitor.widgets.guide import GuideFace
from budgauge.monitor.widgets.key_line import Key
from budgauge.observer import View
from budgauge.text import count, safe

if TYPE_CHECKING:
    from budgauge.monitor.screens.reset_question import ResetQuestion

FEED_DELAY_SECONDS = 0.1
TICK_SECONDS = 1.0
"""Between two looks at the clock and the collector."""
SAID_SECONDS = 6.0
"""How long it is told what came of a key."""
WAIT_SHOWN_SECONDS = 0.3
"""From when on it is told that a change waits for the ledger's lock."""


class Said(Message):
    """What came of a key."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


class MonitorApp(App[None]):
    """Shows what an observer sees, live."""

    TITLE = "budgauge"
    CSS_PATH = "monitor.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", id="quit", tooltip="Quit"),
        Binding("r", "reset", "Reset", id="reset", tooltip="Reset all counters; asks first"),
        Binding("u", "undo", "Undo", id="undo", tooltip="Undo the last reset, at once"),
        Binding("c", "collect", "Collect", id="collect", tooltip="Collect from agents' logs; remembered"),
        Binding("l", "logs", "Logs", id="logs", show=False, tooltip="What was read of agents' logs, and not counted"),
        Binding("p", "pause", "Pause", id="pause", tooltip="Pause the display, or go on"),
        Binding("t", "next_theme", "Theme", id="theme", tooltip="Next theme; remembered"),
        Binding("question_mark", "help", "Help", id="help", key_display="?", tooltip="This help"),
        Binding(
            "ctrl+z",
            "suspend_process",
            "Suspend",
            show=False,
            key_display="^z",
            id="suspend",
            tooltip="Suspend; fg goes on",
        ),
    ]

    def __init__(
        self,
        observer: ObserverPort,
        *,
        first_view: View | None = None,
        collector: CollectorPort | None = None,
        preferences: Preferences,
        found_logs: Callable[[], Sequence[FoundLog]],
        clock: Callable[[], float] = time.time,
        collect: bool = False,
        remark: Callable[[], str] | None = None,
        shown_ledger: str | None = None,
        ledger_option: str = "",
    ) -> None:
        """With `first_view` the first paint is complete; with `collect`, collecting is on from the start.

        `remark` makes it a demo, and says what to know of it just now. `shown_ledger` stands in
        the place of the ledger's path; `ledger_option` is that path if commands to paste must
        name it.
        """
        super().__init__()
        self._shown = Shown()
        self._observer = observer
        self._collecting = None if collector is None else Collecting(collector, self.post_message)
        self._ledger_chore = Chore("ledger", self.post_message)
        self._waits_for_ledger = False
        self._question: ResetQuestion | None = None
        self._loop_now: asyncio.AbstractEventLoop | None = None
        self._leave_code = 0
        self._preferences = preferences
        self._found_logs = found_logs
        self._clock = clock
        self._remark = remark
        self._shown_ledger = shown_ledger
        self._stop = threading.Event()
        self._wants_collecting = collect or preferences.choices.collecting
        self._home = os.path.expanduser("~")
        self._view = first_view
        self._changed = None if first_view is None else clock()
        self._paused = False
        self._dashboard_ready = False
        self._said: Item | None = None
        self._said_timer: Timer | None = None
        self._feed_failure = ""
        self._ledger_option = ledger_option
        for theme in THEMES:
            self.register_theme(theme)
        chosen = preferences.choices.theme
        if chosen in self.available_themes and chosen != THEMES[0].name:
            self.theme = chosen
        else:
            self._begin_with(THEMES[0])

    def _begin_with(self, theme: Theme) -> None:
        """As if `theme` were set, after which all styles would be read a second time before the first paint."""
        self.set_reactive(App.theme, theme.name)
        self.stylesheet.set_variables(self.get_css_variables())
        self.add_class(f"-theme-{theme.name}")

    def get_default_screen(self) -> Screen[None]:
        """The dashboard."""
        return Dashboard(self._keys(), self._dashboard_is_ready)

    def on_mount(self) -> None:
        """Begin to look."""
        self._loop_now = asyncio.get_running_loop()
        # What the feed loads must not hold up a first paint that is complete without it.
        self.set_timer(FEED_DELAY_SECONDS if self._view else 0.001, self._start_feed)
        self.set_interval(TICK_SECONDS, self._second_passed)
        self.theme_changed_signal.subscribe(self, self._theme_chosen)
        # After a suspension the terminal's other screen is empty.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh())
        if self._wants_collecting and self._collecting is not None:
            self._collecting.want(True)

    def _start_feed(self) -> None:
        self.run_worker(
            partial(run_feed, self._observer, self._stop, self.post_message),
            name="feed",
            group="feed",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        # Textual offers no other place between an update and the terminal.
        super()._display(screen, self._shown.only_changed(renderable))

    def _dashboard_is_ready(self) -> None:
        self._dashboard_ready = True
        self._show()
        self._leave_if_asked()

    def on_unmount(self) -> None:
        """End the feed: the program ends only when its thread has."""
        self._stop.set()

    def leave(self, code: int) -> None:
        """End as `q` does, as soon as it can, with an exit code: from a signal handler, and also before it runs."""
        self._leave_code = code
        if self._loop_now is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop_now.call_soon_threadsafe(self._leave_if_asked)

    def _leave_if_asked(self) -> None:
        # A screen that is taken away while it is composed fails.
        if self._leave_code and self._dashboard_ready:
            self.exit(return_code=self._leave_code)

    def on_view_taken(self, message: ViewTaken) -> None:
        """A newer view is there."""
        self._view = message.view
        self._changed = self._clock()
        self._feed_failure = ""
        self._show()
        if self._question is not None:
            self._question.show(message.view.snapshot)

    def on_feed_failed(self, message: FeedFailed) -> None:
        """Looking failed; the feed goes on trying."""
        self._feed_failure = message.reason
        self._tick()

    @property
    def is_showing(self) -> bool:
        """Has a view been put on the screen?"""
        return self._dashboard_ready and self._view is not None

    @property
    def dashboard(self) -> Dashboard | None:
        """The screen that shows views, once it is there."""
        first = self.screen_stack[0] if self.screen_stack else None
        return first if isinstance(first, Dashboard) and self._dashboard_ready else None

    def _show(self) -> None:
        self._bring_up(Dashboard.show)

    def _tick(self) -> None:
        self._bring_up(Dashboard.tick)

    def _bring_up(self, part: Callable[[Dashboard, View, float, Surroundings], None]) -> None:
        """Bring a part of the dashboard up to the latest view and the present moment."""
        dashboard, view = self.dashboard, self._view
        if dashboard is None or view is None:
            return
        if self._paused:
            # What a person must know now does not wait.
            dashboard.show_items(view, self._surroundings())
            return
        # At the end the screen's widgets go before the last messages have come.
        with suppress(NoMatches), self.batch_update():
            part(dashboard, view, self._clock(), self._surroundings())
            self._guide(dashboard, view)

    def _second_passed(self) -> None:
        if self._collecting is not None:
            self._collecting.keep_up()
        self._tick()

    def _surroundings(self) -> Surroundings:
        collecting = self._collecting
        on = collecting is not None and collecting.running
        return Surroundings(
            items=tuple(self._items()),
            collecting=f"collecting, {safe(collecting.summary, 40)}" if collecting is not None and on else "",
            changed=self._changed,
            paused=self._paused,
            demo=self._remark is not None,
            shown_ledger=self._shown_ledger,
            home=self._home,
        )

    def _items(self) -> Iterable[Item]:
        if self._waits_for_ledger:
            yield Item("answer", "Waiting for the ledger's lock, which another program holds.")
        if self._said:
            yield self._said
        if self._feed_failure:
            yield Item("error", f"Reading failed and is tried again: {safe(self._feed_failure)}")
        trouble = self._collecting.trouble if self._collecting else None
        if trouble:
            yield Item("warning", f"Collecting: {safe(trouble)}")
        if self._preferences.notice:
            yield Item("info", safe(self._preferences.notice))
        if self._remark is not None:
            yield Item("info", self._remark())

    def _guide(self, dashboard: Dashboard, view: View) -> None:
        if not is_new(view):
            return
        dashboard.guide(
            GuideFace(
                logs=self._agents_logs(),
                home=self._home,
                can_collect=self._collecting is not None,
                collecting=self._collecting is not None and self._collecting.running,
                ledger_option=self._ledger_option,
            )
        )

    def _agents_logs(self) -> tuple[FoundLog, ...]:
        try:
            return tuple(self._found_logs())
        except (BudgaugeError, OSError):
            return ()

    def _keys(self) -> tuple[Key, ...]:
        bindings = [binding for binding in self.BINDINGS if isinstance(binding, Binding) and binding.show]
        keys = [Key(binding.key_display or binding.key, binding.description, binding.action) for binding in bindings]
        if self._collecting is None:
            keys = [key for key in keys if key.action != "collect"]
        return (*keys[:-1], Key("^p", "Palette", "command_palette"), keys[-1])

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: Textual's own, and our keys."""
        yield from super().get_system_commands(screen)
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and binding.action not in ("quit", "next_theme"):
                yield SystemCommand(binding.description, binding.tooltip, partial(self.run_action, binding.action))

    def action_reset(self) -> None:
        """Ask, then reset."""
        snapshot = self._view.snapshot if self._view else None
        if snapshot is None or not (snapshot.total_used or snapshot.agent_totals):
            self._say("Nothing has been used; there is nothing to reset.")
            return
        from budgauge.monitor.screens.reset_question import ResetQuestion

        def answered(yes: bool | None) -> None:
            self._question = None
            used = self._view.snapshot.total_used if self._view else 0
            if yes:
                self._change_ledger(self._observer.reset, f"Reset {count(used)} tokens. u undoes it.")

        self._question = ResetQuestion(snapshot)
        self.push_screen(self._question, answered)

    def action_undo(self) -> None:
        """Undo the last reset."""
        self._change_ledger(self._observer.undo_reset, "The last reset is undone.")

    def _change_ledger(self, change: Callable[[], object], done: str) -> None:
        def work() -> None:
            try:
                change()
            except BudgaugeError as error:
                self._say(f"{error} {error.hint}".strip(), failed=True)
            except OSError as error:
                self._say(f"The ledger cannot be written: {error}", failed=True)
            else:
                self._say(done)

        if self._ledger_chore.begin(work):
            self.set_timer(WAIT_SHOWN_SECONDS, self._ledger_waits)
        else:
            self._say("The change before this one is still waiting for the ledger.")

    def _ledger_waits(self) -> None:
        self._waits_for_ledger = self._ledger_chore.busy
        self._show_items()

    def action_collect(self) -> None:
        """Collecting on or off."""
        collecting = self._collecting
        if collecting is None:
            self._say("Nothing is collected here. For your own agents: budgauge --collect")
        elif collecting.want(not collecting.wanted):
            self._preferences.choose(collecting=collecting.wanted)

    def action_logs(self) -> None:
        """What collecting met in agents' logs."""
        from budgauge.monitor.screens.logs import Logs

        self.push_screen(Logs(self._collecting.details if self._collecting else ()))

    def on_chore_ended(self, message: ChoreEnded) -> None:
        """Show at once what a chore did, and what it failed of."""
        self._waits_for_ledger = self._waits_for_ledger and self._ledger_chore.busy
        if message.failure is not None:
            self._say(f"{message.name} failed: {message.failure}", failed=True)
        self._tick()

    def action_help_quit(self) -> None:
        """Ctrl+C ends it, as everywhere."""
        self.exit()

    def action_pause(self) -> None:
        """Freeze the display, or go on with what is true now."""
        self._paused = not self._paused
        dashboard = self.dashboard
        if dashboard is not None:
            dashboard.pause(paused=self._paused)
        self._show()

    def action_next_theme(self) -> None:
        """The next theme."""
        self.theme = next_theme(self.theme, list(self.available_themes))
        self._say(f"Theme: {self.theme}")

    def _theme_chosen(self, theme: Theme) -> None:
        self._preferences.choose(theme=theme.name)

    def action_help(self) -> None:
        """Every key."""
        from budgauge.monitor.screens.help import Help, told
        from budgauge.monitor.widgets.agent_table import AgentTable

        palette = Binding("ctrl+p", "command_palette", "Palette", tooltip="Command palette")
        self.push_screen(Help([*told(self.BINDINGS), *told([palette]), *told(AgentTable.BINDINGS)]))

    def _say(self, text: str, *, failed: bool = False) -> None:
        """Tell what came of a key, for a while; safe from any thread."""
        self.post_message(Said(Item("error" if failed else "answer", safe(text))))

    def on_said(self, message: Said) -> None:
        """Show it, also while the display is paused."""
        self._said = message.item
        if self._said_timer is not None:
            self._said_timer.stop()
        self._said_timer = self.set_timer(SAID_SECONDS, self._unsay)
        self._show_items()

    def _unsay(self) -> None:
        self._said = None
        self._show_items()

    def _show_items(self) -> None:
        dashboard, view = self.dashboard, self._view
        if dashboard is not None and view is not None:
            dashboard.show_items(view, self._surroundings())
