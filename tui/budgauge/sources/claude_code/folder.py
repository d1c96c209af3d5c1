"""The folder and time in which a Claude Code session began, from the first lines of the log."""

from collections.abc import Iterator
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


_decoder = msgspec.json.Decoder(_Line)
_timed_decoder = msgspec.json.Decoder(_Timed)
_Found = TypeVar("_Found")


def session_folder(log: Path) -> str | None:
    """Return the folder in which a session began; None if no line names one. Later lines may name others."""
    return next((line.cwd for line in _lines(log, _decoder) if line.cwd), None)


def session_begun(log: Path) -> float | None:
    """Return the unix seconds of a log's first line with a time, perhaps a copied line's; None without such a line."""
    moment = next((line.timestamp for line in _lines(log, _timed_decoder)), None)
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _lines(log: Path, decoder: msgspec.json.Decoder[_Found]) -> Iterator[_Found]:
    """Yield the readable lines at the beginning of a log."""
    with suppress(OSError, ValueError):
        for head in heads(log):
            for line in head.split(b"\n")[:-1]:
                with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    yield decoder.decode(line)
