"""Logs of one session and the session's sub-agents, for the gate's calls within this session."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.sources.log import MakeParser
from budgauge.sources.source import FindLog, Format, Found

if TYPE_CHECKING:
    from budgauge.sources.origin import Origin


class SessionFormat:
    """Some logs alone, read as an agent's."""

    roots: tuple[Path, ...] = ()

    def __init__(self, format: Format, logs: Iterable[Path], unlistable: tuple[str, ...] = ()) -> None:
        """`unlistable` are folders of the session that cannot be listed, with the reason."""
        self.unlistable = unlistable
        self._format = format
        self._logs = {format.key_of(path): path for path in logs}

    @property
    def name(self) -> str:
        """The agent's."""
        return self._format.name

    def find(self) -> Found:
        """Return these logs. A fork's parent is looked for among all of the agent's logs."""
        return Found(self._logs, (), 0, self._find)

    def key_of(self, path: Path) -> str:
        """Return the agent's key of a log."""
        return self._format.key_of(path)

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """Return the agent's parser of a log."""
        return self._format.parser(key, path, find)

    def origin(self, path: Path, find: FindLog) -> Origin | None:
        """Return the agent's origin of a log."""
        return self._format.origin(path, find)

    def _find(self, key: str) -> Path | None:
        return self._logs.get(key) or (self._format.find().logs.get(key) if key else None)
