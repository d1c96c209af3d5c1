"""A TOML text's sections, and where in it they stand; no TOML library tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import tomli

Keys = tuple[str, ...]


class Section(msgspec.Struct, frozen=True):
    """A header and what is below it up to its last value: comments after that are not its own."""

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
    """Where each line begins and ends, a value of several lines being one."""
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
