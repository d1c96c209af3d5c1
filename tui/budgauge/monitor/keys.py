"""The keys of the monitor, and where each can be used."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from budgauge.monitor.language import mark
from budgauge.monitor.widgets.key_line import Key

BINDINGS: list[BindingType] = [
    Binding("q", "quit", mark("Quit"), id="quit", tooltip=mark("Quit")),
    Binding("r", "reset", mark("Reset"), id="reset", tooltip=mark("Reset all counters; asks first")),
    Binding("u", "undo", mark("Undo"), id="undo", tooltip=mark("Undo the last reset, at once")),
    Binding(
        "enter",
        "details",
        mark("Details"),
        id="details",
        key_display="Enter",
        tooltip=mark("Details of the agent under the cursor"),
    ),
    Binding("s", "next_order", mark("Sort"), id="sort", tooltip=mark("Next sort order; remembered")),
    Binding(
        "slash",
        "filter",
        mark("Filter"),
        id="filter",
        key_display="/",
        tooltip=mark("Filter agents by name"),
    ),
    Binding("o", "over_time", mark("Over time"), id="over_time", tooltip=mark("Tokens and cost over time")),
    Binding("c", "collect", mark("Collect"), id="collect", tooltip=mark("Collect from agents' logs; remembered")),
    Binding("p", "pause", mark("Pause"), id="pause", tooltip=mark("Pause or resume the display")),
    Binding("t", "next_theme", mark("Theme"), id="theme", tooltip=mark("Next theme; remembered")),
    Binding("l", "logs", mark("Logs"), id="logs", tooltip=mark("Skipped lines of agents' logs")),
    Binding(
        "R",
        "reset_agent",
        mark("Reset agent"),
        id="reset_agent",
        tooltip=mark("Reset the agent under the cursor; asks first"),
    ),
    Binding("y", "copy", mark("Copy"), id="copy", tooltip=mark("Copy the line under the cursor to the clipboard")),
    Binding("S", "reverse", mark("Reverse"), id="reverse", tooltip=mark("Reverse the sort order; remembered")),
    Binding("question_mark", "help", mark("Help"), id="help", key_display="?", tooltip=mark("This help")),
    Binding(
        "ctrl+z",
        "suspend_process",
        mark("Suspend"),
        show=False,
        key_display="^z",
        id="suspend",
        tooltip=mark("Suspend; fg resumes"),
    ),
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
