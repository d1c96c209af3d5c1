"""Cycles in this machine's own time zone."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.local_zone import LocalZone
from budgauge.cli import cli
from budgauge.config import Cycle
from budgauge.ledger.ledger import cycle_name

ZONES = [
    "Europe/Berlin",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "UTC",
]
"""With clocks that change at midnight, by half an hour, and by a whole day."""


def live_in(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()


@pytest.mark.parametrize("zone", ZONES)
def test_local_boundaries_are_those_of_the_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    live_in(zone, monkeypatch)
    for settings in ({"period": "daily"}, {"period": "weekly", "day": 3}, {"period": "monthly", "day": 31}):
        local, named = (Calendar(Cycle(**settings, timezone=name)) for name in ("local", zone))  # type: ignore[arg-type]
        for moment in range(1_293_840_000, 1_700_000_000, 86_400 * 5 // 3):
            assert local.span(moment) == named.span(moment), moment


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_read_as_the_zone_reads_it(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    live_in(zone, monkeypatch)
    begin = datetime(2026, 3, 1, tzinfo=timezone.utc)
    for hours in range(0, 24 * 300, 7):
        moment = begin + timedelta(hours=hours)
        mine, theirs = moment.astimezone(LocalZone()), moment.astimezone(ZoneInfo(zone))
        assert (mine.replace(tzinfo=None), mine.fold) == (theirs.replace(tzinfo=None), theirs.fold)
        assert mine.utcoffset() == theirs.utcoffset()
        assert mine.timestamp() == moment.timestamp()


def test_what_was_kept_for_another_zone_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for zone in ("Europe/Berlin", "Asia/Tokyo"):
        live_in(zone, monkeypatch)
        names.append(cycle_name(Cycle(period="daily", timezone="local")))
        assert cycle_name(Cycle(period="daily")) == "('daily', 1, 'UTC')"
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("setting", "end"),
    [
        ('timezone = "local"', "00:00:00 JST"),
        ("", '09:00:00 JST, midnight in UTC (cycle.timezone; "local" is this machine\'s)'),
        ('timezone = "Asia/Tokyo"', "00:00:00 JST"),
    ],
)
def test_status_says_whose_midnight_ends_the_cycle(
    setting: str, end: str, own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_in("Asia/Tokyo", monkeypatch)
    (own_place / ".codex").mkdir()
    config = f'[token_budget.cycle]\nperiod = "daily"\n{setting}\n'
    (own_place / ".codex" / "config.toml").write_text(config, encoding="utf-8")
    [line] = [line for line in CliRunner().invoke(cli, ["status"]).stdout.splitlines() if line.startswith("Cycle")]
    assert line.endswith(end)
