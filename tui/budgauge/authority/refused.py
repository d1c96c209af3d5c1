"""The errors of an authority: the reason for each refusal to record, and advice."""

from __future__ import annotations

from budgauge.accounting.records import Release, Settle
from budgauge.errors import DuplicateIdError, RecordError, ReservationError, ResetError


def check_same(known: bool, id: str | None) -> None:
    """Raise DuplicateIdError where a known id comes with other content."""
    if not known:
        raise duplicate(id)


def duplicate(id: str | None) -> DuplicateIdError:
    """Make the error for an id of another call."""
    return DuplicateIdError(
        f"id {id!r} is in the ledger already, with other content",
        hint="Use one id a call; retries must repeat the same call.",
    )


def in_another_cycle(timestamp: float) -> RecordError:
    """Make the error for a timestamp (unix seconds) outside the present cycle."""
    return RecordError(
        f"timestamp {timestamp} is in another cycle than now: the present budget cannot admit it",
        hint="Leave the timestamp out; or, if the call was made then, report it with spent=True.",
    )


def no_reservation(reserve: str) -> ReservationError:
    """Make the error for an id of no reservation."""
    return ReservationError(
        f"there is no reservation {reserve!r}",
        hint="Its id may be misspelt, or be that of another ledger. What was spent: report it with spent=True.",
    )


def ended_already(reserve: str, ended: Settle | Release) -> ReservationError:
    """Make the error for a reservation settled or released before."""
    how = "settled" if isinstance(ended, Settle) else "released"
    return ReservationError(
        f"reservation {reserve!r} was {how} already", hint="What was spent beyond that: report it with spent=True."
    )


def expired_already(reserve: str) -> ReservationError:
    """Make the error for a known reservation after the expiry."""
    return ReservationError(f"reservation {reserve!r} has expired", hint="Reserve anew, under another id.")


def reset_between() -> ResetError:
    """Make the error for a reset after another one."""
    return ResetError(
        "Someone else reset, or undid a reset, in between; nothing was reset.",
        hint="Look at the status again, and repeat the reset with its reset_id if it is still wanted.",
    )


def no_reset() -> ResetError:
    """An undo without a reset."""
    return ResetError("There is no reset to undo.", hint="Only a reset not yet undone can be undone, once.")


def nothing_taken() -> ResetError:
    """An undo where every reset left the counters as they were."""
    return ResetError(
        "No reset took anything away, so there is nothing to undo.",
        hint="Nothing had been used when the counters were reset.",
    )


def reset_in_earlier_cycle() -> ResetError:
    """Make the error for an undo of a reset in an earlier cycle."""
    return ResetError(
        "The last reset was made in an earlier cycle, so there is nothing to undo.",
        hint="Counters began afresh with the present cycle. Only a reset made in it can be undone.",
    )
