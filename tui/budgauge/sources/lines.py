"""Search for the few lines of a log that matter, over the bytes, before any decoding.

A quote inside a JSON string is always escaped, so `"token_count"` with both quotes bare is
never found in someone's text, whatever the spacing or the order of keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def marked_lines(data: bytes, mark: bytes) -> Iterator[bytes]:
    """Yield the lines with a mark, in order. `data` is whole lines."""
    at = data.find(mark)
    while at >= 0:
        newline = data.index(b"\n", at)
        yield data[data.rfind(b"\n", 0, at) + 1 : newline]
        at = data.find(mark, newline)


def other_lines(data: bytes, beginning: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield the lines without this beginning, in order. `data` is whole lines."""
    begins, find = beginning.match, data.find
    at = 0
    while at < len(data):
        newline = find(b"\n", at)
        if not begins(data, at):
            yield data[at:newline]
        at = newline + 1
