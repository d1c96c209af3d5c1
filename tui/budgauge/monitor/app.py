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
from budgauge.monitor.alarm import Alarm
from budgauge.monitor.changed_cells import Shown
from budgauge.monitor.chore import Chore, ChoreEnded
from budgauge.monitor.collecting import Collecting
from budgauge.monitor.feed import FeedFailed, ViewTaken, run_feed
from budgauge.monitor.language import mark, tr, trn
from budgauge.monitor.order import ORDERS, order_words
from budgauge.monitor.plain import AsciiGlyphs, WithoutColour, draws_ascii
from budgauge.monitor.port import CollectorPort, FoundLog, ObserverPort
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.rows import Row, row_text
from budgauge.monitor.screens.board import Board, Surroundings
from budgauge.monitor.screens.dashboard import Dashboard, is_new
from budgauge.monitor.screens.page import Page
from budgauge.monitor.theme import THEMES, next_theme
from budgauge.monitor.widgets.agent_table import AgentTable
from budgauge.monitor.widgets.banner import Item
from budgauge.monitor.widgets.guide import GuideFace
from budgauge.monitor.widgets.key_line import Key
from budgauge.observer import View
from budgauge.snapshot import Snapshot, used_by
from budgauge.text import count, safe

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.notifications import SeverityLevel

    from budgauge.monitor.screens.reset_question import ResetQuestion

FEED_DELAY_SECONDS = 0.1
TICK_SECONDS = 1.0
"""Between two looks at the clock and the collector."""
_TABLE_ACTIONS = frozenset({"details", "next_order", "reverse", "filter", "over_time"})
_ROOMY_ACTIONS = _TABLE_ACTIONS | {"logs", "help", "command_palette", "reset_agent", "copy", "suspend_process"}
SAID_SECONDS = 6.0
"""How long it is told what came of a key."""
WAIT_SHOWN_SECONDS = 0.3
"""From when on it is told that a change waits for the ledger's lock."""


_FROM_ELSEWHERE = (
    # Textual's own commands,
    mark("Theme"),
    mark("Change the current theme"),
    mark("Quit"),
    mark("Quit the application as soon as possible"),
    mark("Keys"),
    mark("Show help for the focused widget and a summary of available keys"),
    mark("Hide the keys and widget help panel"),
    mark("Maximize"),
    mark("Maximize the focused widget"),
    mark("Minimize"),
    mark("Minimize the widget and restore to normal size"),
    mark("Screenshot"),
    mark("Save an SVG 'screenshot' of the current screen"),
    # and what the demo says.
    mark("simulated agents, nothing is spent"),
    mark("Simulated agents on a temporary ledger. For your own: budgauge --collect"),
    mark("The budget holds: agents that ask are refused. r starts again."),
)
"""Texts that are shown, and stand elsewhere."""


