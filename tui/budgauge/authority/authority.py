"""The seam of admission: the decider on spending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import UnsetType

from budgauge.accounting.limits import BudgetUsage
from budgauge.accounting.records import Reserve, Reset, Settle, Usage
from budgauge.config import BudgetConfig
from budgauge.errors import RefusedError

if TYPE_CHECKING:
    from budgauge.status.snapshot import Snapshot


class Authority(Protocol):
    """Decides by one budget or several, and records the admitted calls.

    Every method raises LedgerError where the ledger cannot be used, and ServerError where a server cannot be reached.
    """

    @property
    def config(self) -> BudgetConfig:
        """The budget and the rules."""
        ...

    def report(self, usage: Usage, *, spent: bool, is_dated: bool) -> bool:
        """Record a call if the budget admits the call, or because of `spent`; False for a known id.

        `is_dated` tells that the caller chose the timestamp. Raises RefusedError, DuplicateIdError, RecordError.
        """
        ...

    def reserve(self, reserve: Reserve) -> Reserve:
        """Hold tokens if the budget admits them; return the reservation, or an earlier one of the same id.

        Raises RefusedError, DuplicateIdError, ReservationError.
        """
        ...

    def settle(self, settle: Settle, *, is_dated: bool) -> bool:
        """End a reservation with the usage; False after the same settlement.

        An empty agent id stands for that of the reservation. Raises ReservationError, DuplicateIdError, RecordError.
        """
        ...

    def release(self, reserve: str, *, again: bool) -> None:
        """Give a reservation back, by id; with `again` a released one is no error. Raises ReservationError."""
        ...

    def reset(self, reset: Reset, expected: str | UnsetType | None) -> str:
        """Start the counters afresh; return the reset's id. Raises ResetError if the latest is not the `expected`."""
        ...

    def undo_reset(self) -> str:
        """Undo the latest reset with an effect; return the reset's id. Raises ResetError."""
        ...

    def check(self, agent_id: str, tokens: int) -> RefusedError | None:
        """Return the error of a report of so many counted tokens; None if they would be admitted."""
        ...

    def state(self) -> Snapshot:
        """Return everything at once; models without a known price are looked up."""
        ...

    def usages(self, *, refreshed: bool = True) -> Sequence[BudgetUsage]:
        """Return the usage by each budget: first the one shown.

        Without `refreshed`, as of the last decision or reading.
        """
        ...

    def set_config(self, config: BudgetConfig) -> None:
        """Decide by other rules from now on; the usage stays."""
        ...
