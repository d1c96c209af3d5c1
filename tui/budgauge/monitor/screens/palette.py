"""The command palette: Textual's own, at any size."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette


class Palette(CommandPalette):
    """A list that was never drawn, because there is no room for it, knows none of its lines, and fails at PgUp."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Moving in the list needs lines that are drawn."""
        lists = self.query(CommandList)
        if action == "command_list" and not (lists and lists.first().scrollable_content_region):
            return False
        return super().check_action(action, parameters)
