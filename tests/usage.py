"""Usage records, and what a plain reading of a ledger adds up to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Usage
from budgauge.config import BudgetConfig
from budgauge.ledger.ledger import LOCK_TIMEOUT_SECONDS, Ledger
from budgauge.ledger.transaction import Transaction
from budgauge.tracker.tracker import TokenBudgetTracker


def usage(agent_id: str = "a", prompt: int = 10, completion: int = 5, **fields: Any) -> Usage:
    """A record of `prompt` and `completion` tokens; any field can be set."""
    values: dict[str, Any] = {
        "agent_id": agent_id,
        "model": "gpt-4",
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "timestamp": 1_767_225_600,
    }
    return Usage(**{**values, **fields})


def line(agent_id: str = "a", prompt: int = 10, completion: int = 5, **fields: Any) -> bytes:
    """The same as a line of a ledger."""
    return encode(usage(agent_id, prompt, completion, **fields))


Make = Callable[[BudgetConfig], TokenBudgetTracker]
"""Makes a tracker under a config."""


def locked(path: Path, *, sync: bool = False, timeout: float = LOCK_TIMEOUT_SECONDS) -> Transaction:
    """A transaction of a ledger of its own; entered, it holds the lock."""
    return Ledger(path, sync=sync, lock_timeout=timeout).locked()


def importing(path: Path, cache: Path | None = None, *, sync: bool = False) -> Ledger:
    """A ledger that knows all ids."""
    return Ledger(path, cache=cache, keeps_all_ids=True, sync=sync)


def waiting_threads() -> list[threading.Thread]:
    """Threads that wait for a ledger's lock, also for somebody who has given up."""
    return [thread for thread in threading.enumerate() if thread.name == "budgauge-lock"]


def plain_total(path: Path) -> int:
    """The tokens of all lines of a ledger without resets, read by the standard library; a repeated id counts once."""
    total, ids = 0, set()
    for text in path.read_bytes().split(b"\n"):
        record = json.loads(text) if text else {"total_tokens": 0}
        if record.get("id") is None or record["id"] not in ids:
            ids.add(record.get("id"))
            total += record["total_tokens"]
    return total
