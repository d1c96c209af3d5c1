"""The command palette: Textual's own, at any size."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette


class Palette(CommandPalette):
    """A palette for small terminals: Textual's fails at PgUp where its list has no room."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Allow moves in the list only while its lines are drawn."""
        lists = self.query(CommandList)
        if action == "command_list" and not (lists and lists.first().scrollable_content_region):
            return False
        return super().check_action(action, parameters)
