"""A live token budget for AI coding agents. The public API, loaded when first used.

Importing `budgauge` stays cheap (no Textual, no Rich, no price table), so that agents'
hooks and libraries can import it without a cost of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budgauge.accounting.reservation import Hold as Hold
    from budgauge.config import BudgetConfig as BudgetConfig
    from budgauge.config import Cycle as Cycle
    from budgauge.errors import AgentLimitExceededError as AgentLimitExceededError
    from budgauge.errors import BudgaugeError as BudgaugeError
    from budgauge.errors import BudgetExceededError as BudgetExceededError
    from budgauge.errors import ConfigError as ConfigError
    from budgauge.errors import DuplicateIdError as DuplicateIdError
    from budgauge.errors import LedgerError as LedgerError
    from budgauge.errors import RecordError as RecordError
    from budgauge.errors import RefusedError as RefusedError
    from budgauge.errors import ReservationError as ReservationError
    from budgauge.errors import ResetError as ResetError
    from budgauge.errors import ServerError as ServerError
    from budgauge.rpc.connect import connect as connect
    from budgauge.rpc.connect import connect_async as connect_async
    from budgauge.status.snapshot import Snapshot as Snapshot
    from budgauge.tracker.sdk import record_response as record_response
    from budgauge.tracker.sdk import reserve as reserve
    from budgauge.tracker.tracker import TokenBudgetTracker as TokenBudgetTracker

__version__ = "0.1.0"

_HOMES = {
    "TokenBudgetTracker": "budgauge.tracker.tracker",
    "Hold": "budgauge.accounting.reservation",
    "BudgetConfig": "budgauge.config",
    "Cycle": "budgauge.config",
    "Snapshot": "budgauge.status.snapshot",
    "record_response": "budgauge.tracker.sdk",
    "reserve": "budgauge.tracker.sdk",
    "connect": "budgauge.rpc.connect",
    "connect_async": "budgauge.rpc.connect",
    **dict.fromkeys(
        (
            "AgentLimitExceededError",
            "BudgaugeError",
            "BudgetExceededError",
            "ConfigError",
            "DuplicateIdError",
            "LedgerError",
            "RecordError",
            "RefusedError",
            "ReservationError",
            "ResetError",
            "ServerError",
        ),
        "budgauge.errors",
    ),
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'budgauge' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
