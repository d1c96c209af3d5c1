"""A live token budget for AI coding agents. The public API, loaded when first used.

Importing `budgauge` stays cheap (no Textual, no Rich, no price table), so that agents'
hooks and libraries can import it without a cost of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from budgauge.hold import Hold as Hold
    from budgauge.recording import record_response as record_response
    from budgauge.recording import reserve as reserve
    from budgauge.rpc.connecting import connect as connect
    from budgauge.rpc.connecting import connect_async as connect_async
    from budgauge.snapshot import Snapshot as Snapshot
    from budgauge.tracker import TokenBudgetTracker as TokenBudgetTracker

__version__ = "0.1.0"

_HOMES = {
    "TokenBudgetTracker": "budgauge.tracker",
    "Hold": "budgauge.hold",
    "BudgetConfig": "budgauge.config",
    "Cycle": "budgauge.config",
    "Snapshot": "budgauge.snapshot",
    "record_response": "budgauge.recording",
    "reserve": "budgauge.recording",
    "connect": "budgauge.rpc.connecting",
    "connect_async": "budgauge.rpc.connecting",
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
