"""The keys of the table of agents."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from budgauge.monitor.language import mark

TABLE_BINDINGS: list[BindingType] = [
    Binding(
        "up,k",
        "move(-1)",
        mark("Up"),
        show=False,
        id="table.up",
        tooltip=mark("The agent above"),
        key_display="↑ k",
    ),
    Binding(
        "down,j",
        "move(1)",
        mark("Down"),
        show=False,
        id="table.down",
        tooltip=mark("The agent below"),
        key_display="↓ j",
    ),
    Binding(
        "pageup", "page(-1)", mark("Page up"), show=False, id="table.page_up", tooltip=mark("A screen of agents up")
    ),
    Binding("pagedown", "page(1)", mark("Page down"), show=False, id="table.page_down", tooltip=mark("A screen down")),
    Binding("home", "first", mark("First"), show=False, id="table.first", tooltip=mark("The first agent")),
    Binding("end", "last", mark("Last"), show=False, id="table.last", tooltip=mark("The last agent")),
    Binding(
        "left,h",
        "fold(True)",
        mark("Fold"),
        show=False,
        id="table.fold",
        tooltip=mark("Fold the family"),
        key_display="← h",
    ),
    Binding(
        "right",
        "fold(False)",
        mark("Unfold"),
        show=False,
        id="table.unfold",
        tooltip=mark("Unfold the family"),
        key_display="→",
    ),
    Binding(
        "space",
        "toggle_fold",
        mark("Fold or unfold"),
        show=False,
        id="table.toggle",
        tooltip=mark("Fold or unfold the family"),
    ),
]
