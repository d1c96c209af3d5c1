"""The base app: colours, glyphs, animation and theme as the terminal and the person have them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from textual.app import App
from textual.theme import ThemeProvider

from budgauge.monitor.drawing.changed_cells import Shown
from budgauge.monitor.drawing.plain import AsciiGlyphs, WithoutColour, draws_ascii
from budgauge.monitor.language import tr
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.textual_internals import InternalApp, line_filters, replace_bad_input, suspend_in_line, write
from budgauge.monitor.theme import THEMES, next_theme

if TYPE_CHECKING:
    from textual.driver import Driver

SGR_MOUSE = "\x1b[?1006h"
"""Requests mouse reports in SGR format, in ASCII."""


class TerminalApp(InternalApp):
    """An app for a terminal, without content of its own. Messages go to `say`."""

    INLINE_PADDING = 0
    _panicked = False

    def __init__(self, preferences: Preferences, *, in_line: bool) -> None:
        """`in_line` is for a run in a few lines of the scrollback."""
        # NO_COLOR counts if set and not empty (no-color.org). Textual counts an empty one too, and draws grey.
        without_colour = bool(os.environ.get("NO_COLOR"))
        if not without_colour:
            os.environ.pop("NO_COLOR", None)
        super().__init__()
        filters = line_filters(self)
        if without_colour:
            os.environ["NO_COLOR"] = "1"
            if filters is not None:
                filters[:] = [WithoutColour()]
        self._ascii = AsciiGlyphs(enabled=draws_ascii(preferences.choices.glyphs, os.environ))
        if filters is not None:
            filters.append(self._ascii)
        if not preferences.choices.animation:
            self.animation_level = "none"
        self._shown = Shown()
        self.in_line = in_line
        self._loop_now: asyncio.AbstractEventLoop | None = None
        self._leave_code = 0
        self._preferences = preferences
        for theme in THEMES:
            self.register_theme(theme)
        chosen = preferences.choices.theme
        if chosen in self.available_themes and chosen != THEMES[0].name:
            self.theme = chosen
        else:
            # Setting `theme` would read all styles a second time before the first paint.
            self.set_reactive(App.theme, THEMES[0].name)
            self.stylesheet.set_variables(self.get_css_variables())
            self.add_class(f"-theme-{THEMES[0].name}")

    def on_mount(self) -> None:
        """Remember each chosen theme; restore the terminal before a signal stops the program."""
        self._loop_now = asyncio.get_running_loop()
        if self.in_line and sys.platform != "win32":
            self._loop_now.add_signal_handler(signal.SIGTSTP, self.action_suspend_process)
        self.set_class(self._ascii.enabled, "-ascii")
        self.theme_changed_signal.subscribe(self, lambda theme: self._preferences.choose(theme=theme.name))

    @property
    def can_leave(self) -> bool:
        """True when the app may exit."""
        return True

    def leave(self, code: int) -> None:
        """Quit as soon as possible with an exit code; for a signal handler, even before the app runs."""
        self._leave_code = code
        if self._loop_now is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop_now.call_soon_threadsafe(self.leave_if_asked)

    def leave_if_asked(self) -> None:
        """Quit now if `leave` was called and the app may exit."""
        if self._leave_code and self.can_leave:
            self.exit(return_code=self._leave_code)

    def action_help_quit(self) -> None:
        """Quit at Ctrl+C, as everywhere."""
        self.exit()

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show the answer to a key."""
        raise NotImplementedError

    def glyphs_changed(self) -> None:
        """React to a change of glyphs."""

    def notify(self, message: str, **options: Any) -> None:
        """Show a toast; in five lines, where there is no room, an answer."""
        if self.in_line:
            self.say(message)
        else:
            super().notify(message, **options)

    def driver_made(self, driver: Driver, *, mouse: bool) -> None:
        """Make the driver survive bad input, and keep the lines above the five."""
        # A byte of bad UTF-8 is often a mouse report in the oldest format: request SGR (1006) again.
        replace_bad_input(driver, partial(self.call_later, write, self, SGR_MOUSE) if mouse else lambda: None)
        if driver.is_inline:
            sent = driver.write
            # At a new size Textual clears the whole screen; the lines above the five are not ours.
            driver.write = lambda data: sent(data.replace("\x1b[2J", "\x1b[J"))  # type: ignore[method-assign]

    def panic(self, *renderables: RenderableType) -> None:
        """End with exit code 1 and show the failure, in any of Textual's threads too."""
        self._panicked = True
        super().panic(*renderables)

    @property
    def return_code(self) -> int | None:
        """The exit code; 1 after a panic, None while the app runs."""
        return (super().return_code or 1) if self._panicked else super().return_code

    def drawn(self, update: RenderableType | None) -> RenderableType | None:
        """Return the part of an update not on the terminal yet."""
        return self._shown.only_changed(update)

    def action_suspend_process(self) -> None:
        """Stop until `fg`. Five lines stay in the scrollback and are drawn again below newer output."""
        if not suspend_in_line(self, _wait_for_foreground):
            super().action_suspend_process()

    def action_command_palette(self) -> None:
        """Show every command, searched as you type."""
        from budgauge.monitor.screens.palette import Palette

        if not Palette.is_open(self):  # type: ignore[arg-type]  # as Textual itself asks
            self.push_screen(Palette(id="--command-palette", placeholder=tr("Search for commands…")))

    def search_themes(self) -> None:
        """Show every theme, the same way."""
        from budgauge.monitor.screens.palette import Palette

        self.push_screen(Palette(providers=[ThemeProvider], placeholder=tr("Search for themes…")))

    def switch_glyphs(self) -> None:
        """Switch ASCII glyphs on or off; remembered."""
        self._ascii.enabled = not self._ascii.enabled
        self._preferences.choose(glyphs="ascii" if self._ascii.enabled else "all")
        self.set_class(self._ascii.enabled, "-ascii")
        self.glyphs_changed()
        self.refresh_css(animate=False)
        self.say(tr("ASCII glyphs: on") if self._ascii.enabled else tr("ASCII glyphs: off"))

    def switch_animation(self) -> None:
        """Switch animation on or off; remembered."""
        moves = self.animation_level == "none"
        self.animation_level = "full" if moves else "none"
        self._preferences.choose(animation=moves)
        self.say(tr("Animation: on") if moves else tr("Animation: off"))

    def action_next_theme(self) -> None:
        """Switch to the next theme."""
        self.theme = next_theme(self.theme, list(self.available_themes))
        self.say(tr("Theme: {name}", name=self.theme))


def _wait_for_foreground() -> None:
    """Stop until `fg` after `bg`: touching the terminal's settings does that."""
    if sys.platform == "win32":
        return
    import termios

    descriptor = sys.__stdin__.fileno()  # type: ignore[union-attr]  # an inline driver has read from it
    with suppress(termios.error):
        termios.tcsetattr(descriptor, termios.TCSANOW, termios.tcgetattr(descriptor))
