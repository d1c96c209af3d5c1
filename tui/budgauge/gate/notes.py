"""The gate's notes on a session, kept between hook calls."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.config.load import Loaded
from budgauge.files.cache import cache_folder, read_cache, short_name, write_cache
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
        self._path = cache_folder() / f"hook-{short_name(f'{ledger} {session}')}.notes"
        self.turn_path = self._path.with_suffix(".turn")
        """The lock under which one hook of the session works at a time."""
        self.is_first = True
        """True while the file does not exist yet."""

    def read(self) -> Notes:
        """Return the notes; empty ones at a session's first call."""
        content = read_cache(self._path)
        self.is_first = content is None
        if content is not None:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return _decode_notes(content)
        return Notes()

    def write(self, notes: Notes) -> None:
        """Write the notes; a session's first write removes the notes of sessions long gone."""
        write_cache(self._path, msgspec.json.encode(notes))
        if self.is_first:
            for old in _old_notes(self._path.parent):
                with suppress(OSError):
                    old.unlink()


_decode_notes = msgspec.json.Decoder(Notes).decode


def _old_notes(folder: Path) -> Iterator[Path]:
    oldest = time.time() - FORGET_SECONDS
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith("hook-") and path.stat().st_mtime < oldest:
                yield path
