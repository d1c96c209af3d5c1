"""The finding of one of the doctor's checks."""

from typing import Literal

import msgspec

State = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The finding of one check."""

    name: str
    state: State
    message: str
    mend: str = ""
    """What to do about it; empty where nothing must be done."""
    details: tuple[str, ...] = ()