class Said(Message):
    """What came of a key."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


class MonitorApp(App[None]):
    """Shows what an observer sees, live."""

    TITLE = "budgauge"
    INLINE_PADDING = 0
    CSS_PATH = "monitor.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", mark("Quit"), id="quit", tooltip=mark("Quit")),
        Binding("r", "reset", mark("Reset"), id="reset", tooltip=mark("Reset all counters; asks first")),
        Binding("u", "undo", mark("Undo"), id="undo", tooltip=mark("Undo the last reset, at once")),
        Binding(
            "enter",
            "details",
            mark("Details"),
            id="details",
            key_display="Enter",
            tooltip=mark("Details of the agent under the cursor"),
        ),
        Binding("s", "next_order", mark("Sort"), id="sort", tooltip=mark("Next sort order; remembered")),
        Binding(
            "slash",
            "filter",
            mark("Filter"),
            id="filter",
            key_display="/",
            tooltip=mark("Filter agents by name"),
        ),
        Binding("o", "over_time", mark("Over time"), id="over_time", tooltip=mark("Tokens and cost over time")),
        Binding("c", "collect", mark("Collect"), id="collect", tooltip=mark("Collect from agents' logs; remembered")),
        Binding("p", "pause", mark("Pause"), id="pause", tooltip=mark("Pause the display, or go on")),
        Binding("t", "next_theme", mark("Theme"), id="theme", tooltip=mark("Next theme; remembered")),
        Binding("l", "logs", mark("Logs"), id="logs", tooltip=mark("What agents' logs held that did not count")),
        Binding(
            "R",
            "reset_agent",
            mark("Reset agent"),
            id="reset_agent",
            tooltip=mark("Reset the agent under the cursor; asks first"),
        ),
        Binding("y", "copy", mark("Copy"), id="copy", tooltip=mark("Copy the line under the cursor to the clipboard")),
        Binding("S", "reverse", mark("Reverse"), id="reverse", tooltip=mark("Sort the other way round; remembered")),
        Binding("question_mark", "help", mark("Help"), id="help", key_display="?", tooltip=mark("This help")),
        Binding(
            "ctrl+z",
            "suspend_process",
            mark("Suspend"),
            show=False,
            key_display="^z",
            id="suspend",
            tooltip=mark("Suspend; fg goes on"),
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
        in_line: bool = False,
    ) -> None:
        """With `first_view` the first paint is complete; with `collect`, collecting is on from the start.

        `remark` makes it a demo, and says what to know of it just now. `shown_ledger` stands in
        the place of the ledger's path; `ledger_option` is that path if commands to paste must
        name it. `in_line` is for a run in five lines of the scrollback.
        """
        # As no-color.org has it: set and not empty. Textual takes it for set in any case, and only greys what it draws.
        without_colour = bool(os.environ.get("NO_COLOR"))
        if not without_colour:
            os.environ.pop("NO_COLOR", None)
        super().__init__()
        if without_colour:
            os.environ["NO_COLOR"] = "1"
            self._filters[:] = [WithoutColour()]
        self._ascii = AsciiGlyphs(enabled=draws_ascii(preferences.choices.glyphs, os.environ))
        self._filters.append(self._ascii)
        if not preferences.choices.animation:
            self.animation_level = "none"
        self._shown = Shown()
        self._in_line = in_line
        self._observer = observer
        self._alarm = Alarm(self, self._note_trouble)
        self._alarm_trouble = ""
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

    def get_default_screen(self) -> Board:
        """The dashboard."""
        if self._in_line:
            from budgauge.monitor.screens.inline import InlineBoard

            return InlineBoard(self._keys(), self._dashboard_is_ready)
        return Dashboard(self._keys(), self._dashboard_is_ready)

    def on_mount(self) -> None:
        """Begin to look."""
        self._loop_now = asyncio.get_running_loop()
        self.set_class(self._ascii.enabled, "-ascii")
        # What the feed loads must not hold up a first paint that is complete without it.
        self.set_timer(FEED_DELAY_SECONDS if self._view else 0.001, self._start_feed)
        self.set_interval(TICK_SECONDS, self._second_passed)
        self.theme_changed_signal.subscribe(self, self._theme_chosen)
        # After a suspension the terminal's other screen is empty.
        self.app_resume_signal.subscribe(self, lambda _: self._resumed())
        # Before it stops, or else only after it goes on.
        self.app_suspend_signal.subscribe(self, lambda _: self._alarm.title.give_back(), immediate=True)
        if self._view is not None:
            self._sound(self._view)
        if self._wants_collecting and self._collecting is not None:
            self._collecting.want(True)

    def _resumed(self) -> None:
        self._alarm.title.take()
        self.refresh()

    def _sound(self, view: View) -> None:
        self._alarm.take(view, covered=len(self.screen_stack) > 1)

    def _note_trouble(self, text: str) -> None:
        self._alarm_trouble = text
        with suppress(RuntimeError):  # the monitor has ended meanwhile
            self.call_later(self._show_items)

    def _start_feed(self) -> None:
        self.run_worker(
            partial(run_feed, self._observer, self._stop, self.post_message),
            name="feed",
            group="feed",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """A toast; in five lines there is no room for one, and it is said as the answer to a key is."""
        if self._in_line:
            self._say(message)
        else:
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        driver = super()._build_driver(headless, inline, mouse, size)
        if driver.is_inline:
            write = driver.write
            # At a new size Textual clears the whole screen; what stands above the five lines is not ours.
            driver.write = lambda data: write(data.replace("\x1b[2J", "\x1b[J"))  # type: ignore[method-assign]
        return driver

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        # Textual offers no other place between an update and the terminal.
        super()._display(screen, self._shown.only_changed(renderable))

    def _dashboard_is_ready(self) -> None:
        self._dashboard_ready = True
        choices = self._preferences.choices
        if choices.order in ORDERS:
            self._on_table(partial(AgentTable.set_order, order=choices.order, reverse=choices.reverse))
        self._show()
        self._leave_if_asked()

    def on_unmount(self) -> None:
        """End the feed: the program ends only when its thread has."""
        self._stop.set()
        self._alarm.end()

    @property
    def owed(self) -> str:
        """What the terminal must be told beside what it is told at every end."""
        return self._alarm.title.owed

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
        self._sound(message.view)
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
    def board(self) -> Board | None:
        """The screen that shows views, once it is there."""
        first = self.screen_stack[0] if self.screen_stack else None
        return first if isinstance(first, Board) and self._dashboard_ready else None

    @property
    def dashboard(self) -> Dashboard | None:
        """The same, if it is the large one."""
        return self.board if isinstance(self.board, Dashboard) else None

    def _show(self) -> None:
        self._bring_up(lambda board, *seen: board.show(*seen))

    def _tick(self) -> None:
        self._bring_up(lambda board, *seen: board.tick(*seen))

    def _bring_up(self, part: Callable[[Board, View, float, Surroundings], None]) -> None:
        """Bring a part of the dashboard up to the latest view and the present moment."""
        dashboard, view = self.board, self._view
        if dashboard is None or view is None:
            return
        page = self.screen_stack[-1]
        if isinstance(page, Page) and not self._paused:
            page.bring(view, self._clock())
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
            collecting=tr("collecting, {what}", what=safe(collecting.summary, 40))
            if collecting is not None and on
            else "",
            changed=self._changed,
            paused=self._paused,
            demo=self._remark is not None,
            shown_ledger=None if self._shown_ledger is None else tr(self._shown_ledger),
            home=self._home,
        )

    def _items(self) -> Iterable[Item]:
        if self._waits_for_ledger:
            yield Item("answer", tr("Waiting for the ledger's lock, which another program holds."))
        if self._said:
            yield self._said
        if self._feed_failure:
            yield Item("error", tr("Reading failed and is tried again: {why}", why=safe(self._feed_failure)))
        trouble = self._collecting.trouble if self._collecting else None
        if trouble:
            yield Item("warning", tr("Collecting: {why}", why=safe(trouble)))
        if self._alarm_trouble:
            yield Item("info", safe(self._alarm_trouble))
        if self._preferences.notice:
            yield Item("info", safe(self._preferences.notice))
        if self._remark is not None:
            yield Item("info", tr(self._remark()))

    def _guide(self, dashboard: Board, view: View) -> None:
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
            keys = [key for key in keys if key.action not in ("collect", "logs")]
        if self._in_line:
            return tuple(key for key in keys if key.action not in _ROOMY_ACTIONS)
        return (*keys[:-1], Key("^p", mark("Palette"), "command_palette"), keys[-1])

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: Textual's own, our keys, and what has no key."""
        for command in super().get_system_commands(screen):
            yield SystemCommand(tr(command.title), tr(command.help), command.callback, command.discover)
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and binding.action not in ("quit", "next_theme"):
                yield SystemCommand(
                    tr(binding.description), tr(binding.tooltip), partial(self.run_action, binding.action)
                )
        for order in ORDERS:
            yield SystemCommand(
                tr("Sort by {order}", order=order_words(order)),
                tr("Click a column's head for the same; remembered"),
                partial(self._on_table, partial(AgentTable.sort, order=order)),
            )
        yield SystemCommand(
            tr("ASCII glyphs"), tr("Draw with ASCII alone, or no longer; remembered"), self._switch_glyphs
        )
        yield SystemCommand(
            tr("Animation"), tr("Let things move on the screen, or no longer; remembered"), self._switch_animation
        )
        for name, folded in ((tr("Fold all families"), True), (tr("Unfold all families"), False)):
            yield SystemCommand(
                name,
                tr("Space folds the one under the cursor"),
                partial(self._on_table, partial(AgentTable.fold_all, folded=folded)),
            )

    def _switch_glyphs(self) -> None:
        self._ascii.enabled = not self._ascii.enabled
        self._preferences.choose(glyphs="ascii" if self._ascii.enabled else "all")
        self.set_class(self._ascii.enabled, "-ascii")
        if self.dashboard is not None:
            self.dashboard.fit(self.size)
        self.refresh_css(animate=False)
        self._say(tr("ASCII glyphs: on") if self._ascii.enabled else tr("ASCII glyphs: off"))

    def _switch_animation(self) -> None:
        moves = self.animation_level == "none"
        self.animation_level = "full" if moves else "none"
        self._preferences.choose(animation=moves)
        self._say(tr("Animation: on") if moves else tr("Animation: off"))

    def action_reset(self) -> None:
        """Ask, then reset everyone."""
        self._ask_to_reset(None)

    def action_reset_agent(self) -> None:
        """Ask, then reset the agent under the cursor."""
        row = self._current_row()
        if row is None:
            self._say(tr("There is no agent under the cursor."))
        elif row.is_family:
            self._say(tr("A family is reset agent by agent: put the cursor on one, or reset all with r."))
        else:
            self._ask_to_reset(row.key)

    def _ask_to_reset(self, agent_id: str | None) -> None:
        snapshot = self._view.snapshot if self._view else None
        if snapshot is None or used_by(snapshot, agent_id) is None:
            self._say(tr("Nothing has been used; there is nothing to reset."))
            return

        def answered(yes: bool | None) -> None:
            self._question = None
            used = (used_by(self._view.snapshot, agent_id) if self._view else None) or 0
            if yes:
                done = tr("Reset {n} tokens. u undoes it.", n=count(used))
                if agent_id is not None:
                    done = tr("Reset {n} tokens of {agent}. u undoes it.", n=count(used), agent=safe(agent_id, 40))
                self._change_ledger(partial(self._observer.reset, agent_id), done)

        if self._in_line:
            self._ask_in_line(snapshot, answered)
            return
        from budgauge.monitor.screens.reset_question import ResetQuestion

        self._question = ResetQuestion(snapshot, agent_id)
        self.push_screen(self._question, answered)

    def _ask_in_line(self, snapshot: Snapshot, answered: Callable[[bool], None]) -> None:
        from budgauge.monitor.screens.inline import InlineBoard

        def answer(yes: bool) -> None:
            answered(yes)
            self._show_items()

        if isinstance(self.screen, InlineBoard):
            agents = trn("{n} agent", "{n} agents", len(snapshot.agent_totals))
            self.screen.ask(tr("Reset {n} tokens of {agents}?", n=count(snapshot.total_used), agents=agents), answer)
            self._show_items()

    def _current_row(self) -> Row | None:
        """The row that keys are about."""
        if isinstance(self.screen, Page):
            return self.screen.row
        return self.dashboard.query_one(AgentTable).current if self.dashboard else None

    def action_undo(self) -> None:
        """Undo the last reset."""
        self._change_ledger(self._observer.undo_reset, tr("The last reset is undone."))

    def _change_ledger(self, change: Callable[[], object], done: str) -> None:
        def work() -> None:
            try:
                change()
            except BudgaugeError as error:
                self._say(f"{error} {error.hint}".strip(), failed=True)
            except OSError as error:
                self._say(tr("The ledger cannot be written: {why}", why=error), failed=True)
            else:
                self._say(done)

        if self._ledger_chore.begin(work):
            self.set_timer(WAIT_SHOWN_SECONDS, self._ledger_waits)
        else:
            self._say(tr("The change before this one is still waiting for the ledger."))

    def _ledger_waits(self) -> None:
        self._waits_for_ledger = self._ledger_chore.busy
        self._show_items()

    def action_collect(self) -> None:
        """Collecting on or off."""
        collecting = self._collecting
        if collecting is None:
            self._say(tr("Nothing is collected here. For your own agents: budgauge --collect"))
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
            self._say(tr("{what} failed: {why}", what=message.name, why=message.failure), failed=True)
        self._tick()

    def action_help_quit(self) -> None:
        """Ctrl+C ends it, as everywhere."""
        self.exit()

    def action_pause(self) -> None:
        """Freeze the display, or go on with what is true now."""
        self._paused = not self._paused
        dashboard = self.board
        if dashboard is not None:
            dashboard.pause(paused=self._paused)
        self._show()

    def action_next_theme(self) -> None:
        """The next theme."""
        self.theme = next_theme(self.theme, list(self.available_themes))
        self._say(tr("Theme: {name}", name=self.theme))

    def _theme_chosen(self, theme: Theme) -> None:
        self._preferences.choose(theme=theme.name)

    def action_help(self) -> None:
        """Every key."""
        from budgauge.monitor.screens.help import Help, told

        palette = Binding("ctrl+p", "command_palette", mark("Palette"), tooltip=mark("Command palette"))
        self.push_screen(Help([*told(self.BINDINGS), *told([palette]), *told(AgentTable.BINDINGS)]))

    def action_next_order(self) -> None:
        """Sort by the next order."""
        self._on_table(AgentTable.action_next_order)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._on_table(AgentTable.action_reverse)

    def action_details(self) -> None:
        """Show the agent under the cursor in detail."""
        self._on_table(AgentTable.action_open)

    def action_filter(self) -> None:
        """Let a text be typed that agents' names must hold."""
        if self.dashboard is not None:
            self.dashboard.ask_for_filter()

    def action_copy(self) -> None:
        """Copy the line under the cursor."""
        row = self._current_row()
        if row is None:
            self._say(tr("There is no agent under the cursor."))
            return
        self.copy_to_clipboard(row_text(row))
        self._say(tr("Copied: {what}", what=row_text(row)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the table can be done only where it is seen, and five lines have room for no other screen."""
        if self._in_line:
            return action not in _ROOMY_ACTIONS
        return action not in _TABLE_ACTIONS or len(self.screen_stack) == 1

    def _on_table(self, act: Callable[[AgentTable], object]) -> None:
        if self.dashboard is not None:
            act(self.dashboard.query_one(AgentTable))

    def on_agent_table_sorted(self, message: AgentTable.Sorted) -> None:
        """Remember it, and say what it is."""
        self._preferences.choose(order=message.order, reverse=message.reverse)
        self._say(tr("Sorted by {order}.", order=order_words(message.order, reverse=message.reverse)))

    def on_agent_table_opened(self, message: AgentTable.Opened) -> None:
        """Show it in detail."""
        if self._view is not None:
            from budgauge.monitor.screens.details import Details

            self.push_screen(Details(self._view, self._clock(), message.row, self._observer))

    def action_over_time(self) -> None:
        """Show tokens and cost over time."""
        if self._view is not None:
            from budgauge.monitor.screens.over_time import OverTime

            self.push_screen(OverTime(self._view, self._clock(), self._observer))

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
        dashboard, view = self.board, self._view
        if dashboard is not None and view is not None:
            dashboard.show_items(view, self._surroundings())
