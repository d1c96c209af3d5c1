"""The logs of one session alone, its own and its sub-agents', for a gate that is asked within it."""

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
        """`unlistable` are folders of the session that cannot be looked into, and why."""
        self.unlistable = unlistable
        self._format = format
        self._logs = {format.key_of(path): path for path in logs}

    @property
    def name(self) -> str:
        """The agent's."""
        return self._format.name

    def find(self) -> Found:
        """Those logs; the parent of a fork is looked for among all of the agent's."""
        return Found(self._logs, (), 0, self._find)

    def key_of(self, path: Path) -> str:
        """As the agent's."""
        return self._format.key_of(path)

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """As the agent's."""
        return self._format.parser(key, path, find)

    def origin(self, path: Path, find: FindLog) -> Origin | None:
        """As the agent's."""
        return self._format.origin(path, find)

    def _find(self, key: str) -> Path | None:
        return self._logs.get(key) or (self._format.find().logs.get(key) if key else None)
