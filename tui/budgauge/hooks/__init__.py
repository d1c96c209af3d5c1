"""An agent's settings made to call our command at its hooks, and freed of it again; what others wrote stays."""

from budgauge.hooks.change import Change, write
from budgauge.hooks.entry import EVENTS, Agent
from budgauge.hooks.settings import commands_at, installed, settings_file, uninstalled

__all__ = ["EVENTS", "Agent", "Change", "commands_at", "installed", "settings_file", "uninstalled", "write"]
