"""Logs of one session and the session's sub-agents, for the gate's calls within this session."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from budgauge.sources.source import Format, Found


class SessionFormat:
    """Some logs alone, read as an agent's."""

    roots: tuple[Path, ...] = ()

    def __init__(self, format: Format, logs: Iterable[Path], unlistable: tuple[str, ...] = ()) -> None:
        """`unlistable` are folders of the session that cannot be listed, with the reason."""
        self.unlistable = unlistable
        self.name, self.key_of, self.parser, self.origin = format.name, format.key_of, format.parser, format.origin
        self._find_all = format.find
        self._logs = {format.key_of(path): path for path in logs}

    def find(self) -> Found:
        """Return these logs. A fork's parent is looked for among all of the agent's logs."""
        return Found(self._logs, (), 0, self._find)

    def _find(self, key: str) -> Path | None:
        return self._logs.get(key) or (self._find_all().logs.get(key) if key else None)
