"""What the screens that views are put on have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from textual.screen import Screen

from budgauge.monitor.widgets.banner import Item
from budgauge.monitor.widgets.guide import GuideFace
from budgauge.monitor.widgets.key_line import Key
from budgauge.views.live import View


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the screen shows beside the view."""

    items: tuple[Item, ...] = ()
    """What the monitor itself has to say."""
    collecting: str = ""
    changed: float | None = None
    """Unix seconds of the last change that was seen."""
    paused: bool = False
    demo: bool = False
    shown_ledger: str | None = None
    """What stands in the place of the ledger's path."""
    home: str = ""


class Board(Screen[None]):
    """The first screen of the monitor; it is given views, moments, and what else there is to say."""

    def __init__(self, keys: Sequence[Key], ready: Callable[[], None]) -> None:
        """`ready` is called once, before the first paint, when everything is there to be shown on."""
        super().__init__(id="dashboard")
        self._ready = ready
        self._keys = tuple(keys)

    def on_mount(self) -> None:
        """Everything is there to be shown on."""
        self._ready()

    def show(self, view: View, now: float, around: Surroundings) -> None:
        """Bring everything up to a view, at a moment (unix seconds)."""
        raise NotImplementedError

    def tick(self, view: View, now: float, around: Surroundings) -> None:
        """Bring up to a moment what changes by time alone."""
        raise NotImplementedError

    def show_items(self, view: View, around: Surroundings) -> None:
        """Bring up to date what a person must know now."""
        raise NotImplementedError

    def pause(self, *, paused: bool) -> None:
        """Say that the display is frozen, or no longer."""
        raise NotImplementedError

    def guide(self, face: GuideFace) -> None:
        """Bring up to date what to do while the ledger is empty."""
        raise NotImplementedError
