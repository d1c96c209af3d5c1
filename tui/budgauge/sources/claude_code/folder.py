"""The folder in which a Claude Code session was begun, and when, as the first lines of its log say."""

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import msgspec

from budgauge.sources.tail import open_log

_HEAD_BYTES = (1 << 16, 1 << 22)
"""The first line that names a folder is looked for in so many bytes, then in so many: a prompt may be long."""


class _Line(msgspec.Struct, frozen=True):
    cwd: str | None = None


class _Timed(msgspec.Struct, frozen=True):
    timestamp: datetime


_decode = msgspec.json.Decoder(_Line).decode
_decode_timed = msgspec.json.Decoder(_Timed).decode
T = TypeVar("T")


def session_folder(log: Path) -> str | None:
    """The session's own folder: later lines name the folder that the agent moved to. None if no line names one."""
    return _first(log, _folder)


def session_begun(log: Path) -> float | None:
    """When the session began, in unix seconds: the time of its first line that has one. None if no line has one.

    A log that begins with a copy of another session's lines has their time.
    """
    return _first(log, _begun)


def _first(log: Path, tell: Callable[[bytes], T | None]) -> T | None:
    """What the first line says that says anything."""
    try:
        descriptor = open_log(log)
    except (OSError, ValueError):
        return None
    try:
        for size in _HEAD_BYTES:
            head = os.pread(descriptor, size, 0)
            for line in head.split(b"\n")[:-1]:
                if (found := tell(line)) is not None:
                    return found
            if len(head) < size:
                break
    except OSError:
        pass
    finally:
        os.close(descriptor)
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
