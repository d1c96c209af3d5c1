"""Terminals that can show less, and people who want less: no colours, no glyphs beyond ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from budgauge.text import width

_POOR_TERMS = ("linux", "dumb", "vt", "ansi", "cons25")
"""Beginnings of $TERM of terminals whose fonts have few glyphs."""
_EQUALS = {
    **dict.fromkeys("█▉▊▋▌▇", "#"),
    **dict.fromkeys("▍▎▏▐", ":"),
    **dict(zip("▁▂▃▄▅▆", "_.:-=+", strict=True)),
    "▀": '"',
    "▒": "%",
    "░": ".",
    "▓": "%",
    "━": "=",
    "╸": "-",
    "┄": ".",
    "╌": ".",
    "│": "|",
    "┃": "|",
    "╵": "|",
    **dict.fromkeys("─╴╶", "-"),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
    "●": "*",
    "▲": "!",
    "■": "X",
    "○": "o",
    "▾": "v",
    "▸": ">",
    "▼": "v",
    "▶": ">",
    "◀": "<",
    "◆": "*",
    "•": "*",
    "↑": "^",
    "↓": "v",
    "←": "<",
    "→": ">",
    "⏎": "~",
    "›": ">",
    "‹": "<",
    "·": ".",
    "…": "~",
    "–": "-",
    "—": "-",
    "✓": "v",
    "✔": "v",
    "✕": "x",
    "×": "x",
    "\N{NO-BREAK SPACE}": " ",
}
"""Every glyph that our screens draw, and what stands for it in one cell."""


def is_poor(env: Mapping[str, str]) -> bool:
    """Can the terminal, as the environment tells, show no more than ASCII?

    Where neither $LC_ALL nor $LC_CTYPE nor $LANG is set, nothing is known of its encoding: then
    it is taken for UTF-8, as nearly all are.
    """
    if env.get("TERM", "").startswith(_POOR_TERMS):
        return True
    locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "")
    name, _, encoding = locale.partition("@")[0].partition(".")
    if encoding:
        return encoding.lower().replace("-", "") != "utf8"
    return name in ("C", "POSIX")


def draws_ascii(glyphs: str, env: Mapping[str, str]) -> bool:
    """Is it ASCII that a person chose (`ascii`, `all`), or with `auto` that the terminal needs?"""
    return is_poor(env) if glyphs == "auto" else glyphs == "ascii"


@lru_cache(maxsize=4096)
def ascii_of(text: str) -> str:
    """A text of the same width in ASCII; `?` for each cell of what has no equal."""
    return "".join(char if char.isascii() else _EQUALS.get(char) or "?" * width(char) for char in text)


class AsciiGlyphs(LineFilter):
    """Draws with ASCII alone."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in ASCII."""
        if all(segment.text.isascii() for segment in segments):
            return segments
        return [
            segment if segment.text.isascii() else Segment(ascii_of(segment.text), segment.style, segment.control)
            for segment in segments
        ]


class WithoutColour(LineFilter):
    """Draws in the terminal's own colours alone; bold, underlined and reversed stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line without colours."""
        return [
            Segment(text, None if style is None else style.without_color, control) for text, style, control in segments
        ]
