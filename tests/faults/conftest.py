"""What tests of faults share."""

from __future__ import annotations

import pytest

from budgauge.accounting import deduplicator
from budgauge.accounting import id_index as known
from budgauge.ledger import checkpoint
from budgauge.ledger import ledger as ledger_module

SMALL_IDS = 200


@pytest.fixture
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is made whenever anything was read, and is not made of megabytes: few ids are known."""
    monkeypatch.setattr(ledger_module, "DUE_BYTES", 1)
    monkeypatch.setattr(checkpoint, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(known, "_MASK", 15)
    monkeypatch.setattr(deduplicator, "KNOWN_IDS", SMALL_IDS)
