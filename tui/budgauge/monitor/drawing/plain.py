"""Plain drawing: without colours, or with ASCII glyphs alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from budgauge.text import width

_POOR_TERMS = ("linux", "dumb", "vt", "ansi", "cons25")
"""Beginnings of $TERM of terminals with few glyphs."""
_GLYPHS = {
    "#": "█▉▊▋▌▇",
    ":": "▍▎▏▐▃",
    "_": "▁",
    ".": "▂░┄╌·",
    "-": "▄╸─╴╶–—",
    "=": "▅━",
    "+": "▆╭╮╰╯┌┐└┘├┤┬┴┼",
    '"': "▀",
    "%": "▒▓",
    "|": "│┃╵",
    "*": "●◆•",
    "!": "▲",
    "X": "■",
    "o": "○",
    "v": "▾▼↓✓✔",
    ">": "▸▶→›",
    "<": "◀←‹",
    "^": "↑",
    "~": "⏎…",
    "x": "✕×",
    " ": "\N{NO-BREAK SPACE}",
}
_EQUALS = {glyph: char for char, glyphs in _GLYPHS.items() for glyph in glyphs}
"""ASCII for every glyph of our screens."""


def is_poor(env: Mapping[str, str]) -> bool:
    """Return True if the environment names a terminal or encoding of ASCII alone.

    Where neither $LC_ALL nor $LC_CTYPE nor $LANG is set, the encoding is taken for UTF-8,
    as nearly all are.
    """
    if env.get("TERM", "").startswith(_POOR_TERMS):
        return True
    locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "")
    name, _, encoding = locale.partition("@")[0].partition(".")
    if encoding:
        return encoding.lower().replace("-", "") != "utf8"
    return name in ("C", "POSIX")


def draws_ascii(glyphs: str, env: Mapping[str, str]) -> bool:
    """Return True if the person chose ASCII, or with `auto` if the terminal needs ASCII."""
    return is_poor(env) if glyphs == "auto" else glyphs == "ascii"


@lru_cache(maxsize=4096)
def ascii_of(text: str) -> str:
    """Return a text of the same width in ASCII; `?` for each unknown cell."""
    return "".join(char if char.isascii() else _EQUALS.get(char) or "?" * width(char) for char in text)


class AsciiGlyphs(LineFilter):
    """A filter for ASCII glyphs alone."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return a line in ASCII."""
        if all(segment.text.isascii() for segment in segments):
            return segments
        return [Segment(ascii_of(text), style, control) for text, style, control in segments]


class WithoutColour(LineFilter):
    """A filter against colours; bold, underlined and reversed stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return a line without colours."""
        return [
            Segment(text, None if style is None else style.without_color, control) for text, style, control in segments
        ]
