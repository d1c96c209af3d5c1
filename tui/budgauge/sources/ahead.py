"""A long first reading shared with a child process, which reads some of the logs ahead.

Python runs on one core at a time. What the child makes of a log is what this process would make
of it; if the child dies, this process reads the rest itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from budgauge.sources.log import Counts, Cursor, Log

WORTH_BYTES = 64 << 20
"""So much to read is worth a process of its own."""
_CHILD_SHARE = 0.68
"""Of the bytes; the rest of the time this process needs for booking."""
_PIPE_BYTES = 1 << 20
_LENGTH_BYTES = 4


class ReadLog(msgspec.Struct, frozen=True, array_like=True):
    """What the child made of a log."""

    cursor: Cursor
    new_counts: Counts
    bytes_read: int
    calls: list[tuple[Any, ...]]
    """The fields of each: a third of the time that whole records would take."""


_decode = msgspec.msgpack.Decoder(ReadLog).decode


class Ahead:
    """Logs that a child process reads. Ask for each in the order in which they were given."""

    def __init__(self, logs: Mapping[str, Log]) -> None:
        """Raises OSError where no process can be had."""
        self._keys = set(logs)
        reading, writing = os.pipe()
        try:
            self._child = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if not self._child:
            os.close(reading)
            _serve(writing, logs.values())
        os.close(writing)
        self._pipe = os.fdopen(reading, "rb")

    def take(self, key: str) -> ReadLog | None:
        """What the child made of a log; None if it is for this process to read."""
        if key not in self._keys:
            return None
        self._keys.discard(key)
        try:
            length = int.from_bytes(_exactly(self._pipe, _LENGTH_BYTES), "big")
            return _decode(_exactly(self._pipe, length)) if length else None
        except (EOFError, msgspec.MsgspecError):
            self._keys.clear()
            return None

    def close(self) -> None:
        """The child is no longer needed."""
        self._pipe.close()
        # Where SIGCHLD is ignored the system has seen to it.
        with suppress(ChildProcessError):
            os.waitpid(self._child, 0)


def read_ahead(logs: Mapping[str, Log]) -> Ahead | None:
    """A child that reads its share of these logs; None where it is not worth it, or cannot be."""
    sizes = {key: log.size for key, log in logs.items()}
    if sys.platform != "linux" or sum(sizes.values()) < WORTH_BYTES:
        return None
    try:
        # A fork would copy locks that other threads, also those that are not Python's, hold just then.
        if len(os.listdir("/proc/self/task")) > 1:
            return None
        return Ahead({key: logs[key] for key in _share(sizes)})
    except OSError:
        return None


def _share(sizes: Mapping[str, int]) -> list[str]:
    """Which logs the child is to read, given each one's size: its share at any time, so that nobody waits long."""
    theirs: list[str] = []
    total = given = 0
    for key, size in sizes.items():
        total += size
        if given + size <= total * _CHILD_SHARE:
            given += size
            theirs.append(key)
    return theirs


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _serve(writing: int, logs: Iterable[Log]) -> None:
    """Be the child: read each log, tell of it, and end."""
    try:
        _widen(writing)
        with os.fdopen(writing, "wb") as pipe:
            for log in logs:
                told = _read(log)
                pipe.write(len(told).to_bytes(_LENGTH_BYTES, "big") + told)
                pipe.flush()
    finally:
        # Nothing of what the parent registered for its own end may run here.
        os._exit(0)


def _widen(writing: int) -> None:
    """Let the child be far ahead."""
    import fcntl

    # A small pipe serves as well; it only lets the child be less far ahead.
    with suppress(OSError):
        fcntl.fcntl(writing, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE_BYTES)


def _read(log: Log) -> bytes:
    """What is new of a log, encoded; empty if the parent must see for itself why it cannot be read."""
    try:
        calls = list(map(msgspec.structs.astuple, log.read()))
        return msgspec.msgpack.encode(ReadLog(log.cursor(), log.new_counts, log.bytes_read, calls))
    except (OSError, msgspec.MsgspecError, MemoryError):
        return b""
