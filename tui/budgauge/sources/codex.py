"""Codex CLI's session logs: its rollouts, active, archived and compressed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.sources.folders import files_below
from budgauge.sources.log import MakeParser
from budgauge.sources.name import CODEX, AgentNames, safe_path
from budgauge.sources.source import FindLog, Found
from budgauge.sources.tail import Tail

if TYPE_CHECKING:
    from budgauge.sources.codex_line import SessionMeta
    from budgauge.sources.codex_rollout import Rollout

_THREAD = re.compile(r"rollout-.*?-?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")
_PLAIN, _COMPRESSED = ".jsonl", ".jsonl.zst"


class CodexFormat:
    """All rollouts below Codex's own folder; a thread's active, plain log wins over its copies."""

    name = CODEX

    def __init__(self, home: Path, names: AgentNames = AgentNames()) -> None:
        """`home` is `$CODEX_HOME` or `~/.codex`; it need not exist yet."""
        self.roots = (home / "sessions", home / "archived_sessions")
        self._names = names

    def find(self) -> Found:
        """All rollouts that there are now."""
        logs: dict[str, Path] = {}
        packed: dict[str, Path] = {}
        copies: set[str] = set()
        unlistable: list[str] = []

        def miss(error: OSError) -> None:
            # A folder that is not there holds nothing.
            if not isinstance(error, FileNotFoundError):
                unlistable.append(f"cannot read {error.filename}: {error.strerror or error}")

        for root in self.roots:
            for path in sorted(_rollouts(root, miss)):
                thread = self.key_of(path)
                kind = packed if path.name.endswith(_COMPRESSED) else logs
                if thread in kind:
                    copies.add(thread)
                    path = _better(kind[thread], path, root)
                kind[thread] = path
        copies |= packed.keys() & logs.keys()
        notes = (f"{len(copies)} copies of session logs were left out (archived or compressed)",) if copies else ()
        return Found({**packed, **logs}, (*unlistable, *notes), len(unlistable))

    def key_of(self, path: Path) -> str:
        """The thread id in a rollout's name; the bare name where there is none."""
        stem = safe_path(path.name).removesuffix(".zst").removesuffix(_PLAIN)
        match = _THREAD.match(stem)
        return match.group(1).lower() if match else stem

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """Makes the parser of a rollout; `find` finds its parent's, if it is a fork."""
        # Loaded here, as below: most runs find nothing new to read.
        from budgauge.sources.codex_rollout import Rollout

        def make(saved: bytes | None, seconds: int) -> Rollout:
            def copied(meta: SessionMeta) -> int:
                return _count_copied(meta, path, find((meta.parent or "").lower()) or path)

            return Rollout(key, copied=copied, seconds=seconds, saved=saved, names=self._names)

        return make


def _count_copied(meta: SessionMeta, path: Path, parent_path: Path) -> int:
    from budgauge.sources.codex_fork import count_copied, outline

    child = outline(Tail().lines(path))
    try:
        parent = outline(Tail().lines(parent_path), most=len(child.usage)) if parent_path != path else None
    except OSError:
        parent = None
    return count_copied(child, parent, forked=bool(meta.forked_from))


def _better(known: Path, other: Path, root: Path) -> Path:
    """Of two logs of one thread the active one, else the longer. `root` is where `other` was found, after `known`."""
    if not known.is_relative_to(root):
        return known
    return max(known, other, key=_size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _rollouts(root: Path, miss: Callable[[OSError], None]) -> Iterator[Path]:
    """All rollouts below a folder, compressed ones too; `miss` is told of each folder that cannot be listed."""
    for folder, files in files_below(root, miss):
        for name in files:
            if name.startswith("rollout-") and name.endswith((_PLAIN, _COMPRESSED)):
                yield Path(folder, name)
