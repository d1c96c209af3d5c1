"""The finding of one of the doctor's checks."""

from collections.abc import Sequence
from typing import Literal

import msgspec

State = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The finding of one check."""

    name: str = ""
    """Of the check."""
    state: State
    message: str
    fix: str = msgspec.field(default="", name="mend")
    """Advice; empty where nothing must be done."""
    details: tuple[str, ...] = ()


def ok(message: str, details: Sequence[str] = ()) -> Finding:
    """Return the finding of a check without trouble."""
    return Finding(state="ok", message=message, details=tuple(details))


def warn(message: str, fix: str, details: Sequence[str] = ()) -> Finding:
    """Return the finding of trouble with which budgets still hold."""
    return Finding(state="warning", message=message, fix=fix, details=tuple(details))


def fail(message: str, fix: str, details: Sequence[str] = ()) -> Finding:
    """Return the finding of trouble with which budgets may not hold."""
    return Finding(state="error", message=message, fix=fix, details=tuple(details))
