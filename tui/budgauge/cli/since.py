"""Moments on the command line: `7d`, `today`, a date."""

from __future__ import annotations

import re
from datetime import datetime

from budgauge.accounting.billing_cycle import midnight

FORMS = "today, yesterday, a time back such as 7d or 12h, or a date such as 2026-11-01 or 2026-11-01T09:30"
"""The forms of `parse_moment`, in words."""
_BACK = re.compile(r"([0-9]{1,5})([hdw])")
_SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_moment(text: str, now: float) -> float | None:
    """Return the unix seconds of a moment in one of `FORMS`, local without a zone; None for other texts.

    `7d` is 7 times 24 hours before `now` (unix seconds); `today` and `yesterday` begin at local midnight.
    """
    if text == "today":
        return midnight(now)
    if text == "yesterday":
        return midnight(midnight(now) - 1)
    if back := _BACK.fullmatch(text):
        return max(0.0, now - int(back[1]) * _SECONDS[back[2]])
    try:
        # Python 3.10 does not read the Z that others write for UTC.
        return datetime.fromisoformat(re.sub(r"(?<=[0-9])Z$", "+00:00", text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
