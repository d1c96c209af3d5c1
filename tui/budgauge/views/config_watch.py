"""The config in force while a program runs: reread after a change, kept while the files are broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from budgauge.config.load import Loaded
from budgauge.config.table import read_document
from budgauge.errors import ConfigError

SETTLE_SECONDS = 0.25
"""The time without a change before a changed file is read: editors write in steps."""


class ConfigWatch:
    """The config in force, read again once changed files stay still for a moment."""

    def __init__(
        self, load: Callable[[], Loaded], monotonic: Callable[[], float], *, keeps_project: bool = False
    ) -> None:
        """Take the loader and a clock; `keeps_project` keeps a removed project's config in place of the user's."""
        self._load = load
        self._monotonic = monotonic
        self._keeps_project = keeps_project
        self.loaded = load()
        """The last good config."""
        self.trouble: str | None = None
        """The reason why the present files cannot be used; the last good config stays in force."""
        # Unknown: the files may have changed since `load` read them.
        self._read: tuple[object, ...] | None = None
        self._seen, self._seen_at = self._signature(), monotonic()

    def poll(self) -> bool:
        """Look at the files; return True if another config is in force now."""
        signature = self._signature()
        if signature != self._seen:
            self._seen, self._seen_at = signature, self._monotonic()
        if signature == self._read or self._monotonic() - self._seen_at < SETTLE_SECONDS:
            return False
        self._read = signature
        try:
            loaded = self._load()
            changed = (loaded.config, loaded.ledger.path) != (self.loaded.config, self.loaded.ledger.path)
            self.trouble = self._lost(loaded) if changed else None
        except ConfigError as error:
            self.trouble = str(error)
            return False
        if self.trouble or loaded == self.loaded:
            return False
        self.loaded = loaded
        return True

    def _lost(self, loaded: Loaded) -> str | None:
        """Return the trouble of a budget gone from a file: more likely half written than a wish for no limits."""
        folders = {path.parent for path in loaded.found}
        for path in self.loaded.found:
            emptied = path in loaded.emptied and path not in self.loaded.emptied
            if emptied or (path.parent not in folders and not self._project_is_gone(path)):
                why = f" ({'; '.join(loaded.warnings)})" if emptied and loaded.warnings else ""
                return (
                    f"{path}: no longer holds the budget{why}; its last values stay in force "
                    "until it is back or budgauge restarts"
                )
        return None

    def _project_is_gone(self, path: Path) -> bool:
        """Return True for a project's file removed, as by `git checkout`; an empty one is half written."""
        if path != self.loaded.project or self._keeps_project:
            return False
        found = read_document(path)
        return found is None or bool(found[0])

    def _signature(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in self.loaded.files)


def change_of_budget(before: Loaded, after: Loaded) -> str | None:
    """Return a notice of another budget or ledger shown than before; None where both are the same."""
    old, new = before.ledger.path, after.ledger.path
    shown = f"ledger {new} are shown now" if new != old else "the same ledger are shown now"
    if before.project == after.project or (
        before.project and after.project and before.project.parent == after.project.parent
    ):
        return None if old == new else f"The config names another ledger: {new} is shown now, {old} no longer."
    if after.project is None:
        return f"The project's config {before.project} is gone: your own budget and {shown}."
    if before.project is None:
        return f"The project's config {after.project} was found: its budget and {shown}."
    return f"The project's config is {after.project} now, not {before.project}: its budget and {shown}."


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)
