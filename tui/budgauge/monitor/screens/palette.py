"""The command palette: Textual's own, at any size."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette


class Palette(CommandPalette):
    """A list that was never drawn, because there is no room for it, knows none of its lines, and fails at PgUp."""

    def _action_command_list(self, action: str) -> None:
        if self.query_one(CommandList).scrollable_content_region:
            super()._action_command_list(action)
