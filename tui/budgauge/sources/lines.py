"""The few lines of a log that matter, found by a search over its bytes before any decoding.

A quote inside a JSON string is always escaped, so `"token_count"` with both quotes bare is
never found in someone's text, whatever the spacing or the order of keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def marked_lines(data: bytes | bytearray, end: int, mark: bytes) -> Iterator[bytes | bytearray]:
    """The lines of `data` that hold a mark, in order; `end` is where its last whole line ends."""
    at = data.find(mark, 0, end)
    while at >= 0:
        newline = data.index(b"\n", at)
        yield data[data.rfind(b"\n", 0, at) + 1 : newline]
        at = data.find(mark, newline, end)


def other_lines(data: bytes | bytearray, end: int, beginning: re.Pattern[bytes]) -> Iterator[bytes | bytearray]:
    """The lines of `data` that do not begin so, in order; `end` is where its last whole line ends."""
    begins, find = beginning.match, data.find
    at = 0
    while at < end:
        newline = find(b"\n", at)
        if not begins(data, at, end):
            yield data[at:newline]
        at = newline + 1
