"""Sections of a TOML text with their places, which no TOML library gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import tomli

Keys = tuple[str, ...]


class Section(msgspec.Struct, frozen=True):
    """A header and the lines below up to the last value, without the comments after."""

    keys: Keys
    """The header's; () for what is before any header."""
    start: int
    body: int
    """Where the line after its header begins."""
    end: int


_TOKEN = re.compile(
    r"""["]{3}(?:[^\\]|\\.)*?["]{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]""", re.DOTALL
)
"""What may hold or end a line: texts, comments, brackets."""


def sections(text: str) -> list[Section]:
    """Every section of a valid TOML text, the one before any header first."""
    found = [Section((), 0, 0, 0)]
    for start, end in _statements(text):
        line = text[start:end].strip()
        if line.startswith("["):
            found.append(Section(_keys(line), start, end, end))
        elif line and not line.startswith("#"):
            found[-1] = msgspec.structs.replace(found[-1], end=end)
    return found


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Yield the beginning and end of each line. A value of several lines counts as one line."""
    start = depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and not depth:
            yield start, token.end()
            start = token.end()
    if start < len(text):
        yield start, len(text)


def _keys(header: str) -> Keys:
    keys: list[str] = []
    inner: Any = tomli.loads(header)  # tables of one key each, the last perhaps in an array
    while inner:
        ((key, below),) = inner.items()
        keys.append(key)
        inner = below[0] if isinstance(below, list) else below
    return tuple(keys)
