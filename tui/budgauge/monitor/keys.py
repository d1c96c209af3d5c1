"""The keys of the monitor, and where each can be used."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from budgauge.monitor.language import mark
from budgauge.monitor.widgets.key_line import Key

BINDINGS: list[BindingType] = [
    Binding(key, action, label, show=action != "suspend_process", key_display=display, tooltip=tooltip, id=id)
    for key, action, id, label, tooltip, display in (
        ("q", "quit", "quit", mark("Quit"), mark("Quit"), None),
        ("r", "reset", "reset", mark("Reset"), mark("Reset all counters; asks first"), None),
        ("u", "undo", "undo", mark("Undo"), mark("Undo the last reset, at once"), None),
        ("enter", "details", "details", mark("Details"), mark("Details of the agent under the cursor"), "Enter"),
        ("s", "next_order", "sort", mark("Sort"), mark("Next sort order; remembered"), None),
        ("slash", "filter", "filter", mark("Filter"), mark("Filter agents by name"), "/"),
        ("o", "over_time", "over_time", mark("Over time"), mark("Tokens and cost over time"), None),
        ("c", "collect", "collect", mark("Collect"), mark("Collect from agents' logs; remembered"), None),
        ("p", "pause", "pause", mark("Pause"), mark("Pause or resume the display"), None),
        ("t", "next_theme", "theme", mark("Theme"), mark("Next theme; remembered"), None),
        ("l", "logs", "logs", mark("Logs"), mark("Skipped lines of agents' logs"), None),
        (
            *("R", "reset_agent", "reset_agent"),
            *(mark("Reset agent"), mark("Reset the agent under the cursor; asks first"), None),
        ),
        ("y", "copy", "copy", mark("Copy"), mark("Copy the line under the cursor to the clipboard"), None),
        ("S", "reverse", "reverse", mark("Reverse"), mark("Reverse the sort order; remembered"), None),
        ("question_mark", "help", "help", mark("Help"), mark("This help"), "?"),
        ("ctrl+z", "suspend_process", "suspend", mark("Suspend"), mark("Suspend; fg resumes"), "^z"),
    )
]
TABLE_ACTIONS = frozenset({"details", "next_order", "reverse", "filter", "over_time"})
"""Actions on the table of agents, for the dashboard only."""
ROOMY_ACTIONS = TABLE_ACTIONS | {"logs", "help", "command_palette", "reset_agent", "copy"}
"""Actions with screens taller than five lines."""
ROOMY_KEYS = (
    *(b.key for b in BINDINGS if isinstance(b, Binding) and b.action in ROOMY_ACTIONS and b.key != "y"),
    "ctrl+p",
)
"""The keys of these actions, but for `y`: in five lines an answer."""
_OF_COLLECTING = frozenset({"collect", "logs"})


def footer_keys(*, collects: bool, in_line: bool) -> tuple[Key, ...]:
    """Return the keys of the last line, the most important first."""
    shown = [binding for binding in BINDINGS if isinstance(binding, Binding) and binding.show]
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
