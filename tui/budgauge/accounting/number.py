"""Numbers of the ledger's lines: their bounds, and the spellings in which other programs write them. Pure."""

from __future__ import annotations

import json
import re

MAX_COUNT = 2**53 - 1
"""The largest count a line may carry: what every JSON reader holds exactly."""
MAX_SECONDS = 10**11
"""The largest timestamp in unix seconds, in the year 5138. A larger one is in milliseconds."""
MAX_TIMESTAMP = 253_402_300_799
"""The last second of the year 9999, in unix seconds."""

COUNTS = frozenset(
    (
        *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens"),
        *("cache_write_1h_tokens", "reasoning_tokens", "web_search_requests", "tokens", "total_used"),
    )
)
"""Fields that hold a count."""
MOMENTS = frozenset(("timestamp", "expires"))
"""Fields that hold a moment."""

# `1.000` may mean a thousand and `1,5` may mean 1.5: neither is read as a number.
_WHOLE = re.compile(r"[0-9]{1,20}(?:\.0{1,2})?")
_SECONDS = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,9})?")
_SHOWN = 40


def read_numbers(fields: dict[str, object], names: frozenset[str] | set[str]) -> str | None:
    """Turn the numbers of a foreign line into plain ones, in place; why one of them is none, if so.

    Of the fields in `names`, whole floats and whole numbers in strings become integers, numbers
    in strings become moments, and moments in milliseconds become unix seconds.
    """
    for name in fields.keys() & names:
        value = fields[name]
        if value is None:
            continue
        number = _count(value) if name in COUNTS else _moment(value)
        if number is None:
            allowed = f"a whole number from 0 to {MAX_COUNT}" if name in COUNTS else "unix seconds or milliseconds"
            return f"`{name}` must be {allowed}, not {_shown(value)}"
        fields[name] = number
    return None


def _count(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value.partition(".")[0]) if _WHOLE.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_COUNT:
        return None
    return int(value) if value == int(value) else None


def _moment(value: object) -> float | None:
    if isinstance(value, str):
        value = float(value) if _SECONDS.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        return None
    seconds = value if value <= MAX_SECONDS else value / 1000
    if seconds > MAX_SECONDS:
        return None
    return int(seconds) if seconds == int(seconds) else seconds


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
