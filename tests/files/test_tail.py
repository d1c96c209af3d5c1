"""Offsets, as earlier versions wrote them."""

from __future__ import annotations

import msgspec

from budgauge.ledger.tail import LedgerOffset
from budgauge.sources.tail import LogOffset


def test_a_ledgers_offset_is_a_map() -> None:
    kept = {"inode": 7, "offset": 90, "head": b"first", "before": b"last", "overlong_from": 80}
    data = msgspec.msgpack.encode(kept)
    at = msgspec.msgpack.decode(data, type=LedgerOffset)
    assert at == LedgerOffset(inode=7, offset=90, before=b"last", head=b"first", overlong_from=80)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(at)) == kept


def test_a_logs_offset_is_an_array() -> None:
    kept = [7, 90, b"last", 200, True, 3, True, False]
    at = msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=LogOffset)
    assert at == LogOffset(
        inode=7, offset=90, before=b"last", size=200, is_skipping=True, skipped_lines=3, is_counted=True
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(at)) == kept
