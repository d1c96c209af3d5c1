"""The folder in which a Claude Code session was begun, as the first lines of its log say."""

import os
from pathlib import Path

import msgspec

from budgauge.sources.block import open_log

_HEAD_BYTES = (1 << 16, 1 << 22)
"""The first line that names a folder is looked for in so many bytes, then in so many: a prompt may be long."""


class _Line(msgspec.Struct, frozen=True):
    cwd: str | None = None


_decode = msgspec.json.Decoder(_Line).decode


def session_folder(log: Path) -> str | None:
    """The session's own folder: later lines name the folder that the agent moved to. None if no line names one."""
    try:
        descriptor = open_log(log)
    except (OSError, ValueError):
        return None
    try:
        for size in _HEAD_BYTES:
            head = os.pread(descriptor, size, 0)
            for line in head.split(b"\n")[:-1]:
                if folder := _folder(line):
                    return folder
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
