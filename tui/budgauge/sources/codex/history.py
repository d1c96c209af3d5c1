"""History of a Codex thread in other files: of the parent, and of the thread's earlier pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from budgauge.sources.codex.fork import Copies, Outline, UsageMark, count_copied, cut, history
from budgauge.sources.codex.line import SessionMeta
from budgauge.sources.codex.tokens import Tokens
from budgauge.sources.tail import LogOffset, log_lines

FindPages = Callable[[str], Sequence[Path]]
"""thread → its pages' files, in order; empty if there are none."""
FindForks = Callable[[str], Sequence[Path]]
"""thread → the files of its forks, in the order in which they began."""


class History:
    """The history of the rollout at a path, which other files may hold."""

    def __init__(self, path: Path, pages: FindPages, forks: FindForks) -> None:
        self._path = path
        self._pages = pages
        self._forks = forks

    def copied(self, meta: SessionMeta) -> Copies:
        """Count the copied usage lines at the start. Unreadable files count as missing."""
        child = _outlined(self._path)
        parent = (meta.parent or "").lower()
        parents = self._histories(parent, most=len(child.usage))
        siblings = [] if parents or not meta.forked_from or meta.history_base is not None else self._siblings(parent)
        return count_copied(child, parents, forked=bool(meta.forked_from), siblings=siblings)

    def base(self, meta: SessionMeta) -> Tokens | None:
        """Return the cumulative counts from which the file goes on; None if no file tells."""
        thread = (meta.forked_from or meta.id or "").lower()
        histories = self._histories(thread)
        if not histories:
            return None
        created = _outlined(self._path, most=1).created
        before = cut(histories[-1], meta.base_ordinal, created)
        return next((mark.total for mark in reversed(before) if mark.total is not None), None)

    def totals(self, lines: int) -> set[Tokens]:
        """Return the cumulative counts in the first usage lines of the file."""
        usage = _outlined(self._path, most=lines).usage[:lines]
        return {mark.total for mark in usage if mark.total is not None}

    def _histories(self, thread: str, most: int | None = None) -> list[list[UsageMark]]:
        """Return a thread's history after each page, up to this file if it is one of them."""
        paths = list(self._pages(thread))
        if self._path in paths:
            paths = paths[: paths.index(self._path)]
        return history([found for path in paths if (found := _outline(path, most)) is not None])

    def _siblings(self, parent: str) -> list[Outline]:
        paths = list(self._forks(parent))
        earlier = paths[: paths.index(self._path)] if self._path in paths else []
        return [found for path in earlier if (found := _outline(path)) is not None]


def _outlined(path: Path, most: int | None = None) -> Outline:
    """Return the outline of a rollout; `most` usage lines are enough."""
    outline = Outline()
    for data in log_lines(path, LogOffset()):
        outline.feed(data)
        if most is not None and len(outline.usage) >= most:
            break
    return outline


def _outline(path: Path, most: int | None = None) -> Outline | None:
    try:
        return _outlined(path, most)
    except OSError:
        return None
