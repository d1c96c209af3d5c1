"""The keys of the monitor, and where each can be used."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from budgauge.monitor.language import mark
from budgauge.monitor.widgets.key_line import Key


def bound(
    key: str, action: str, id: str, label: str, tooltip: str, display: str | None = None, *, show: bool = True
) -> Binding:
    """Return a binding with an id, and a tooltip for the help screen."""
    return Binding(key, action, label, show=show, key_display=display, tooltip=tooltip, id=id)


BINDINGS: list[Binding] = [
    bound("q", "quit", "quit", mark("Quit"), mark("Quit")),
    bound("r", "reset", "reset", mark("Reset"), mark("Reset all counters; asks first")),
    bound("u", "undo", "undo", mark("Undo"), mark("Undo the last reset, at once")),
    bound("enter", "details", "details", mark("Details"), mark("Details of the agent under the cursor"), "Enter"),
    bound("s", "next_order", "sort", mark("Sort"), mark("Next sort order; remembered")),
    bound("slash", "filter", "filter", mark("Filter"), mark("Filter agents by name"), "/"),
    bound("o", "over_time", "over_time", mark("Over time"), mark("Tokens and cost over time")),
    bound("c", "collect", "collect", mark("Collect"), mark("Collect from agents' logs; remembered")),
    bound("p", "pause", "pause", mark("Pause"), mark("Pause or resume the display")),
    bound("t", "next_theme", "theme", mark("Theme"), mark("Next theme; remembered")),
    bound("l", "logs", "logs", mark("Logs"), mark("Skipped lines of agents' logs")),
    bound("R", "reset_agent", "reset_agent", mark("Reset agent"), mark("Reset the agent under the cursor; asks first")),
    bound("y", "copy", "copy", mark("Copy"), mark("Copy the line under the cursor to the clipboard")),
    bound("S", "reverse", "reverse", mark("Reverse"), mark("Reverse the sort order; remembered")),
    bound("question_mark", "help", "help", mark("Help"), mark("This help"), "?"),
    bound("ctrl+z", "suspend_process", "suspend", mark("Suspend"), mark("Suspend; fg resumes"), "^z", show=False),
]
TABLE_BINDINGS: list[BindingType] = [
    bound(key, action, f"table.{id}", label, tooltip, display, show=False)
    for key, action, id, label, tooltip, display in (
        ("up,k", "move(-1)", "up", mark("Up"), mark("The agent above"), "↑ k"),
        ("down,j", "move(1)", "down", mark("Down"), mark("The agent below"), "↓ j"),
        ("pageup", "page(-1)", "page_up", mark("Page up"), mark("A screen of agents up"), "PgUp"),
        ("pagedown", "page(1)", "page_down", mark("Page down"), mark("A screen down"), "PgDn"),
        ("home", "first", "first", mark("First"), mark("The first agent"), "Home"),
        ("end", "last", "last", mark("Last"), mark("The last agent"), "End"),
        ("left,h", "fold(True)", "fold", mark("Fold"), mark("Fold the family"), "← h"),
        ("right", "fold(False)", "unfold", mark("Unfold"), mark("Unfold the family"), "→"),
        ("space", "toggle_fold", "toggle", mark("Fold or unfold"), mark("Fold or unfold the family"), "Space"),
    )
]
"""The keys of the table of agents."""
TABLE_ACTIONS = frozenset({"details", "next_order", "reverse", "filter", "over_time"})
"""Actions on the table of agents, for the dashboard only."""
ROOMY_ACTIONS = TABLE_ACTIONS | {"logs", "help", "command_palette", "reset_agent", "copy"}
"""Actions with screens taller than five lines."""
ROOMY_KEYS = (
    *(b.key for b in BINDINGS if b.action in ROOMY_ACTIONS and b.key != "y"),
    "ctrl+p",
)
"""The keys of these actions, but for `y`: in five lines an answer."""
_OF_COLLECTING = frozenset({"collect", "logs"})


def footer_keys(*, collects: bool, in_line: bool) -> tuple[Key, ...]:
    """Return the keys of the last line, the most important first."""
    shown = [binding for binding in BINDINGS if binding.show]
    keys = [Key(binding.key_display or binding.key, binding.description, binding.action) for binding in shown]
    if not collects:
        keys = [key for key in keys if key.action not in _OF_COLLECTING]
    if in_line:
        return tuple(key for key in keys if key.action not in ROOMY_ACTIONS)
    return (*keys[:-1], Key("^p", mark("Palette"), "command_palette"), keys[-1])


FROM_ELSEWHERE = (
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
    mark("The budget holds: agents are refused. Press r to reset."),
)
"""Shown texts that stand elsewhere."""
