"""Names of agents and models: comparison, and characters hidden from the eye. Pure."""

from __future__ import annotations

import re
import unicodedata

FAMILY = "/*"
"""The end of a family's key: `a/*` is the agent `a` and everything below it."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point, line and paragraph separators, and the blank of Braille."""
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u27bf\u2934-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]?"
)
_EMOJI = re.compile(
    "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"  # the flags of England, Scotland and Wales
    f"|{_PICTURE}(?:\u200d{_PICTURE})*"
    "|[0-9#*]\ufe0f\u20e3"
)
"""Emoji, whose joiners and selectors change what is seen."""
_JOINERS = "\u200c\u200d"
_VIRAMA = 9
"""The combining class of the sign behind which a joiner chooses the shape of a letter."""


def same_name(name: str) -> str:
    """Return the form in which names are compared (Unicode's NFC): equal forms are the same name."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def hidden(name: str) -> str | None:
    """Describe the invisible part of a name: spaces at the ends, or invisible characters. None if there is none."""
    key = name.removesuffix(FAMILY)
    if key != key.strip():
        return "begins or ends with a space"
    places = [] if key.isascii() else _invisible(key)
    return f"holds an invisible character (U+{ord(key[places[0]]):04X})" if places else None


def cleaned(name: str) -> str:
    """Return a name in NFC without invisible characters, perhaps empty."""
    if name.isascii():
        return name.strip()
    while places := set(_invisible(name)):
        name = "".join(char for place, char in enumerate(name) if place not in places)
    return unicodedata.normalize("NFC", name.strip())


def _invisible(text: str) -> list[int]:
    """Return the places of invisible characters without an effect on visible ones."""
    emoji = [range(*match.span()) for match in _EMOJI.finditer(text)]
    within = {place for span in emoji for place in span}
    return [
        match.start()
        for match in _INVISIBLE.finditer(text)
        if match.start() not in within and not _shapes(text, match.start())
    ]


def _shapes(text: str, place: int) -> bool:
    """Return True if a joiner shapes the letters around, as in Indic and Arabic scripts."""
    if text[place] not in _JOINERS or place == 0:
        return False
    before, after = text[place - 1], text[place + 1 : place + 2]
    if unicodedata.combining(before) == _VIRAMA:
        return True
    is_arabic = bool(after) and unicodedata.bidirectional(before) in ("AL", "NSM")
    return is_arabic and unicodedata.bidirectional(after) == "AL"
