"""What tests of faults share."""

from __future__ import annotations

import pytest

from budgauge.accounting import fold as totals
from budgauge.accounting import id_index as known
from budgauge.ledger import checkpoint, reader

SMALL_IDS = 200


@pytest.fixture
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is made whenever anything was read, and is not made of megabytes: few ids are known."""
    monkeypatch.setattr(reader, "DUE_BYTES", 1)
    monkeypatch.setattr(checkpoint, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(known, "_MASK", 15)
    monkeypatch.setattr(totals, "KNOWN_IDS", SMALL_IDS)
    monkeypatch.setattr(checkpoint, "KNOWN_IDS", SMALL_IDS)
