"""The few lines of a log that matter, found by a search over its bytes before any decoding.

A quote inside a JSON string is always escaped, so `"token_count"` with both quotes bare is
never found in someone's text, whatever the spacing or the order of keys.
"""

from __future__ import annotations

from collections.abc import Iterator


def marked_lines(data: bytes, marks: tuple[bytes, ...]) -> Iterator[bytes]:
    """The lines of `data` (whole lines, each ending in a newline) that hold any of the marks, in order."""
    found = {mark: at for mark in marks if (at := data.find(mark)) >= 0}
    while found:
        at = min(found.values())
        end = data.index(b"\n", at)
        yield data[data.rfind(b"\n", 0, at) + 1 : end]
        for mark in [mark for mark, at in found.items() if at < end]:
            found[mark] = data.find(mark, end)
            if found[mark] < 0:
                del found[mark]
