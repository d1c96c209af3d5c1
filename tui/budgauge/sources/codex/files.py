"""Codex's session logs, called rollouts: active, archived and compressed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.sources.folders import files_below
from budgauge.sources.log import MakeParser
from budgauge.sources.name import CODEX, AgentNames, safe_path
from budgauge.sources.source import FindLog, Found

if TYPE_CHECKING:
    from budgauge.sources.codex.rollout import Rollout
    from budgauge.sources.origin import Origin

_UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_THREAD = re.compile(f"rollout-.*?-?({_UUID}(?:_{_UUID})?)$")
_PAGE = "_"
"""Between the ids of a thread and of a later page of it."""
_PLAIN, _COMPRESSED = ".jsonl", ".jsonl.zst"


class CodexFormat:
    """All rollouts below Codex's own folder; a thread's active, plain log wins over its copies."""

    name = CODEX

    def __init__(self, home: Path, names: AgentNames = AgentNames()) -> None:
        """`home` is `$CODEX_HOME` or `~/.codex`. The folder need not exist yet."""
        self.roots = (home / "sessions", home / "archived_sessions")
        self._names = names
        self._logs: dict[str, Path] | None = None
        self._forks: dict[str, list[Path]] | None = None

    def find(self) -> Found:
        """Find all rollouts."""
        logs: dict[str, Path] = {}
        packed: dict[str, Path] = {}
        copies: set[str] = set()
        unlistable: list[str] = []
        for root in self.roots:
            for path in sorted(files_below(root, _is_rollout, unlistable)):
                thread = self.key_of(path)
                kind = packed if path.name.endswith(_COMPRESSED) else logs
                if thread in kind:
                    copies.add(thread)
                    path = _better(kind[thread], path, root)
                kind[thread] = path
        copies |= packed.keys() & logs.keys()
        notes = (f"{len(copies)} copies of session logs were left out (archived or compressed)",) if copies else ()
        self._logs, self._forks = {**packed, **logs}, None
        return Found(self._logs, (*unlistable, *notes), len(unlistable))

    def key_of(self, path: Path) -> str:
        """Return the thread's id in a rollout's name, with a later page's id; else the bare name."""
        stem = safe_path(path.name).removesuffix(".zst").removesuffix(_PLAIN)
        match = _THREAD.match(stem)
        return match.group(1).lower() if match else stem

    def thread_of(self, path: Path) -> str:
        """Return the thread of a rollout; the bare name if there is no id in the name."""
        key = self.key_of(path)
        return key.partition(_PAGE)[0] if _THREAD.match(f"rollout-{key}") else key

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """Return the maker of a rollout's parser. `find` finds the rollout of a fork's parent."""
        # Loaded here, as below: most runs find nothing new to read.
        from budgauge.sources.codex.history import History
        from budgauge.sources.codex.rollout import Rollout

        def pages(thread: str) -> list[Path]:
            first, logs = find(thread), self._known_logs()
            later = [logs[key] for key in sorted(logs) if key.startswith(thread + _PAGE)]
            return [first, *later] if first else later

        def make(saved: bytes | None, seconds: int) -> Rollout:
            thread, _, page = key.partition(_PAGE) if _THREAD.match(f"rollout-{key}") else (key, "", "")
            history = History(path, pages, self._forks_of)
            return Rollout(thread, page=page or None, history=history, seconds=seconds, saved=saved, names=self._names)

        return make

    def origin(self, path: Path, find: FindLog) -> Origin | None:
        """Return the thread begun by a person. A sub-agent's log names this thread, or the one above."""
        from budgauge.sources.codex.session import origin

        root = next((root for root in self.roots if path.is_relative_to(root)), None)
        return None if root is None else origin(path, root.parent, find)

    def _forks_of(self, thread: str) -> list[Path]:
        """The forks of a thread, by their own ids: newer ids are larger."""
        from budgauge.sources.codex.session import first_line

        if self._forks is None:
            self._forks = {}
            for _, path in sorted(self._known_logs().items()):
                meta = first_line(path)
                if meta is not None and meta.forked_from:
                    self._forks.setdefault(meta.forked_from.lower(), []).append(path)
        return self._forks.get(thread, [])

    def _known_logs(self) -> dict[str, Path]:
        return self.find().logs if self._logs is None else self._logs


def _better(known: Path, other: Path, root: Path) -> Path:
    """Return the active one of two logs of a thread, else the longer. `root` is where `other` was found."""
    if not known.is_relative_to(root):
        return known
    return max(known, other, key=_size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _is_rollout(name: str) -> bool:
    return name.startswith("rollout-") and name.endswith((_PLAIN, _COMPRESSED))
