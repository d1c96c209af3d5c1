"""The base of the two main screens: the dashboard and the five lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from textual.screen import Screen

from budgauge.monitor.widgets.banner import Item
from budgauge.monitor.widgets.key_line import Key
from budgauge.monitor.widgets.onboarding import OnboardingViewModel
from budgauge.monitor.widgets.top_line import TopViewModel
from budgauge.views.live import View


class AppState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a main screen shows at one moment."""

    view: View
    now: float
    """Unix seconds."""
    top: TopViewModel
    items: tuple[Item, ...] = ()
    """Messages of the app itself, for the banner."""
    onboarding: OnboardingViewModel | None = None
    """Where nothing was ever recorded: how to begin."""


class MainScreen(Screen[None]):
    """The monitor's first screen."""

    def __init__(self, keys: Sequence[Key], ready: Callable[[], None]) -> None:
        """`ready` is called once, when all widgets are mounted, before the first paint."""
        super().__init__(id="dashboard")
        self._ready = ready
        self._keys = tuple(keys)

    def on_mount(self) -> None:
        """Report that all widgets are mounted."""
        self._ready()

    def show(self, state: AppState, *, only_time: bool) -> None:
        """Show a view; with `only_time`, only what changes by time alone."""
        raise NotImplementedError

    def show_items(self, state: AppState) -> None:
        """Bring the banner up to date."""
        raise NotImplementedError

    def pause(self, *, paused: bool) -> None:
        """Show whether the display is frozen."""
        raise NotImplementedError
