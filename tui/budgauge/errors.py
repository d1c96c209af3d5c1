"""All errors raised by budgauge, in one tree, each with advice on the next step.

BudgaugeError
├── ConfigError (ValueError)        a wrong value in a file, a variable or an option
├── RecordError (ValueError)        a usage record that must not be written
│   └── DuplicateIdError            its id is known, with other content
├── RefusedError                    the budget forbids it
│   ├── AgentLimitExceededError     an agent's own limit, or its family's
│   └── BudgetExceededError         the total budget
├── ReservationError                there is no such reservation, or it has ended
├── ResetError                      nothing to undo, or someone else reset in between
├── SourceError                     an agent's session logs cannot be read or collected
├── PriceError                      the price table cannot be read
├── ServerError                     the RPC server cannot be started, reached or understood
│   └── ServerRunningError          another one serves this ledger
└── LedgerError
    ├── LedgerRefusedError          what stands at the path is no ledger we may write
    ├── LedgerReadError             a system call failed while reading
    ├── LedgerWriteError            a system call failed while writing; nothing acknowledged
    └── LockTimeoutError            another writer held the lock for too long
"""

from __future__ import annotations

__all__ = [
    "AgentLimitExceededError",
    "BudgaugeError",
    "BudgetExceededError",
    "ConfigError",
    "DuplicateIdError",
    "LedgerError",
    "LedgerReadError",
    "LedgerRefusedError",
    "LedgerWriteError",
    "LockTimeoutError",
    "PriceError",
    "RecordError",
    "RefusedError",
    "ReservationError",
    "ResetError",
    "ServerError",
    "ServerRunningError",
    "SourceError",
]

OVER_BUDGET_HINT = (
    "Raise the budget or limit, reset at a billing boundary, shorten prompts, use a cheaper model, or split the work."
)


class BudgaugeError(Exception):
    """Base of all errors; `str(error)` is the message alone."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        """Advice in one sentence; may be empty."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by state, so an error crosses process pools with any constructor."""
        return _revive, (type(self), self.args, self.__dict__)


def _revive(kind: type[BudgaugeError], args: tuple[object, ...], state: dict[str, object]) -> BudgaugeError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(BudgaugeError, ValueError):
    """A wrong config value; the message names file, key, value and the allowed values."""


class RecordError(BudgaugeError, ValueError):
    """A usage record with a wrong field."""


class DuplicateIdError(RecordError):
    """The id is already in the ledger with other content."""


class RefusedError(BudgaugeError):
    """A refusal by the budget; nothing was recorded."""

    scope = "total"
    """The refusing limit's kind: `agent`, `family` or `total`."""

    def __init__(self, message: str, *, limit: int, current: int, requested: int) -> None:
        super().__init__(message, hint=OVER_BUDGET_HINT)
        self.limit = limit
        """Counted tokens allowed."""
        self.current = current
        """Counted tokens used and reserved so far."""
        self.requested = requested
        """Counted tokens asked for."""


class AgentLimitExceededError(RefusedError):
    """An agent's own limit, or a family's, would be exceeded."""

    def __init__(self, agent_id: str, *, limit: int, current: int, requested: int) -> None:
        message = f"Agent {agent_id} would exceed limit of {limit} tokens (current: {current}, requested: {requested})"
        super().__init__(message, limit=limit, current=current, requested=requested)
        self.agent_id = agent_id
        """The agent, or the family's key such as `claude-code/*`."""
        self.scope = "family" if agent_id.endswith("/*") else "agent"


class BudgetExceededError(RefusedError):
    """The total budget would be exceeded."""

    def __init__(self, *, limit: int, current: int, requested: int) -> None:
        message = f"Total budget of {limit} tokens would be exceeded (current: {current}, requested: {requested})"
        super().__init__(message, limit=limit, current=current, requested=requested)


class ReservationError(BudgaugeError):
    """A reservation is unknown, or was settled or released already."""


class ResetError(BudgaugeError):
    """A reset or an undo is not possible."""


class SourceError(BudgaugeError):
    """An agent's session logs cannot be read or collected."""


class PriceError(BudgaugeError):
    """The price table cannot be read; missing prices stay unknown."""


class ServerError(BudgaugeError):
    """The RPC server cannot be started or reached, or a call failed without a more exact error."""


class ServerRunningError(ServerError):
    """Another server serves this ledger already."""


class LedgerError(BudgaugeError):
    """Base of all errors of the ledger file."""


class LedgerRefusedError(LedgerError):
    """The ledger's path holds a link, a folder or a foreign file, which must not be written."""


class LedgerReadError(LedgerError):
    """A system call failed while the ledger was read."""


class LedgerWriteError(LedgerError):
    """A system call failed while the ledger was written; the record was not acknowledged."""


class LockTimeoutError(LedgerError):
    """Another writer held the ledger's lock for longer than the timeout."""
