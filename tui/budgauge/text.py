"""Text for people: foreign text made safe for the terminal, and one format for numbers and money."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_UP, Decimal

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
UNKNOWN = "unknown"
"""The word for an unknown price, never shown as 0."""
MAX_MARKS = 2
"""Combining marks that may stand on one character."""

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: str, cells: int | None = None) -> str:
    """Return foreign text safe to show: no control or format characters, few combining marks, bounded width.

    Every character able to steer a terminal or hide text becomes U+FFFD. With `cells`, text wider
    than that many terminal cells is cut and ends in an ellipsis.
    """
    clean = text if text.isascii() and text.isprintable() else _clean(text)
    return clean if cells is None else fit(clean, cells)


def _clean(text: str) -> str:
    out: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            marks += 1
            if marks <= MAX_MARKS and out:
                out.append(char)
            continue
        marks = 0
        out.append(REPLACEMENT if category in _UNSAFE else char)
    return "".join(out)


def width(text: str) -> int:
    """Return a text's width in terminal cells: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def fit(text: str, cells: int) -> str:
    """Return a text cut to at most so many cells, with an ellipsis for the missing part."""
    if width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    out: list[str] = []
    left = cells - 1
    for char in text:
        left -= _cells(char)
        if left < 0:
            break
        out.append(char)
    return "".join(out) + "…"


def fit_left(text: str, cells: int) -> str:
    """Return a text cut at the start, else as `fit`: a path's end says more."""
    if width(text) <= cells:
        return text
    return fit(text[::-1], cells)[::-1]


def count(number: int) -> str:
    """Return a count in full: 812,000."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Return a count with a noun: 1 call, 2,300 calls."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def short(number: int) -> str:
    """Return a count in about five characters: 950, 81.2k, 812k, 1.2M, 12M, 3.4B."""
    value = Decimal(number)
    for unit in ("", "k", "M", "B", "T"):
        digits = 1 if unit and value < 100 else 0
        rounded = value.quantize(Decimal(10) ** -digits, ROUND_HALF_UP)
        if rounded < 1000:
            text = f"{rounded:f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) + unit
        value /= 1000
    return f"{value * 1000:,.0f}T"


def percent(value: float | None) -> str:
    """Return a percentage as 81.2%, or nothing for None; 100.0% only from 100 on."""
    if value is None:
        return ""
    # Only a full budget shows as full.
    return "99.9%" if 99.9 < value < 100 else f"{value:,.1f}%"


def percent_of(value: float | None, limit: int | None) -> str:
    """Return the percentage of a limit in words; nothing for a limit of 0, of which there are no parts."""
    return "" if limit == 0 else percent(value)


def money(value: Decimal | None) -> str:
    """Return US dollars to the cent, below a dollar to four places: $12.34, $0.0031; None is "unknown"."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "$0.00"
    if value < Decimal("0.0001"):
        return "<$0.0001"
    places = Decimal("0.0001") if value < 1 else Decimal("0.01")
    return f"${value.quantize(places, ROUND_HALF_UP):,f}"
