"""The folder and time in which a Claude Code session began, from the first lines of the log."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import msgspec

from budgauge.sources.tail import heads


class _Line(msgspec.Struct, frozen=True):
    cwd: str | None = None


class _Timed(msgspec.Struct, frozen=True):
    timestamp: datetime


_decode = msgspec.json.Decoder(_Line).decode
_decode_timed = msgspec.json.Decoder(_Timed).decode
T = TypeVar("T")


def session_folder(log: Path) -> str | None:
    """Return the folder in which a session began; None if no line names one. Later lines may name others."""
    return _first(log, _folder)


def session_begun(log: Path) -> float | None:
    """Return the unix seconds when a session began: of the first line with a time. None without such a line.

    A log that begins with a copy of another session's lines has their time.
    """
    return _first(log, _begun)


def _first(log: Path, tell: Callable[[bytes], T | None]) -> T | None:
    """Return the first answer of `tell` about a line of the log."""
    with suppress(OSError, ValueError):
        for head in heads(log):
            for line in head.split(b"\n")[:-1]:
                if (found := tell(line)) is not None:
                    return found
    return None


def _folder(line: bytes) -> str | None:
    try:
        return _decode(line).cwd or None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _begun(line: bytes) -> float | None:
    try:
        moment = _decode_timed(line).timestamp
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
