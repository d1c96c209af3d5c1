"""Moments as people name them."""

from __future__ import annotations

import time

import pytest

from budgauge.cli.since import parse_moment

NOON = 1_774_785_600
"""29 March 2026, 12:00 UTC: in Berlin 14:00 of a day that had 23 hours."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("today", NOON - 13 * 3600),
        ("yesterday", NOON - 37 * 3600),
        ("7d", NOON - 7 * 86_400),
        ("12h", NOON - 12 * 3600),
        ("2w", NOON - 14 * 86_400),
        ("99999w", 0),
        ("2026-03-29", NOON - 13 * 3600),
        ("2026-03-29T12:00Z", NOON),
        ("2026-03-29T12:00:00+00:00", NOON),
        ("7", None),
        ("d", None),
        ("-7d", None),
        ("tomorrow", None),
        ("", None),
        ("Z", None),
    ],
)
def test_a_moment(text: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert parse_moment(text, NOON) == seconds
