"""The gate's notes on a session, kept between hook calls."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.config.load import Loaded
from budgauge.files.cache import CacheFile, cache_folder, short_name
from budgauge.sources.unasked.asked import FORGET_SECONDS


class Notes(msgspec.Struct):
    """The notes on one session."""

    warned: bool = False
    """True once the agent got the budget's warning."""
    remarked: list[str] = []
    """Names of the remarks that were shown in this session."""
    members: list[str] = []
    """Paths of a Codex session's own and its sub-agents' rollouts."""
    strangers: list[str] = []
    """Paths of other sessions' rollouts in the same folders."""


class NotesFile:
    """The file of a session's notes."""

    def __init__(self, loaded: Loaded, session: str) -> None:
        self.session = session
        ledger = os.path.abspath(loaded.ledger.path)
        path = cache_folder() / f"hook-{short_name(f'{ledger} {session}')}.notes"
        self._file = CacheFile(path, _decoder)
        self.turn_path = path.with_suffix(".turn")
        """The lock under which one hook of the session works at a time."""
        self.is_first = True
        """True while the file does not exist yet."""

    def read(self) -> Notes:
        """Return the notes; empty ones at a session's first call."""
        notes = self._file.read()
        self.is_first = notes is None
        return notes or Notes()

    def write(self, notes: Notes) -> None:
        """Write the notes; a session's first write removes the notes of sessions long gone."""
        self._file.write(notes)
        if self.is_first:
            for old in _old_notes(self._file.path.parent):
                with suppress(OSError):
                    old.unlink()


_decoder = msgspec.json.Decoder(Notes)


def _old_notes(folder: Path) -> Iterator[Path]:
    oldest = time.time() - FORGET_SECONDS
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith("hook-") and path.stat().st_mtime < oldest:
                yield path
