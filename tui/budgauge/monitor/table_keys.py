"""The keys of the table of agents."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from budgauge.monitor.language import mark

TABLE_BINDINGS: list[BindingType] = [
    Binding(key, action, label, show=False, key_display=display, tooltip=tooltip, id=f"table.{id}")
    for key, action, id, label, tooltip, display in (
        ("up,k", "move(-1)", "up", mark("Up"), mark("The agent above"), "↑ k"),
        ("down,j", "move(1)", "down", mark("Down"), mark("The agent below"), "↓ j"),
        ("pageup", "page(-1)", "page_up", mark("Page up"), mark("A screen of agents up"), None),
        ("pagedown", "page(1)", "page_down", mark("Page down"), mark("A screen down"), None),
        ("home", "first", "first", mark("First"), mark("The first agent"), None),
        ("end", "last", "last", mark("Last"), mark("The last agent"), None),
        ("left,h", "fold(True)", "fold", mark("Fold"), mark("Fold the family"), "← h"),
        ("right", "fold(False)", "unfold", mark("Unfold"), mark("Unfold the family"), "→"),
        ("space", "toggle_fold", "toggle", mark("Fold or unfold"), mark("Fold or unfold the family"), None),
    )
]
