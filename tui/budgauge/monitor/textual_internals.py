"""Textual's private names, all in this file. Where a version of Textual lacks one, drawing is plainer.

The loss with each: without `textual._compositor` or `App._display`, whole lines are sent instead of
changed cells; without `App._filters`, there is no ASCII drawing, and Textual alone does without colours; without
`App._build_driver`, bad input is Textual's to decode; without the names of a suspension, five lines are suspended
as a whole screen is; without those of a layout, the next view lays out again.
"""

from __future__ import annotations

import codecs
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.control import Control
from textual.app import App
from textual.geometry import Offset
from textual.widget import Widget

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from textual._compositor import ChopsUpdate as ChopsUpdate
    from textual._compositor import LayoutUpdate as LayoutUpdate
    from textual.driver import Driver
    from textual.filter import LineFilter

REPLACEMENT = "\ufffd"
"""The replacement for a byte of bad UTF-8."""
_SUSPENSION = ("_suspend_signal", "_resume_signal", "_previous_cursor_position", "_get_inline_height")


_SOME = ("spans", "chops", "chop_ends", "render_segments")
_WHOLE = ("strips", "region", "render_segments")


class Updates(NamedTuple):
    """The types of Textual's updates of the terminal."""

    some: type[ChopsUpdate]
    """Some lines."""
    whole: type[LayoutUpdate]
    """A region from its first line to its last."""
    replaced: Callable[[RenderableType, Callable[[Console], str]], RenderableType]
    """An update with another text to send."""

    def is_known(self, update: object) -> bool:
        """Return True for a readable update."""
        needed = _SOME if isinstance(update, self.some) else _WHOLE if isinstance(update, self.whole) else ()
        return bool(needed) and all(hasattr(update, name) for name in needed)


def updates() -> Updates | None:
    """Return the types of Textual's updates; None where they are unknown."""
    try:
        module: Any = importlib.import_module("textual._compositor")
        some, whole, base = module.ChopsUpdate, module.LayoutUpdate, module.CompositorUpdate
    except (ImportError, AttributeError):
        return None

    class Replaced(base):  # type: ignore[misc, valid-type]  # a class made at run time
        def __init__(self, update: RenderableType, send: Callable[[Console], str]) -> None:
            self.update, self.send = update, send

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            yield self.update

        def render_segments(self, console: Console) -> str:
            return self.send(console)

    return Updates(some, whole, Replaced)


class InternalApp(App[None]):
    """An app with public names for some of Textual's private ones."""

    def drawn(self, update: RenderableType | None) -> RenderableType | None:
        """Return the update to send instead."""
        return update

    def driver_made(self, driver: Driver, *, mouse: bool) -> None:
        """Prepare the terminal's driver before its start; with `mouse`, mouse reports are wanted."""

    def _display(self, *arguments: Any, **named: Any) -> None:
        if len(arguments) == 2 and not named:
            arguments = arguments[0], self.drawn(arguments[1])
        super()._display(*arguments, **named)

    def _build_driver(self, *arguments: Any, **named: Any) -> Driver:
        driver = super()._build_driver(*arguments, **named)
        self.driver_made(driver, mouse=bool(named.get("mouse", arguments[2] if len(arguments) > 2 else True)))
        return driver


def line_filters(app: App[Any]) -> list[LineFilter] | None:
    """Return the list of line filters, to be changed; None where there is none."""
    found = getattr(app, "_filters", None)
    return found if isinstance(found, list) else None


def write(app: App[Any], sequence: str) -> bool:
    """Write a control sequence to the terminal; return False where there is no terminal."""
    driver = getattr(app, "_driver", None)
    if driver is None or app.is_headless:
        return False
    driver.write(sequence)
    driver.flush()
    return True


def suspend_in_line(app: App[Any], wait: Callable[[], object]) -> bool:
    """Stop an inline app until `fg`; its lines stay in the scrollback and are drawn again below.

    `wait` is called once the program goes on. Return False, with nothing done, where the app has the whole
    screen, or Textual lacks a name that this needs.
    """
    driver = getattr(app, "_driver", None)
    if sys.platform == "win32" or driver is None or not driver.is_inline:
        return False
    internal: Any = app
    if not all(hasattr(internal, name) for name in _SUSPENSION):
        return False
    internal._suspend_signal()
    column, line = internal._previous_cursor_position
    lines = min(internal._get_inline_height(), app.size.height)
    driver.write(Control.move(-column, -line).segment.text + "\n" * lines)
    driver.stop_application_mode()
    # The default action of SIGTSTP, which we handle.
    os.kill(os.getpid(), signal.SIGSTOP)
    wait()
    internal._previous_cursor_position = Offset(0, 0)
    driver.start_application_mode()
    internal._resume_signal()
    return True


def count_layout(widget: Widget) -> None:
    """Count a layout request even if the one before is still pending.

    Textual counts a request only when the one before it was seen, and keeps the height it had worked out
    meanwhile: without this, a first view that comes at the wrong moment stays as tall as nothing.
    """
    internal: Any = widget
    if getattr(internal, "_layout_required", False) and hasattr(internal, "_layout_updates"):
        internal._layout_updates += 1


def replace_bad_input(driver: Driver, replaced: Callable[[], object]) -> bool:
    """Make a driver replace bytes of bad UTF-8; Textual's own decoder ends the program at the first.

    `replaced` is called in the input thread whenever a byte was replaced. Return False if this
    version of Textual decodes elsewhere, and nothing was changed.
    """
    module = sys.modules[type(driver).__module__]
    if not hasattr(module, "getincrementaldecoder"):
        return False

    class Decoder(codecs.getincrementaldecoder("utf-8")):  # type: ignore[misc]  # a class made at run time
        def __init__(self) -> None:
            super().__init__("replace")

        def decode(self, data: bytes, final: bool = False) -> str:
            text: str = super().decode(data, final)
            if REPLACEMENT in text:
                replaced()
            return text

    # setattr, because mypy knows no such name in a module.
    setattr(module, "getincrementaldecoder", lambda _encoding: Decoder)  # noqa: B010
    return True
