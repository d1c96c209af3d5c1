"""The base of small widgets: lines drawn for a width, from one frozen value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from textual.content import Content
from textual.geometry import Region, Size
from textual.style import Style
from textual.widget import Widget

from budgauge.monitor.textual_internals import count_layout
from budgauge.text import width

if TYPE_CHECKING:
    from typing_extensions import Self


def component_classes(css: str) -> set[str]:
    """Return the component classes that a style sheet names."""
    return set(re.findall(r"\.(\w+--[\w-]+)", css))


class Drawing(Widget):
    """A widget of the lines of `draw(width)`, as high as their number where the height is `auto`."""

    DEFAULT_CSS = """
    Drawing {
        height: auto;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        & .drawing--title { color: $accent; text-style: bold; }
        & .drawing--number { color: $foreground; text-style: bold; }
        & .drawing--text { color: $foreground; }
        & .drawing--muted { color: $foreground 60%; }
        & .drawing--ok { color: $success; }
        & .drawing--warning { color: $warning; text-style: bold; }
        & .drawing--exceeded { color: $error; text-style: bold; }
    }
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Declare the component classes of the style sheets."""
        cls.COMPONENT_CLASSES = component_classes(Drawing.DEFAULT_CSS + cls.DEFAULT_CSS)
        super().__init_subclass__(**options)

    def draw(self, cells: int) -> list[Content]:
        """Return the lines for a width in cells."""
        raise NotImplementedError

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the number of lines."""
        return len(self.draw(width))

    def render(self) -> Content:
        """Return all lines."""
        return Content("\n").join(self.draw(self.content_size.width))

    def part(self, name: str) -> Style:
        """Return the style of a component class: `number` of every drawing, `gauge--bar` of one."""
        return self.get_visual_style(name if "--" in name else f"drawing--{name}")

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Refresh, with a new layout if the number of lines has changed."""
        if not layout and not regions and self.is_attached and self.styles.is_auto_height:
            lines = len(self.draw(self.content_size.width)) if self.content_size.width else -1
            layout = lines != self.content_size.height
            if layout:
                count_layout(self)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


Piece = tuple[str, Style]
"""A text, safe to show, and its style."""


def spread(left: list[Piece], right: list[Piece], cells: int) -> Content:
    """Return a line with pieces at both ends; the first right ones are left out where there is no room."""
    taken = list(right)
    room = cells - sum(width(text) for text, _ in left)
    while taken and sum(width(text) for text, _ in taken) > room:
        taken.pop(0)
    gap = room - sum(width(text) for text, _ in taken)
    return Content.assemble(*left, " " * max(0, gap), *taken)


def in_order(pieces: list[Piece], cells: int, gap: str = "  ") -> Content:
    """Return a line of the pieces with room, the first ones first."""
    taken: list[str | Piece] = []
    used = 0
    for text, style in pieces:
        need = width(text) + (len(gap) if taken else 0)
        if used + need > cells:
            continue
        if taken:
            taken.append(gap)
        taken.append((text, style))
        used += need
    return Content.assemble(*taken)
