"""Kind of a line too long to be read. Most are pictures, or answers of tools."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARK = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'["\\]')
_COLON = re.compile(rb"\s*:")
_MAX_STEPS = 1 << 16
"""After so many brackets, quotes and backslashes the kind counts as unknown."""
_TELLING = (b"assistant", b"token", b"usage")
_EVENT = b"event_msg"


def holds_no_usage(beginning: bytes) -> bool:
    """Return True if the line with this beginning is certainly of a kind without usage: the kind stands early.

    Whatever a tool answered stands deeper in the line, and may look like usage.
    """
    kind = inner = None
    for names, text in _strings(beginning):
        if names == [b"type"]:
            kind = text
        elif names == [b"payload", b"type"]:
            inner = text
        else:
            continue
        if kind == _EVENT and inner is not None:
            return not inner.startswith(b"token_")
        if kind is not None and kind != _EVENT:
            return not any(word in kind for word in _TELLING)
    return False


def _strings(data: bytes) -> Iterator[tuple[list[bytes | None], bytes]]:
    """Yield the strings among the values, each with the keys above; None stands for a place in an array."""
    names: list[bytes | None] = []
    at = 0
    for _ in range(_MAX_STEPS):
        mark = _MARK.search(data, at)
        if mark is None:
            return
        at = mark.end()
        if mark[0] == b'"':
            begin, at = at, _string_end(data, at)
            if not names or not at:
                return
            text = data[begin : at - 1]
            if _COLON.match(data, at):
                names[-1] = text
            elif b"\\" not in text:
                yield names, text
        elif mark[0] in b"{[":
            names.append(b"" if mark[0] == b"{" else None)
        elif names:
            names.pop()
        if not names:
            return


def _string_end(data: bytes, at: int) -> int:
    """Return the end of the string whose text begins at `at`; 0 if not in these bytes."""
    for _ in range(_MAX_STEPS):
        mark = _STRING_END.search(data, at)
        if mark is None:
            return 0
        if mark[0] == b'"':
            return mark.end()
        at = mark.end() + 1
    return 0
