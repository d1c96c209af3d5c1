"""What tests of commands share."""

from __future__ import annotations

import pytest

from budgauge.doctor import prices
from budgauge.pricing.price_book import lookup


@pytest.fixture(autouse=True)
def price_table_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor reads the price table in the test's own process: a process for each look takes a third of a second."""
    monkeypatch.setattr(prices, "lookup_in_child", lookup)
