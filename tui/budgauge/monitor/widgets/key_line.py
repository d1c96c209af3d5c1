"""The last line: keys with their labels, to press or click."""

from __future__ import annotations

import msgspec
from textual.content import Content
from textual.events import Click, Leave, MouseMove
from textual.reactive import reactive

from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing
from budgauge.text import width


class Key(msgspec.Struct, frozen=True):
    """A key with its label."""

    key: str
    label: str
    action: str
    """The app's action at a click."""


def fit_keys(keys: tuple[Key, ...], cells: int) -> tuple[Key, ...]:
    """Return the keys with room, the first ones first; the last one always."""
    room = cells - _cells(keys[-1]) if keys else 0
    shown = []
    for key in keys[:-1]:
        if _cells(key) > room:
            break
        shown.append(key)
        room -= _cells(key)
    return (*shown, *keys[-1:])


def _cells(key: Key) -> int:
    return width(key.key) + width(tr(key.label)) + 3


class KeyLine(Drawing):
    """As many keys as room permits; the last one, help, always."""

    DEFAULT_CSS = """
    KeyLine {
        height: 1;
        background: $panel;
        & .keys--key { color: $accent; text-style: bold; }
        & .keys--label { color: $foreground 75%; }
        & .keys--hover { background: $primary 25%; }
    }
    """

    hovered: reactive[str] = reactive("", init=False)
    """The action of the key under the mouse."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        """`keys` has the most important key first, and help last."""
        super().__init__()
        self.keys = keys

    def draw(self, cells: int) -> list[Content]:
        """Return one line."""
        parts = []
        for key in fit_keys(self.keys, cells):
            line = Content.assemble(
                (f" {key.key}", self.part("keys--key")), (f" {tr(key.label)} ", self.part("keys--label"))
            )
            if key.action == self.hovered:
                line = line.stylize(self.part("keys--hover").background_style)
            parts.append(line)
        return [Content("").join(parts)]

    async def on_click(self, event: Click) -> None:
        """Run the clicked key's action."""
        key = self._key_at(event.x)
        if key is not None:
            await self.app.run_action(key.action)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Highlight the key under the mouse."""
        key = self._key_at(event.x)
        self.hovered = key.action if key else ""

    def on_leave(self, _: Leave) -> None:
        """Remove the highlight."""
        self.hovered = ""

    def _key_at(self, x: int) -> Key | None:
        for key in fit_keys(self.keys, self.content_size.width):
            if 0 <= x < _cells(key):
                return key
            x -= _cells(key)
        return None
